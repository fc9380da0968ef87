"""What goes into a check of the reference method and what comes out: one configuration as the method is set and with stricter values."""

from dataclasses import dataclass, field
from typing import Any

from campaigns.engines.specs import LabelAttempt, LabellerSpec, PrepareSpec


@dataclass(frozen=True)
class CheckSpec:
    cell: PrepareSpec  # how the configuration's cell is ordered, where it has not been yet
    cell_file: str | None  # the cell that was
    labeller: LabellerSpec
    seed: int
    options: list[str] | None = None  # of the method, each with its stricter value; None: all that have one
    cores: int = 1


@dataclass(frozen=True)
class CheckVariant:
    """One label of the configuration. Differences are from the method as it is set, which has the empty `option`."""

    option: str
    title: str
    value: str  # with its unit
    state: str  # done | failed
    cause: str
    message: str
    seconds: float
    energy_difference_meV_atom: float | None = None
    force_rms_difference_eV_A: float | None = None
    force_max_difference_eV_A: float | None = None  # length of the difference on one atom
    stress_difference_GPa: float | None = None  # largest component
    attempts: list[LabelAttempt] = field(default_factory=list)


@dataclass(frozen=True)
class CheckResult:
    formula: str
    n_atoms: int
    seconds: float  # of the label as set
    rms_force_eV_A: float
    variants: list[CheckVariant]
    verdict: str  # converged | not_converged | undecided | measured
    sentence: str
    labels_computed: int
    versions: dict[str, Any] = field(default_factory=dict)  # of the programs that did it
