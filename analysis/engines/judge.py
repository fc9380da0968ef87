"""Stage `judge`: D, its error and a verdict for every run of one model; then Ea, and whether D has become stationary.

python -m analysis.engines.judge FOLDER
"""

import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analysis.engines import models, quoted, structure
from analysis.science import diffusion, msd, transport, verdict
from analysis.science.diffusion import Diffusivity, Paths
from analysis.science.evidence import Evidence, as_passed, events, needed_ps
from campaigns.engines.job import EngineFailed, Progress, main
from campaigns.engines.judge_specs import ArrheniusResult, JudgedRun, JudgeResult, JudgeSpec, RunDiffusion, StationarityResult

Floats = NDArray[np.floating]
Integers = NDArray[np.integer]

MSD_FILE = "msd.npz"


@dataclass(frozen=True)
class SpeciesMsd:
    """At the same lags (frames): MSD and one standard deviation of it for every species."""

    lags: Integers
    by_species_A2: dict[str, tuple[Floats, Floats]]
    mobile_ion: str
    counts: dict[str, int]  # atoms of every species

    def framework(self) -> tuple[str, float | None, float | None]:
        """The species of the framework that moves most, its MSD at the last lag, and its d ln MSD/d ln t over the last factor of four.

        One that melts alone would be lost in a mean over all. What only rattles or turns, however far, does not grow.
        """
        late = self.lags >= self.lags[-1] // 4
        found = []
        for species, (mean_A2, _) in self.by_species_A2.items():
            slope = msd.loglog_slope(self.lags[late].astype(float), mean_A2[late])
            if species != self.mobile_ion:
                found.append((slope >= verdict.BOUNDED_SLOPE, float(mean_A2[-1]), species, slope if math.isfinite(slope) else None))
        if not found:
            return "", None, None
        _, last_A2, species, slope = max(found, key=lambda one: one[:2])
        return species, last_A2, slope

    def framework_error_A2(self, species: str) -> float:
        """Of a species' MSD at the last lag: atoms of one unit turn together, so there are no more independent ones than other atoms."""
        n_atoms = self.counts[species]
        others = sum(count for name, count in self.counts.items() if name not in (species, self.mobile_ion))
        n_units = min(n_atoms, others) if others else n_atoms
        return float(self.by_species_A2[species][1][-1]) * math.sqrt(max(n_atoms - 1, 1) / max(n_units - 1, 1))

    def backbone(self) -> tuple[str, float | None]:
        """The species of the framework that moves least, and its MSD at the last lag."""
        last_A2 = {species: float(mean_A2[-1]) for species, (mean_A2, _) in self.by_species_A2.items() if species != self.mobile_ion}
        return min(last_A2.items(), key=lambda one: one[1], default=("", None))

    def add_to(self, curves: dict[str, Floats], run_id: int, frame_interval_ps: float) -> None:
        curves[f"t_ps_{run_id}"] = self.lags * frame_interval_ps
        for species, (mean_A2, error_A2) in self.by_species_A2.items():
            curves[f"msd_A2_{run_id}_{species}"] = mean_A2
            curves[f"msd_error_A2_{run_id}_{species}"] = error_A2


def run(folder: Path, spec: JudgeSpec, progress: Progress) -> JudgeResult:
    curves: dict[str, Floats] = {}
    judged = []
    for index, one in enumerate(spec.runs):
        progress(index, len(spec.runs), "runs", f"{one.temperature_K:g} K")
        judged.append(judge_run(one, spec, curves))
    with (folder / MSD_FILE).open("wb") as stream:
        np.savez(stream, **curves)
    progress(len(spec.runs), len(spec.runs), "runs", "")
    _remark_colder_melts(judged)
    arrhenius = models.arrhenius(judged)
    stationarity = models.stationarity(judged, arrhenius, spec)
    _tell(folder, judged, arrhenius, stationarity)
    return JudgeResult([_as_shown(one) for one in judged], arrhenius, stationarity, MSD_FILE)


def _as_shown(one: RunDiffusion) -> RunDiffusion:
    """D of a run that is not used, as that of one's own trajectory: an upper limit where ions are caged or D may be nothing."""
    return one if one.verdict == models.DIFFUSIVE else quoted.as_quoted(one)


