"""Text that LAMMPS reads and writes: the box in its own axes, the data file, the input script, dumps and thermo tables.

LAMMPS wants the first lattice vector along x and the second in the xy plane. `Box` holds the rotation between the
caller's axes and those, so that whatever comes back stands in the caller's axes again. Units are LAMMPS's `metal`: Å, ps, eV, bar.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
from ase.data import atomic_masses, atomic_numbers
from numpy.typing import NDArray

EV_PER_BAR_A3 = 1.0 / 1.602176634e6
CHECK_EVERY_STEPS = 10
# In an exploration, where a pair that comes too close rejects the trajectory: atoms move 0.05 Å in between. One look costs 0.1 % of a
# step of the smallest model; under MPI it is a point where ranks wait for each other, so not every step.
EXPLORATION_CHECK_EVERY_STEPS = 2
# What a kill costs: some seconds on one core, whatever the cell; writing the file takes a thousandth of them.
RESTART_EVERY_ATOM_STEPS = 20_000
RESTART_EVERY_STEPS_MIN, RESTART_EVERY_STEPS_MAX = 100, 1000
THERMO_COLUMNS = ("step", "temperature_K", "potential_energy_eV", "total_energy_eV", "pxx", "pyy", "pzz", "pxy", "pxz", "pyz")


@dataclass(frozen=True)
class Box:
    """`cell_A` (3, 3), rows are lattice vectors = `lower_A` (3, 3), lower triangular, @ `rotation` (3, 3), orthogonal."""

    lower_A: NDArray[np.floating]
    rotation: NDArray[np.floating]

    @classmethod
    def of(cls, cell_A: NDArray[np.floating]) -> "Box":
        """Raises ValueError for a cell without volume."""
        if abs(np.linalg.det(cell_A)) < 1e-6:
            raise ValueError("the cell has no volume")
        q, r = np.linalg.qr(np.asarray(cell_A, dtype=float).T)
        signs = np.sign(np.diag(r))
        return cls(np.tril((r * signs[:, None]).T), (q * signs).T)

    def reduced(self) -> "Box":
        """The same lattice with tilts of at most half a box length, with fewer ghost atoms; its vectors are not the cell's any more."""
        lower_A = self.lower_A.copy()
        for row, column in ((2, 1), (1, 0), (2, 0)):
            lower_A[row] -= np.round(lower_A[row, column] / lower_A[column, column]) * lower_A[column]
        return Box(lower_A, self.rotation)

    @property
    def volume_A3(self) -> float:
        return float(np.prod(np.diag(self.lower_A)))

    def to_lammps(self, vectors: NDArray[np.floating]) -> NDArray[np.floating]:
        """Vectors (..., 3) from the caller's axes into LAMMPS's."""
        return vectors @ self.rotation.T

    def to_caller(self, vectors: NDArray[np.floating]) -> NDArray[np.floating]:
        return vectors @ self.rotation

    def virial_to_caller(self, pressure_bar: NDArray[np.floating]) -> NDArray[np.floating]:
        """Virial in eV, (n, 3, 3), from the virial part of LAMMPS's pressure (n, 6) in the order xx yy zz xy xz yz."""
        xx, yy, zz, xy, xz, yz = np.moveaxis(pressure_bar, -1, 0)
        tensor = np.stack([np.stack([xx, xy, xz], -1), np.stack([xy, yy, yz], -1), np.stack([xz, yz, zz], -1)], -2)
        return self.rotation.T @ (tensor * self.volume_A3 * EV_PER_BAR_A3) @ self.rotation


def data_file(symbols: Sequence[str], positions_A: NDArray[np.floating], box: Box, type_map: Sequence[str]) -> str:
    """A LAMMPS data file (atom_style atomic), atoms in the order given, types in the order of `type_map`."""
    (lx, _, _), (xy, ly, _), (xz, yz, lz) = box.lower_A
    lines = ["sseweb", "", f"{len(symbols)} atoms", f"{len(type_map)} atom types", ""]
    lines += [f"0.0 {length:.16g} {axis}lo {axis}hi" for axis, length in zip("xyz", (lx, ly, lz), strict=True)]
    lines += [f"{xy:.16g} {xz:.16g} {yz:.16g} xy xz yz", "", "Masses", ""]
    lines += [f"{index} {atomic_masses[atomic_numbers[symbol]]:.8g}  # {symbol}" for index, symbol in enumerate(type_map, start=1)]
    lines += ["", "Atoms  # atomic", ""]
    types = {symbol: index for index, symbol in enumerate(type_map, start=1)}
    for number, (symbol, (x, y, z)) in enumerate(zip(symbols, box.to_lammps(positions_A), strict=True), start=1):
        lines.append(f"{number} {types[symbol]} {x:.16g} {y:.16g} {z:.16g}")
    return "\n".join(lines) + "\n"


