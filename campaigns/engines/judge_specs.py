"""Spec and result of the stage `judge` (analysis/engines/judge.py): D(T), Ea and stationarity of one model."""

from dataclasses import dataclass
from typing import Any

from campaigns.engines.specs import EvaluateResult


@dataclass(frozen=True)
class JudgedRun:
    run_id: int  # its number in the campaign
    folder: str  # the evaluate stage's folder
    temperature_K: float
    result: EvaluateResult
    cell_id: int = 0  # of the first run's cell is the line
    cell_name: str = ""


@dataclass(frozen=True)
class EarlierModel:
    """D and Ea of a model that was judged before, for the stationarity decision."""

    loop: int
    step: int
    runs: list[dict[str, Any]]  # RunDiffusion as JSON
    arrhenius: dict[str, Any] | None


@dataclass(frozen=True)
class JudgeSpec:
    runs: list[JudgedRun]
    mobile_ion: str
    mobile_ion_charge: float
    loop: int
    step: int
    earlier: list[EarlierModel]  # same loop, oldest first
    stationary_spread_dex: float  # largest model-to-model spread of log10 D that still counts as stationary
    energy_drift_limit_meV_atom_ns: float
    temperature_limit_percent: float  # by which the mean kinetic temperature may miss its target
    hop_length_A: float  # between neighbouring sites of the mobile ion
    seed: int = 0  # not used: the spec.json of an earlier release may have one


@dataclass(frozen=True)
class RunDiffusion:
    run_id: int
    temperature_K: float  # target
    kinetic_temperature_K: float | None
    kinetic_temperature_error_K: float | None
    verdict: str
    reason: str
    number: float | None  # what decided
    threshold: float | None
    unit: str
    diffusivity_cm2_s: float | None
    diffusivity_error_cm2_s: float | None
    details: dict[str, Any]  # N_eff, slope, Haven ratio, conductivity, fit window...: analysis/science


@dataclass(frozen=True)
class ArrheniusResult:
    activation_energy_eV: float | None
    activation_energy_error_eV: float | None
    log10_prefactor_cm2_s: float | None
    n_points: int
    reason: str  # why there is no line, or what to beware of
    details: dict[str, Any]


@dataclass(frozen=True)
class StationarityResult:
    decision: str  # stationary | moving | undecided
    reason: str
    spread_dex: float | None
    details: dict[str, Any]


@dataclass(frozen=True)
class JudgeResult:
    runs: list[RunDiffusion]
    arrhenius: ArrheniusResult
    stationarity: StationarityResult
    # npz: for run r and species s `t_ps_<r>`, `msd_A2_<r>_<s>`, `msd_error_A2_<r>_<s>`; and what analysis/engines/structure.py adds
    msd_file: str