def _remark_colder_melts(judged: list[RunDiffusion]) -> None:
    """Flags diffusive runs that are hotter than one of the same cell that counts as melted: one of the two verdicts is chance."""
    melts: dict[Any, float] = {}
    for one in judged:
        if one.verdict == "melted":
            cell = one.details.get("cell_id")
            melts[cell] = min(one.temperature_K, melts.get(cell, math.inf))
    for one in judged:
        melted_K = melts.get(one.details.get("cell_id"), math.inf)
        if one.verdict == models.DIFFUSIVE and one.temperature_K > melted_K:
            one.details["flags"].append(f"a colder run, at {melted_K:g} K, counts as melted: one of the two may be chance, repeat both")


def _tell(folder: Path, judged: list[RunDiffusion], arrhenius: ArrheniusResult, stationarity: StationarityResult) -> None:
    """What was judged, and how, for whoever looks into the log."""
    lines = [_line(one) for one in judged]
    if arrhenius.activation_energy_eV is not None:
        error_eV = arrhenius.activation_energy_error_eV or 0.0
        lines.append(f"Ea = {arrhenius.activation_energy_eV:.3f} ± {error_eV:.3f} eV from {arrhenius.n_points} temperatures.")
    lines += [reason for reason in (arrhenius.reason, stationarity.reason) if reason]
    with (folder / "log").open("a", encoding="utf-8") as log:
        log.write("\n".join(lines) + "\n")


def _line(found: RunDiffusion) -> str:
    diffusivity = ""
    if found.diffusivity_cm2_s is not None:
        diffusivity = f"D = ({found.diffusivity_cm2_s:.2e} ± {found.diffusivity_error_cm2_s or 0.0:.1e}) cm2/s, "
    return f"{found.temperature_K:g} K: {diffusivity}{found.verdict.replace('_', ' ')}: {found.reason}"


def judge_run(one: JudgedRun, spec: JudgeSpec, curves: dict[str, Floats]) -> RunDiffusion:
    """D and the verdict of one run; its MSDs and what `structure.add` finds go to `curves`, under the names that they promise."""
    loaded = None if one.result.trajectory_file is None else _load(one)
    if loaded is None:
        return _no_trajectory(one, spec)
    positions_A, cell_A, symbols, frame_interval_ps, flags = loaded
    if flags:
        one = replace(one, result=replace(one.result, completed_ps=len(positions_A) * frame_interval_ps))
    is_mobile = symbols == spec.mobile_ion
    if not is_mobile.any():
        raise EngineFailed(f"The trajectory of {one.temperature_K:g} K has no {spec.mobile_ion}", cause="bad_input", permanent=True)
    reference = msd.drift(positions_A, is_mobile)
    paths = Paths(msd.paths_of(positions_A, np.flatnonzero(is_mobile), reference.displacement_A), frame_interval_ps)
    try:
        estimate = diffusion.estimate(paths if reference.reference == "framework" else paths.with_own_drift(), spec.hop_length_A)
    except diffusion.TooFewFrames:
        estimate = None
    species = species_msd(positions_A, reference.displacement_A, symbols, spec.mobile_ion, estimate)
    species.add_to(curves, one.run_id, frame_interval_ps)
    structure.add(curves, one.run_id, positions_A, paths, cell_A, symbols)
    evidence = _evidence(one, spec, paths.n_ions, estimate, species, msd.net_displacement(paths.paths_A), msd.flow(paths.paths_A))
    if reference.reference != "framework":
        n = paths.n_ions
        flags.append("every atom is mobile: the drift of all atoms was taken off, and there is no Haven ratio"
                     + (f"; MSD and D are multiplied by {n}/{n - 1} for what this took from each" if n > 1 else ""))  # fmt: skip
    if remark := verdict.drift_remark(evidence):
        flags.append(remark)
    flags += verdict.framework_caution(evidence)
    details: dict[str, Any] = {
        "n_ions": paths.n_ions,
        "volume_A3": abs(float(np.linalg.det(cell_A))),
        "framework_msd_A2": evidence.framework_msd_A2,
        "framework_msd_error_A2": None if evidence.framework_msd_A2 is None else evidence.framework_msd_error_A2,
        "framework_species": evidence.framework_species,
        "drift_reference": reference.reference,
        "moved_fraction": evidence.moved_fraction,
        "flags": flags,
    }
    found = verdict.judge(evidence)
    if found.name == models.DIFFUSIVE:
        estimate = as_passed(evidence)
        details["length_for_20_percent_error_ps"] = _length_for_a_fifth_ps(evidence, estimate)
    if estimate is not None:
        details |= _details(paths, estimate, evidence, spec, _temperature(one), details["volume_A3"])
        details["flags"] = flags + list(estimate.flags)
    return _row(one, found, estimate, details)


