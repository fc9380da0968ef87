"""CHGNet as an ase calculator, twice as fast as its own.

CHGNet's calculator keeps the graph of the gradient itself (which training needs), walks the network backwards once for forces and once for
stress, and computes magnetic moments. Here one backward pass through frozen weights gives forces and stress together: the same numbers to
float32 rounding.
"""

import warnings
from collections.abc import Sequence

import numpy as np
import torch
from ase import Atoms
from ase.calculators.calculator import Calculator, all_changes
from ase.stress import full_3x3_to_voigt_6_stress
from chgnet.model.model import BatchedGraph, CHGNet
from pymatgen.core import Lattice, Structure

from campaigns.engines.labellers.base import LabelFailed, require_finite


class ChgnetCalculator(Calculator):
    """energy, forces and stress (Voigt, eV/A^3) in one forward and one backward pass."""

    implemented_properties = ["energy", "free_energy", "forces", "stress"]

    def __init__(self, model: CHGNet) -> None:
        super().__init__()
        self._model = model.eval()
        self._model.requires_grad_(False)
        self._model.graph_converter.set_isolated_atom_response("error")
        self._element_energy_eV = model.composition_model.fc.weight.detach().numpy()[0].astype(np.float64)

    def calculate(
        self, atoms: Atoms | None = None, properties: Sequence[str] = ("energy",), system_changes: Sequence[str] = all_changes
    ) -> None:
        super().calculate(atoms, properties, system_changes)
        require_finite(self.atoms)
        graph = self._graph(self.atoms)
        prediction = self._model._compute(graph)
        n_atoms = len(self.atoms)
        gradients = torch.autograd.grad(prediction["e"].sum(), [graph.atom_positions[0], graph.strains[0]])
        # The network's energy is per atom; the sum of the atoms' own energies is large, so both go on in float64.
        position_gradient, strain_gradient = (n_atoms * gradient.numpy().astype(np.float64) for gradient in gradients)
        energy_eV = n_atoms * float(prediction["e"].detach()) + float(self._element_energy_eV[self.atoms.numbers - 1].sum())
        stress = (strain_gradient + strain_gradient.T) / 2 / self.atoms.get_volume()
        self.results = {
            "energy": energy_eV,
            "free_energy": energy_eV,
            "forces": -position_gradient,
            "stress": full_3x3_to_voigt_6_stress(stress),
        }

    def _graph(self, atoms: Atoms) -> BatchedGraph:
        structure = Structure(Lattice(atoms.cell.array), atoms.numbers, atoms.positions, coords_are_cartesian=True)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch on a conversion inside chgnet
            try:
                graph = self._model.graph_converter(structure)
            except ValueError as error:
                raise LabelFailed("isolated_atom", f"CHGNet: {error}") from error
            except RuntimeError as error:
                raise LabelFailed("bad_geometry", f"CHGNet could not build its graph of bonds: {error}") from error
            return BatchedGraph.from_graphs(
                [graph],
                bond_basis_expansion=self._model.bond_basis_expansion,
                angle_basis_expansion=self._model.angle_basis_expansion,
                compute_stress=True,
            )
