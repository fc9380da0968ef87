"""LAMMPS's library as an ase calculator for a periodic cell of any shape, with the charges and coefficients of a checked potential."""

import ctypes
import sys
import types
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms
from ase.calculators.calculator import Calculator, all_changes
from ase.data import atomic_masses, atomic_numbers
from ase.stress import full_3x3_to_voigt_6_stress
from numpy.typing import NDArray

from campaigns.engines.job import EngineFailed
from campaigns.engines.labellers import lammps_text
from campaigns.engines.labellers.base import LabelFailed, require_finite
from campaigns.science.lammps_input import Box

EV_A3_PER_BAR = 1 / 1.6021765e6  # LAMMPS's own conversion (nktv2p in units metal)
MAX_CHARGE_E = 1e-3
LMP_STYLE_GLOBAL, LMP_TYPE_VECTOR = 0, 1  # of LAMMPS's library interface
# LAMMPS's words for a configuration that is no crystal, as opposed to a potential that is wrongly set up.
GEOMETRY_ERRORS = ("Lost atoms", "Out of range atoms", "Non-numeric", "Neighbor list overflow", "Too many neighbor bins", "Pair distance")


class LammpsCalculator(Calculator):
    """energy, forces and stress (Voigt, eV/A^3) of a periodic cell of any shape."""

    implemented_properties = ["energy", "free_energy", "forces", "stress"]

    def __init__(self, potential: lammps_text.Potential, folder: Path) -> None:
        super().__init__()
        self._potential = potential
        self._lammps = _open_library()
        self._loaded: tuple[bytes, bytes] | None = None
        self._has_run = False  # then the potential is right, and an error is the configuration's
        self._commands = [*_charge_commands(potential), *_potential_commands(potential, _write_files(potential, folder))]

    def calculate(
        self, atoms: Atoms | None = None, properties: Sequence[str] = ("energy",), system_changes: Sequence[str] = all_changes
    ) -> None:
        super().calculate(atoms, properties, system_changes)
        require_finite(self.atoms)
        box = Box.of(self.atoms.cell.array).reduced()
        # Wrapped, the result depends on the positions alone and not on the way to them.
        positions_A = wrap(box.to_lammps(self.atoms.positions), box.lower_A)
        wanted = (self.atoms.numbers.tobytes(), self.atoms.cell.array.tobytes())
        if wanted != self._loaded:
            self._loaded = None
            self._create(box.lower_A, positions_A)
            self._loaded = wanted
        # Also after a creation, which rounds positions: the last digits must not tell a new system from an old one.
        flat = positions_A.ravel()
        self._lammps.scatter_atoms("x", 1, 3, (ctypes.c_double * len(flat))(*flat))
        try:
            self._do(["run 0 post no"], is_geometry=self._has_run)
        except (LabelFailed, EngineFailed):
            self._loaded = None  # LAMMPS's state after an error is not to be trusted
            raise
        self._has_run = True
        self.results = self._results(box)

    def _results(self, box: Box) -> dict[str, Any]:
        # Not last_thermo(): it repeats the first run's values where the step number, always 0 here, does not change.
        energy_eV = self._lammps.get_thermo("pe")
        pressure = self._lammps.extract_compute("virial", LMP_STYLE_GLOBAL, LMP_TYPE_VECTOR)
        xx, yy, zz, xy, xz, yz = (pressure[index] for index in range(6))
        pressure_eV_A3 = np.array([[xx, xy, xz], [xy, yy, yz], [xz, yz, zz]]) * EV_A3_PER_BAR
        forces_eV_A = box.to_caller(np.array(self._lammps.gather_atoms("f", 1, 3)).reshape(-1, 3))
        stress = -box.rotation.T @ pressure_eV_A3 @ box.rotation
        return {"energy": energy_eV, "free_energy": energy_eV, "forces": forces_eV_A, "stress": full_3x3_to_voigt_6_stress(stress)}

    def _create(self, box_A: NDArray[np.float64], positions_A: NDArray[np.float64]) -> None:
        elements = self._potential.elements
        symbols = self.atoms.get_chemical_symbols()
        unknown = sorted(set(symbols) - set(elements))
        if unknown:
            raise EngineFailed(f"The potential says nothing about {', '.join(unknown)}.", cause="bad_input", permanent=True)
        charge_e = sum(self._potential.charges_e.get(symbol, 0.0) for symbol in symbols)
        if abs(charge_e) > MAX_CHARGE_E:
            raise EngineFailed(
                f"The cell {self.atoms.get_chemical_formula()} has a charge of {charge_e:+.3f} e with the charges of the "
                "potential: change them so that the sum is zero.",
                cause="bad_input",
                permanent=True,
            )
        xhi, yhi, zhi = np.diag(box_A)
        tilts = " ".join(f"{tilt:.17g}" for tilt in (box_A[1, 0], box_A[2, 0], box_A[2, 1]))
        self._do(
            [
                "clear",
                "units metal",
                "atom_style charge",
                "atom_modify map array sort 0 0",
                "boundary p p p",
                f"region cell prism 0 {xhi:.17g} 0 {yhi:.17g} 0 {zhi:.17g} {tilts} units box",
                f"create_box {len(elements)} cell",
            ]
        )
        atom_types = [elements.index(symbol) + 1 for symbol in symbols]
        created = self._lammps.create_atoms(len(symbols), list(range(1, len(symbols) + 1)), atom_types, positions_A.ravel().tolist())
        if created != len(symbols):
            raise LabelFailed("bad_geometry", f"LAMMPS could place only {created} of {len(symbols)} atoms in the cell.")
        self._do(
            [
                *(f"mass {number} {atomic_masses[atomic_numbers[symbol]]:.10g}" for number, symbol in enumerate(elements, 1)),
                *self._commands,
                "compute virial all pressure NULL virial",
                "thermo_style custom step pe vol c_virial[1] c_virial[2] c_virial[3] c_virial[4] c_virial[5] c_virial[6]",
                "thermo_modify norm no lost error",
            ]
        )

    def _do(self, commands: list[str], is_geometry: bool = False) -> None:
        """Raises EngineFailed where LAMMPS refuses the potential; LabelFailed where it is, or can only be, the configuration."""
        for command in commands:
            try:
                self._lammps.command(command)
            except Exception as error:  # LAMMPS's library raises nothing more special
                message = _first_words(str(error))
                if is_geometry or any(words.lower() in message.lower() for words in GEOMETRY_ERRORS):
                    raise LabelFailed("bad_geometry", f"LAMMPS: {message}") from error
                raise EngineFailed(f"LAMMPS refuses the potential: {message} (at: {command})", cause="bad_input", permanent=True) from error