def _length_for_a_fifth_ps(evidence: Evidence, estimate: Diffusivity) -> float | None:
    """From the error that is shown beside it; a length planned from D alone contradicts it."""
    value, error = estimate.diffusivity_cm2_s, estimate.error_cm2_s
    return transport.length_for_error_ps(evidence.completed_ps, error / value, 0.2) if value > 0 else None


def _load(one: JudgedRun) -> tuple[Floats, Floats, NDArray[np.str_], float, list[str]] | None:
    """Unwrapped positions, cell, symbols, frame spacing in ps, and what is to be known of them; None where there are fewer than two frames.

    Up to the first frame that is missing or holds no numbers: what came before still shows how the ions move.
    """
    path = Path(one.folder) / one.result.trajectory_file
    try:
        with np.load(path, allow_pickle=False) as stored:
            positions_A, cell_A, symbols, time_fs = (stored[name] for name in ("positions_A", "cell_A", "symbols", "time_fs"))
    except (OSError, KeyError, ValueError) as error:
        raise EngineFailed(f"The trajectory {path} cannot be read ({error}): repeat the run at {one.temperature_K:g} K",
                           cause="bad_input", permanent=True) from error  # fmt: skip
    interval_fs, flags = one.result.frame_interval_fs, []
    n_whole = _whole_frames(time_fs, interval_fs)
    if n_whole < len(positions_A):
        flags.append(f"a frame is missing after {n_whole * interval_fs / 1000:.3g} ps: what comes behind it was left out")
    finite = np.isfinite(positions_A).all(axis=(1, 2))
    if not finite.all():  # a run that blew up
        n_whole = min(n_whole, int(np.argmin(finite)))
    return None if n_whole < 2 else (positions_A[:n_whole], cell_A, symbols, interval_fs / 1000, flags)


def _whole_frames(time_fs: Floats, interval_fs: float) -> int:
    """How many frames there are before the first that is missing."""
    is_next = np.isclose(np.diff(time_fs), interval_fs, rtol=1e-3)
    return len(time_fs) if is_next.all() else int(np.argmin(is_next)) + 1


def _temperature(one: JudgedRun) -> float:
    return one.result.mean_kinetic_temperature_K or one.temperature_K


def _evidence(one: JudgedRun, spec: JudgeSpec, n_ions: int, estimate: Diffusivity | None, species: SpeciesMsd | None,
              net_A: Floats, flow: float = 0.0) -> Evidence:  # fmt: skip
    result = one.result
    name, framework_A2, framework_slope = ("", None, None) if species is None else species.framework()
    backbone, backbone_A2 = ("", None) if species is None else species.backbone()
    return Evidence(
        outcome=result.outcome, outcome_reason=result.reason, energy_drift_meV_atom_ns=result.energy_drift_meV_atom_ns,
        energy_drift_limit_meV_atom_ns=spec.energy_drift_limit_meV_atom_ns, target_temperature_K=one.temperature_K,
        kinetic_temperature_K=result.mean_kinetic_temperature_K, kinetic_temperature_error_K=result.kinetic_temperature_error_K,
        temperature_limit_percent=spec.temperature_limit_percent, completed_ps=result.completed_ps, n_ions=n_ions, estimate=estimate,
        hop_length_A=spec.hop_length_A, framework_msd_A2=framework_A2, framework_slope=framework_slope,
        moved_fraction=float((net_A > spec.hop_length_A).mean()) if n_ions else 0.0,
        n_left=msd.few_left(net_A, spec.hop_length_A), framework_species=name, backbone_species=backbone, backbone_msd_A2=backbone_A2,
        energy_drift_error_meV_atom_ns=result.energy_drift_error_meV_atom_ns, flow=flow,
        framework_msd_error_A2=species.framework_error_A2(name) if name else 0.0,
    )  # fmt: skip


def _no_trajectory(one: JudgedRun, spec: JudgeSpec) -> RunDiffusion:
    return _row(one, verdict.judge(_evidence(one, spec, 0, None, None, np.zeros(0))), None, {"flags": ["there is no trajectory"]})


