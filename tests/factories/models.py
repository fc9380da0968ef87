"""Trained models, their dynamics, and what was judged of it."""

import numpy as np

from analysis.models import ArrheniusFit, RunDiffusion
from campaigns.enums import RunPurpose, StageKind
from campaigns.models import Campaign, MdRun, TrainedModel
from tests.factories.campaigns import stage
from tests.factories.files import artefact

BOLTZMANN_EV_K = 8.617333262e-5
LOG10_PREFACTOR_CM2_S = -3.0
ENERGY_ERROR_EV = 0.018


def trained_model(row: Campaign, loop: int = 1, step: int = 1, **columns) -> TrainedModel:
    work = stage(row, StageKind.TRAIN, loop=loop, step=step)
    batches = np.arange(100, 2600, 100)
    curve = "#  step  rmse_trn  rmse_e_trn  rmse_f_trn  rmse_v_trn  lr\n" + "".join(
        f"{batch} {3 / batch**0.5:.4e} {0.4 / batch:.4e} {2.4 / batch**0.4:.4e} {0.8 / batch**0.5:.4e} 1e-3\n" for batch in batches
    )
    values = {
        "frozen": artefact(work.folder / "frozen_model.pb", b"frozen"),
        "compressed": artefact(work.folder / "compressed_model.pb", b"small"),
        "learning_curve": artefact(work.folder / "lcurve.out", curve.encode()),
        "input_json": artefact(work.folder / "input.json", b"{}"),
        "checkpoint": "model.ckpt",
        "type_map": ["Ge", "Li", "P", "S"],
        "sel": [8, 32, 8, 40],
        "seed": 7,
        "batch_size": 1,
        "n_frames": 42 + 9 * step,
        "force_rmse_eV_A": 0.098,
        "energy_rmse_meV_atom": 1.9,
        "new_force_rmse_eV_A": 0.31 / (step + loop) ** 0.7,
        "new_energy_rmse_meV_atom": 4.2,
        "attempts": [{"batch_size": 1, "force_rms_ratio": 0.4, "accepted": True, "reason": ""}],
        "versions": {"deepmd-kit": "3.2.0", "tensorflow": "2.21.0"},
    }
    return TrainedModel.objects.create(campaign=row, stage=work, loop=loop, step=step, **(values | columns))


def md_run(model: TrainedModel, temperature_K: float, outcome: str = "completed", **columns) -> MdRun:
    cell = model.campaign.cells.last()
    work = stage(model.campaign, StageKind.EVALUATE, loop=model.loop, step=model.step, temperature_K=temperature_K, cell=cell)
    values = {
        "purpose": RunPurpose.EVALUATE,
        "mean_temperature_K": temperature_K * 1.013,
        "mean_temperature_error_K": 6.0,
        "energy_drift_meV_atom_ns": 0.42,
        "min_distance_A": 1.61,
        "duration_ps": 12.0,
        "steps_per_s": 310.0,
    }
    return MdRun.objects.create(
        campaign=model.campaign,
        stage=work,
        model=model,
        cell=cell,
        outcome=outcome,
        temperature_K=temperature_K,
        **(values | columns),
    )


def judged(
    model: TrainedModel, activation_energy_eV: float = 0.22, temperatures_K=(650.0, 750.0, 900.0, 1100.0), convergence: str = "undecided"
) -> ArrheniusFit:
    """Evaluation runs of a model with their D, the last of them not diffusive, and the fit."""
    runs = [md_run(model, T) for T in temperatures_K]
    random, arrays = np.random.default_rng(model.pk), {}
    for index, run in enumerate(runs):
        boltzmann = np.exp(-activation_energy_eV / (BOLTZMANN_EV_K * run.mean_temperature_K))
        diffusivity_cm2_s = 10**LOG10_PREFACTOR_CM2_S * boltzmann * random.lognormal(0, 0.1)
        _diffusion(run, diffusivity_cm2_s, too_short=index == len(runs) - 1 and len(runs) > 3)
        arrays |= _displacements(run, diffusivity_cm2_s)
    path = stage(model.campaign, StageKind.JUDGE, loop=model.loop, step=model.step).folder / "msd.npz"
    np.savez(path, **arrays)
    model.convergence, model.convergence_reason = convergence, "log10 D moved by 0.04 over the last two models; the limit is 0.1."
    model.save()
    diffusive = [run for run in runs if run.diffusion.verdict == "diffusive"]
    return ArrheniusFit.objects.create(
        model=model,
        activation_energy_eV=activation_energy_eV,
        activation_energy_error_eV=ENERGY_ERROR_EV,
        log10_prefactor_cm2_s=LOG10_PREFACTOR_CM2_S,
        n_points=len(diffusive),
        spread_dex=0.04,
        msd=artefact(path),
        details={
            "points": [{"run_ids": [run.number]} for run in diffusive],
            "other_cells": [],
            "covariance": [[0.06, 0.0042], [0.0042, ENERGY_ERROR_EV**2]],
            "D300_cm2_s": 1.4e-7,
            "D300_low": 0.9e-7,
            "D300_high": 2.2e-7,
            "conductivity300_mS_cm": 6.1,
            "conductivity300_low": 4.0,
            "conductivity300_high": 9.6,
            "D300_extrapolated": True,
            "robust_activation_energy_eV": activation_energy_eV + 0.004,
            "jackknife_max_change_eV": 0.021,
        },
    )


def _diffusion(run: MdRun, diffusivity_cm2_s: float, too_short: bool) -> RunDiffusion:
    return RunDiffusion.objects.create(
        md_run=run,
        verdict="too_short" if too_short else "diffusive",
        number=34.0 if too_short else 212.0,
        threshold=50.0,
        unit="hops",
        reason="34 independent hops, 50 are needed: run about 18 ps." if too_short else "212 independent hops, slope 0.98.",
        kinetic_temperature_K=run.mean_temperature_K,
        kinetic_temperature_error_K=6.0,
        diffusivity_cm2_s=diffusivity_cm2_s,
        diffusivity_error_cm2_s=0.14 * diffusivity_cm2_s,
        details={
            "fit_window_ps": [1.0, 6.0],
            "n_eff": 212.0,
            "loglog_slope": 0.98,
            "exponent": 0.97,
            "exponent_error": 0.06,
            "late_over_early": 1.04,
            "conductivity_mS_cm": diffusivity_cm2_s * 4e6,
            "conductivity_mS_cm_per_cm2_s": 4e6,
            "conductivity_error_mS_cm": diffusivity_cm2_s * 5e5,
            "haven_ratio": 0.6,
            "haven_ratio_error": 0.2,
        },
    )


def _displacements(run: MdRun, diffusivity_cm2_s: float) -> dict[str, np.ndarray]:
    """MSDs of a run by species: Li diffuses, S and P rattle."""
    t_ps = np.linspace(0, 10, 200)
    arrays = {f"t_ps_{run.number}": t_ps}
    for species, msd_A2 in {"Li": 1.1 + 6 * diffusivity_cm2_s * 1e4 * t_ps, "S": 0.35 + 0 * t_ps, "P": 0.2 + 0 * t_ps}.items():
        arrays[f"msd_A2_{run.number}_{species}"] = msd_A2 * (1 - np.exp(-t_ps * 8))
        arrays[f"msd_error_A2_{run.number}_{species}"] = 0.02 * msd_A2 * np.sqrt(t_ps + 0.1)
    return arrays