def wrap(positions_A: NDArray[np.float64], box_A: NDArray[np.float64]) -> NDArray[np.float64]:
    """Positions (n_atoms, 3) moved into the box, its upper faces excluded."""
    fractional = np.linalg.solve(box_A.T, positions_A.T).T
    fractional -= np.floor(fractional)
    fractional[fractional >= 1.0] = 0.0
    return fractional @ box_A


def _open_library() -> Any:
    """LAMMPS in this process.

    The package looks for plugins when it is imported, and DeePMD-kit's plugin loads TensorFlow: ten seconds for nothing here. An empty
    module in the place of the one that looks leaves that out; the MPI library, which it would have made known, is loaded beforehand.
    """
    library = next(path for path in metadata.files("mpich") or () if path.name == "libmpi.so.12")
    ctypes.CDLL(str(library.locate()), mode=ctypes.RTLD_GLOBAL)
    if "lammps" not in sys.modules:
        sys.modules["lammps.executable"] = types.ModuleType("lammps.executable")
        try:
            import lammps  # noqa: F401
        finally:
            del sys.modules["lammps.executable"]
    from lammps import lammps as LammpsLibrary

    return LammpsLibrary(cmdargs=["-screen", "none", "-log", "none", "-nocite"])


def _write_files(potential: lammps_text.Potential, folder: Path) -> dict[str, Path]:
    if potential.files:
        folder.mkdir(parents=True, exist_ok=True)
    for name, content in potential.files.items():
        (folder / name).write_text(content, encoding="utf-8")
    return {name: folder / name for name in potential.files}


def _charge_commands(potential: lammps_text.Potential) -> list[str]:
    return [f"set type {number} charge {potential.charges_e.get(symbol, 0.0):.17g}" for number, symbol in enumerate(potential.elements, 1)]


def _potential_commands(potential: lammps_text.Potential, files: Mapping[str, Path]) -> list[str]:
    def words(line: Sequence[str]) -> str:
        return " ".join(f'"{files[word]}"' if word in files else word for word in line)

    commands = [f"pair_style {' '.join(potential.pair_style)}", *(f"pair_coeff {words(line)}" for line in potential.pair_coeff)]
    if potential.kspace_style:
        # The real-space Coulomb part from its formula: LAMMPS's tables break the forces' agreement with the energy in the third digit.
        commands.append("pair_modify table 0")
    if potential.pair_modify:
        commands.append(f"pair_modify {' '.join(potential.pair_modify)}")
    if potential.kspace_style:
        commands.append(f"kspace_style {' '.join(potential.kspace_style)}")
    return commands


def _first_words(message: str) -> str:
    """LAMMPS's message without the place in its source."""
    return message.split("Last input line")[0].split(" (src/")[0].removeprefix("ERROR: ").strip()