def _row(one: JudgedRun, found: verdict.Verdict, estimate: Diffusivity | None, details: dict[str, Any]) -> RunDiffusion:
    return RunDiffusion(
        run_id=one.run_id, temperature_K=one.temperature_K, kinetic_temperature_K=one.result.mean_kinetic_temperature_K,
        kinetic_temperature_error_K=one.result.kinetic_temperature_error_K, verdict=found.name, reason=found.reason,
        number=found.number, threshold=found.threshold, unit=found.unit,
        diffusivity_cm2_s=None if estimate is None else estimate.diffusivity_cm2_s,
        diffusivity_error_cm2_s=None if estimate is None else estimate.error_cm2_s,
        details=details | {"cell_id": one.cell_id, "cell": one.cell_name},
    )  # fmt: skip


def species_msd(positions_A: Floats, drift_A: Floats, symbols: NDArray[np.str_], mobile_ion: str,
                estimate: Diffusivity | None) -> SpeciesMsd:  # fmt: skip
    """The mobile ion's as it was fitted; the other species' from sampled origins, with the scatter between atoms as error."""
    lags = msd.thinned_lags(1, len(positions_A) // 2, diffusion.CURVE_LAGS) if estimate is None else estimate.lags
    each = msd.sampled_msd(positions_A, drift_A, lags)
    found = {}
    for species in sorted(set(symbols.tolist())):
        own = each[:, symbols == species]
        found[species] = own.mean(axis=1), own.std(axis=1) / np.sqrt(max(own.shape[1] - 1, 1))
    if estimate is not None:
        found[mobile_ion] = estimate.msd_A2, estimate.msd_error_A2
    return SpeciesMsd(lags, found, mobile_ion, {species: int(np.count_nonzero(symbols == species)) for species in found})


def _details(paths: Paths, estimate: Diffusivity, evidence: Evidence, spec: JudgeSpec, temperature_K: float,
             volume_A3: float) -> dict[str, Any]:  # fmt: skip
    n = paths.n_ions
    value, error = estimate.diffusivity_cm2_s, estimate.error_cm2_s
    n_events = events(evidence)
    factor_mS_cm = 1000 * transport.nernst_einstein_S_cm(1.0, n, spec.mobile_ion_charge, volume_A3, temperature_K)
    collective = None if evidence.framework_msd_A2 is None else transport.haven(paths, estimate.first_lag, value, error)
    return {
        "n_eff": n_events,
        "he_2018_cm2_s": transport.after_he_cm2_s(estimate, paths.frame_interval_ps, spec.hop_length_A),
        "planned_relative_error": transport.planned_relative_error(n_events),
        "rare_hops_limit_cm2_s": transport.rare_hops_limit_cm2_s(evidence.n_left, n, evidence.completed_ps, spec.hop_length_A),
        "needed_run_length_ps": needed_ps(evidence),
        "hop_length_A": spec.hop_length_A,
        "method": estimate.method,
        "gls_cm2_s": estimate.gls_cm2_s,
        "gls_error_cm2_s": estimate.gls_error_cm2_s,
        "ols_cm2_s": estimate.ols_cm2_s,
        "ols_error_cm2_s": estimate.ols_error_cm2_s,
        "block_error_cm2_s": estimate.block_error_cm2_s,
        "first_half_cm2_s": estimate.halves_cm2_s[0],
        "second_half_cm2_s": estimate.halves_cm2_s[1],
        "fit_window_ps": [estimate.first_lag * paths.frame_interval_ps, estimate.last_lag * paths.frame_interval_ps],
        "loglog_slope": estimate.loglog_slope,
        "exponent": estimate.exponent,
        "exponent_error": estimate.exponent_error,
        "non_gaussian": estimate.non_gaussian,
        "move_together": estimate.move_together,
        "late_over_early": estimate.in_time.late_over_early,
        "late_over_early_sigma": estimate.in_time.sigmas,
        "msd_A2": float(estimate.msd_A2[-1]),
        "conductivity_mS_cm": factor_mS_cm * value,
        "conductivity_error_mS_cm": factor_mS_cm * error,
        "conductivity_mS_cm_per_cm2_s": factor_mS_cm,
        "charge_diffusivity_cm2_s": None if collective is None else collective.charge_diffusivity_cm2_s,
        "charge_diffusivity_error_cm2_s": None if collective is None else collective.charge_diffusivity_error_cm2_s,
        "haven_ratio": None if collective is None else collective.haven_ratio,
        "haven_ratio_error": None if collective is None else collective.haven_ratio_error,
    }


if __name__ == "__main__":
    main(run, JudgeSpec)