@dataclass(frozen=True)
class Dynamics:
    """What a run shall do: NVT for `equilibration_steps`, then `n_steps` in `ensemble`, dumped every `dump_every_steps`."""

    ensemble: str  # nvt | nve
    type_map: Sequence[str]
    model_file: str
    temperature_K: float
    timestep_fs: float
    equilibration_steps: int
    n_steps: int
    dump_every_steps: int
    thermostat_damping_fs: float
    min_distance_A: float
    seed: int
    with_forces: bool

    @property
    def dump_columns(self) -> str:
        return "id type xu yu zu fx fy fz" if self.with_forces else "id type xu yu zu"

    @property
    def n_columns(self) -> int:
        return len(self.dump_columns.split())

    def dumped_steps(self, last: int) -> NDArray[np.integer]:
        """Steps of the frames that a run to step `last` leaves; the start is not one."""
        return np.arange(self.dump_every_steps, last + 1, self.dump_every_steps)

    def restart_every_steps(self, n_atoms: int) -> int:
        """A multiple of the steps between frames."""
        wanted = min(max(RESTART_EVERY_ATOM_STEPS // n_atoms, RESTART_EVERY_STEPS_MIN), RESTART_EVERY_STEPS_MAX)
        return self.dump_every_steps * -(-wanted // self.dump_every_steps)

    @property
    def halt_temperature_K(self) -> float:
        """An instantaneous temperature that only an explosion reaches; fluctuations are T sqrt(2/3N)."""
        return 6.0 * self.temperature_K + 2000.0


def start_script(dynamics: Dynamics, n_atoms: int) -> str:
    """Equilibrate from the data file, keep that state, then run the production part."""
    half = max(dynamics.equilibration_steps // 2, 1)
    lines = [*_head(dynamics, "read_data cell.data"), *_potential(dynamics), *_guards(dynamics)]
    # A relaxed crystal gives half of its kinetic energy to the potential: start at 2 T to end near T.
    lines += [
        f"velocity all create {2 * dynamics.temperature_K:.10g} {dynamics.seed} mom yes rot no dist gaussian",
        "reset_timestep 0",
    ]
    if dynamics.equilibration_steps > 0:
        lines += [_nvt(dynamics), f"run {half}", *_mean_energy(dynamics, half), "unfix dynamics"]
    return "\n".join([*lines, "reset_timestep 0", *_production(dynamics, n_atoms), ""])


def resume_script(dynamics: Dynamics, n_atoms: int, restart_file: str, last_step: int) -> str:
    """Go on from a restart file of the production part; LAMMPS ends at once where that is of a step after `last_step`."""
    head = [*_head(dynamics, f"read_restart {restart_file}"), f'if "$(step) > {last_step}" then "quit 1"', *_potential(dynamics)]
    return "\n".join([*head, *_guards(dynamics), *_production(dynamics, n_atoms, resumed=True), ""])


def _head(dynamics: Dynamics, read: str) -> list[str]:
    return ["units metal", "atom_style atomic", "boundary p p p", "box tilt large", read, f"timestep {dynamics.timestep_fs / 1000:.10g}"]


def _potential(dynamics: Dynamics) -> list[str]:
    """Element names always: a bare `* *` maps types silently wrong."""
    return [
        f'pair_style deepmd "{dynamics.model_file}"',
        f"pair_coeff * * {' '.join(dynamics.type_map)}",
        "neighbor 1.0 bin",
        "neigh_modify every 1 delay 0 check yes",
        "thermo_style custom step temp pe etotal cpu",
        "thermo_modify norm no lost error flush yes",
        f"thermo {max(1, min(100, dynamics.n_steps // 5))}",
    ]


def _guards(dynamics: Dynamics) -> list[str]:
    """Stop as soon as two atoms come too close or the temperature explodes: no hours for nonsense."""
    often = EXPLORATION_CHECK_EVERY_STEPS if dynamics.with_forces else CHECK_EVERY_STEPS
    return [
        f"compute close all coord/atom cutoff {dynamics.min_distance_A:.10g}",
        "compute closest all reduce max c_close",
        "variable closest equal c_closest",
        "variable temperature equal temp",
        f"fix halt_close all halt {often} v_closest > 0.5 error soft message yes",
        f"fix halt_hot all halt {CHECK_EVERY_STEPS} v_temperature > {dynamics.halt_temperature_K:.10g} error soft message yes",
    ]


def _nvt(dynamics: Dynamics) -> str:
    temperature_K, damping_ps = dynamics.temperature_K, dynamics.thermostat_damping_fs / 1000
    return f"fix dynamics all nvt temp {temperature_K:.10g} {temperature_K:.10g} {damping_ps:.10g}"


def _mean_energy(dynamics: Dynamics, half: int) -> list[str]:
    """The second half of the equilibration; before NVE the velocities are scaled once so that E is the mean of NVT, not one draw from it.

    One draw of E scatters the mean temperature of the NVE run by T/sqrt(3N) (25 K for 200 atoms at 600 K).
    """
    if dynamics.ensemble != "nve":
        return [f"run {half}"]
    return [
        "variable energy equal etotal",
        f"fix mean_energy all ave/time 1 {half} {half} v_energy",
        f"run {half}",
        "variable scaled equal temp*(f_mean_energy-pe)/ke",
        "variable target equal ${scaled}",
        'if "${target} > 0" then "velocity all scale ${target}"',
        "unfix mean_energy",
    ]


def _production(dynamics: Dynamics, n_atoms: int, *, resumed: bool = False) -> list[str]:
    every = dynamics.dump_every_steps
    # Snapshots are labelled and trained on: full precision. A trajectory only serves displacements.
    numbers = " ".join(["%.10g"] * 6 if dynamics.with_forces else ["%.6f"] * 3)
    fields = "$(step) $(temp:%.10g) $(pe:%.12g) $(etotal:%.12g) " + " ".join(f"$(c_virial[{i}]:%.10g)" for i in range(1, 7))
    return [
        _nvt(dynamics) if dynamics.ensemble == "nvt" else "fix dynamics all nve",
        "compute virial all pressure NULL virial",
        f"dump frames all custom {every} frames.dump {dynamics.dump_columns}",
        f'dump_modify frames sort id append {"yes" if resumed else "no"} first no format line "%d %d {numbers}"',
        f'fix thermo_table all print {every} "{fields}" {"append" if resumed else "file"} thermo.txt screen no title ""',
        *([] if resumed else ["write_restart restart.equilibrated"]),
        f"restart {dynamics.restart_every_steps(n_atoms)} restart.a restart.b",
        f"run {dynamics.n_steps} upto",
        # Where it ended: of a run that was stopped, the configuration that stopped it.
        "write_dump all custom last.dump id type xu yu zu modify sort id format float %.10g",
    ]


def read_frames(path: Path, n_atoms: int, n_columns: int) -> Iterator[tuple[int, NDArray[np.floating]]]:
    """Frames of a sorted dump, one after the other: MD step and (n_atoms, n_columns - 2), id and type left out.

    Half a frame, at the end or where a killed run was gone on with, is left out. None where there is no file.
    """
    if not path.exists():
        return
    with path.open("rb") as stream:
        while _at_next_frame(stream):
            start = stream.tell()
            header = [stream.readline() for _ in range(8)]
            body = b"".join(stream.readline() for _ in range(n_atoms))
            values = _numbers(body)
            if values.size == n_atoms * n_columns and body.endswith(b"\n") and header[0].strip().isdigit():
                yield int(header[0]), values.reshape(n_atoms, n_columns)[:, 2:]
            else:
                stream.seek(start)


def _at_next_frame(stream: BinaryIO) -> bool:
    """Move behind the next frame's first line; what goes on after a kill may stand behind half a line."""
    return any(line.endswith(b"ITEM: TIMESTEP\n") for line in iter(stream.readline, b""))


def _numbers(text: bytes) -> NDArray[np.floating]:
    try:
        return np.array(text.split(), dtype=float)
    except ValueError:  # the next frame's header stands in it
        return np.zeros(0)


def read_thermo(path: Path) -> dict[str, NDArray[np.floating]]:
    """The table that `fix print` wrote, by column; of steps written twice (before a kill and after it) the later stands.

    No rows where there is no file.
    """
    rows: dict[int, list[float]] = {}
    for line in path.read_text().splitlines() if path.exists() else ():
        words = line.split()
        if len(words) == len(THERMO_COLUMNS) and words[0].isdigit():
            rows[int(words[0])] = [float(word) for word in words]
    table = np.array([rows[step] for step in sorted(rows)]).reshape(-1, len(THERMO_COLUMNS))
    return dict(zip(THERMO_COLUMNS, table.T, strict=True))
