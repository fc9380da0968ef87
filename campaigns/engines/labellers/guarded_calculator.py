"""A calculator of somebody else's, whose errors become failed labels."""

from collections.abc import Sequence

import numpy as np
from ase import Atoms
from ase.calculators.calculator import Calculator, all_changes

from campaigns.engines.job import EngineFailed
from campaigns.engines.labellers.base import LabelFailed, require_finite


class GuardedCalculator(Calculator):
    """energy, forces and stress of another calculator, together."""

    implemented_properties = ["energy", "free_energy", "forces", "stress"]

    def __init__(self, calculator: Calculator, name: str) -> None:
        super().__init__()
        self._calculator = calculator
        self._name = name

    def calculate(
        self, atoms: Atoms | None = None, properties: Sequence[str] = ("energy",), system_changes: Sequence[str] = all_changes
    ) -> None:
        super().calculate(atoms, properties, system_changes)
        require_finite(self.atoms)
        try:
            found = {name: self._calculator.get_property(name, self.atoms) for name in ("energy", "forces", "stress")}
        except (LabelFailed, EngineFailed):
            raise
        except Exception as error:  # a class of somebody else's: nothing is known about what it raises
            raise LabelFailed("engine_error", f"{self._name} stopped: {error or type(error).__name__}.") from error
        self._require_convergence()
        if any(value is None for value in found.values()):
            raise LabelFailed("engine_error", f"{self._name} gave no energy, forces or stress.")
        self.results = found | {"free_energy": found["energy"]}

    def _require_convergence(self) -> None:
        """Some of ase's, Vasp's for one, only note that the SCF did not converge, and give numbers all the same."""
        converged = getattr(self._calculator, "converged", None)  # of some classes it is a method, of most nothing
        if isinstance(converged, bool | np.bool_) and not converged:
            self._calculator.reset()
            raise LabelFailed("scf_not_converged", f"{self._name} says that its SCF did not converge.")
