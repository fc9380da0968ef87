"""Rows with the small real files behind them, as a campaign leaves them; for tests of pages and for looking at pages."""

import hashlib
import itertools
import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
from django.conf import settings
from django.contrib.auth import get_user_model
from django.utils import timezone

from analysis.models import ArrheniusFit, RunDiffusion
from campaigns.engines import job
from campaigns.enums import CampaignState, CleaningRule, FrameSource, RunPurpose, StageKind, StageState, Verdict
from campaigns.models import Artefact, Campaign, Cell, Frame, Launch, Material, MdRun, MethodCheck, Stage, TrainedModel, TrainingSet
from campaigns.science.frames import Frames
from campaigns.services import method_checks

_numbers = itertools.count(1)
BOLTZMANN_EV_K = 8.617333262e-5
ATTEMPTS = [
    {"settings": settings, "cause": "scf_not_converged", "message": "The SCF did not converge within its steps.", "seconds": seconds}
    for settings, seconds in (("as set", 60.0), ("from scratch, more steps", 120.0))
]
SYMBOLS = ["Li", "Li", "Ge", "P", "S", "S", "S", "S"]
LATTICE_A = 6.4

FACTS = {
    "elements": ["Ge", "Li", "P", "S"],
    "oxidation_states": {"Li": 1.0, "Ge": 4.0, "P": 5.0, "S": -2.0},
    "net_charge_e": 0.14,
    "disorder": "Li is spread over more sites than there are ions, and Ge and P share a site.",
    "mobile_ion": "Li",
    "mobile_ion_reason": "the only alkali metal",
    "warnings": ["The occupancies add up to a charge of +0.14 e; ordering rounds them to a neutral cell."],
    "sites": [
        {
            "label": "Li1",
            "species": [{"symbol": "Li", "occupancy": 0.691}],
            "multiplicity": 2,
            "fractional": [0.25, 0.27, 0.18],
            "disordered": True,
            "positions": [[0.25, 0.27, 0.18], [0.75, 0.73, 0.82]],
        },
        {
            "label": "Ge1",
            "species": [{"symbol": "Ge", "occupancy": 0.515}, {"symbol": "P", "occupancy": 0.485}],
            "multiplicity": 1,
            "fractional": [0.0, 0.5, 0.69],
            "disordered": True,
            "positions": [[0.0, 0.5, 0.69]],
        },
        {
            "label": "S1",
            "species": [{"symbol": "S", "occupancy": 1.0}],
            "multiplicity": 2,
            "fractional": [0.0, 0.18, 0.41],
            "disordered": False,
            "positions": [[0.0, 0.18, 0.41], [0.5, 0.68, 0.91]],
        },
    ],
    "proposed_cells": {
        "training": {"supercell": [1, 1, 1], "n_atoms": 50, "reason": "8.7 Å across, more than 1.4 cut-off radii."},
        "evaluation": {"supercell": [2, 2, 1], "n_atoms": 200, "reason": "At least 12 Å in every direction."},
    },
}


def user(name: str = "ada", **columns):
    found = get_user_model().objects.filter(username=name).first()
    return found or get_user_model().objects.create_user(name, password="an interstitial ion", **columns)


def material(owner, name: str = "LGPS", **columns) -> Material:
    text = f"data_{name}\n# {next(_numbers)}\n"
    values = {
        "cif": text,
        "cif_filename": "lgps.cif",
        "cif_sha256": hashlib.sha256(text.encode()).hexdigest(),
        "formula": "Li20.14Ge2.06P3.94S24",
        "reduced_formula": "Li10GeP2S12",
        "space_group": "P4_2/nmc",
        "space_group_number": 137,
        "a_A": 8.69,
        "b_A": 8.69,
        "c_A": 12.60,
        "alpha_deg": 90.0,
        "beta_deg": 90.0,
        "gamma_deg": 90.0,
        "volume_A3": 951.5,
        "density_g_cm3": 2.06,
        "n_atoms": 50.2,
        "is_disordered": True,
        "mobile_ion": "Li",
        "facts": FACTS,
    }
    return Material.objects.create(owner=owner, name=name, **(values | columns))


def artefact(path: Path, content: bytes | None = None) -> Artefact:
    """A row for a file below DATA_DIR, written here if `content` is given."""
    if content is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    content = path.read_bytes()
    row, _ = Artefact.objects.update_or_create(
        path=str(path.relative_to(settings.DATA_DIR)), defaults={"sha256": hashlib.sha256(content).hexdigest(), "n_bytes": len(content)}
    )
    return row


def campaign(owner, name: str = "LGPS, quick", state: str = CampaignState.RUNNING, made_of: Material | None = None, **columns) -> Campaign:
    values = {"mobile_ion": "Li", "labeller": "chgnet", "preset": "quick", "protocol": {"max_loops": 3}, "loop": 1, "step": 2}
    if state not in (CampaignState.DRAFT, CampaignState.RUNNING, CampaignState.PAUSED):
        values["finished_at"] = timezone.now()
    row = Campaign.objects.create(owner=owner, name=name, state=state, **(values | columns))
    base = made_of or material(owner)
    for training, size, n_atoms in ((True, 1, 50), (False, 2, 200)):
        Cell.objects.create(
            campaign=row,
            material=base,
            for_training=training,
            for_evaluation=not training,
            supercell_a=size,
            supercell_b=size,
            formula="Li20Ge2P4S24",
            n_atoms=n_atoms,
            volume_A3=951.5 * size * size,
            min_distance_A=2.02,
            relaxed_energy_eV=-4.1 * n_atoms,
            relaxed_fmax_eV_A=0.098,
            provenance={"elements": sorted(set(SYMBOLS))},
            structure=_structure(row, size),
        )
    return row


def _structure(row: Campaign, size: int) -> Artefact:
    from ase import Atoms
    from ase.io import write

    path = row.folder / f"cell-{size}.xyz"
    path.parent.mkdir(parents=True, exist_ok=True)
    frames = some_frames(1, seed=size)
    write(path, Atoms(SYMBOLS, positions=frames.positions_A[0], cell=frames.cell_A[0], pbc=True).repeat((size, size, 1)), format="extxyz")
    return artefact(path)


def stage(
    row: Campaign, kind: str = StageKind.TRAIN, state: str = StageState.DONE, log: str = "batch 2500: force error 0.102 eV/Å\n", **columns
) -> Stage:
    now = timezone.now()
    values = {
        "loop": 1,
        "step": 1,
        "seconds": 42.0,
        "startup_seconds": 11.0,
        "started_at": now - timedelta(seconds=42),
        "index": next(_numbers),
        "finished_at": now if state == StageState.DONE else None,
    }
    found = Stage.objects.create(campaign=row, kind=kind, state=state, **(values | columns))
    found.folder.mkdir(parents=True, exist_ok=True)
    (found.folder / "log").write_text(log)
    (found.folder / "spec.json").write_text('{"schema_version": 1}')
    if state == StageState.RUNNING:
        at = now.timestamp()
        (found.folder / "progress.json").write_text(
            json.dumps(
                {
                    "done": 1600,
                    "total": 2500,
                    "unit": "batches",
                    "message": "force error 0.11 eV/Å",
                    "started_at": at - 30,
                    "updated_at": at,
                }
            )
        )
    return found


def some_frames(n: int, seed: int = 1) -> Frames:
    """Labelled frames of eight atoms."""
    random = np.random.default_rng(seed)
    base = LATTICE_A * np.array([[x, y, z] for x in (0.1, 0.6) for y in (0.1, 0.6) for z in (0.1, 0.6)])
    return Frames(
        np.array(SYMBOLS),
        base + random.normal(0, 0.1, (n, 8, 3)),
        np.tile(np.eye(3) * LATTICE_A, (n, 1, 1)),
        energy_eV=random.normal(-33, 0.1, n),
        forces_eV_A=random.normal(0, 0.5, (n, 8, 3)),
        virial_eV=random.normal(0, 1, (n, 3, 3)),
    )


def frames(labelled_by: Stage, n: int = 10, temperature_K: float = 600.0, first: bool = False, cell: Cell | None = None) -> list[Frame]:
    """`n` configurations: most kept, one in nine rejected, the last without a label."""
    path = labelled_by.folder / "frames.npz"
    arrays = some_frames(n, seed=labelled_by.pk)
    if not first:  # a model's own values came with them
        error = np.random.default_rng(labelled_by.pk + 1)
        arrays = replace(
            arrays,
            model_energy_eV=arrays.energy_eV + error.normal(0, 0.02, n),
            model_forces_eV_A=arrays.forces_eV_A + error.normal(0, 0.1, arrays.forces_eV_A.shape),
        )
    arrays.save(path)
    file, random = artefact(path), np.random.default_rng(labelled_by.pk)
    rows = []
    for index in range(n):
        energy, force = float(arrays.energy_eV[index]) / 8, float(np.linalg.norm(arrays.forces_eV_A[index], axis=1).max())
        rejected, failed = index % 9 == 5, index == n - 1 and n > 3 and not first
        rows.append(
            Frame(
                campaign=labelled_by.campaign,
                stage=labelled_by,
                cell=cell,
                artefact=file,
                row=index,
                loop=labelled_by.loop,
                step=labelled_by.step,
                source=FrameSource.S0_FPMD if first else FrameSource.EXPLORE,
                temperature_K=temperature_K,
                time_ps=0.2 * index,
                n_atoms=8,
                composition="Ge1 Li2 P1 S4",
                energy_eV_atom=None if failed else energy + 0.09 * rejected,
                max_force_eV_A=None if failed else force,
                rms_force_eV_A=None if failed else force / 2,
                min_distance_A=1.95 + float(random.uniform(0, 0.1)),
                model_force_rmse_eV_A=None if first or failed else float(random.uniform(0.08, 0.2)),
                model_energy_error_meV_atom=None if first or failed else float(random.normal(0, 3)),
                verdict=Verdict.UNLABELLED if failed else Verdict.REJECTED if rejected else Verdict.KEPT,
                rule=CleaningRule.ENERGY if rejected else CleaningRule.NONE,
                number=None if failed else energy + 0.09 * rejected,
                lower=None if failed else -4.16,
                upper=None if failed else -4.09,
                message="The SCF did not converge within its steps." if failed else "",
                cause="scf_not_converged" if failed else "",
                label_seconds=None if first else 41.0 + index,
                label_attempts=ATTEMPTS if failed else [],
                label_found=not first and index == 0,
            )
        )
    if labelled_by.kind == StageKind.LABEL:
        job.write_json(labelled_by.folder / "result.json", {"records": [_record(frame) for frame in rows]})
    return Frame.objects.bulk_create(rows)


def _record(frame: Frame) -> dict:
    failed = frame.verdict == Verdict.UNLABELLED
    return {
        "index": frame.row,
        "state": "failed" if failed else "done",
        "energy_eV": None if failed else 8 * frame.energy_eV_atom,
        "seconds": frame.label_seconds,
        "attempts": frame.label_attempts,
        "found": frame.label_found,
        **{name: getattr(frame, name) for name in ("cause", "message", "max_force_eV_A")},
    }


def method_check(row: Campaign, **columns) -> MethodCheck:
    """Of a first-principles method, whose cut-off is good and whose mesh is not."""
    variants = [
        {"option": "", "title": "As set", "value": "", "state": "done", "cause": "", "message": "", "seconds": 341.0, "attempts": []},
        {"option": "cutoff_Ry", "title": "Plane-wave cut-off", "value": "675 Ry", "state": "done", "cause": "", "message": "",
         "seconds": 502.0, "attempts": [], "energy_difference_meV_atom": -1.3, "force_rms_difference_eV_A": 0.0021,
         "force_max_difference_eV_A": 0.0064, "stress_difference_GPa": 0.021},
        {"option": "k_points", "title": "k-points", "value": "2 2 2", "state": "failed", "cause": "walltime", "attempts": [],
         "message": "One label took longer than the limit of 24 h: raise the limit, or use more cores.", "seconds": 86400.0},
    ]  # fmt: skip
    values = {
        "method_key": method_checks.key_of(row.labeller, row.labeller_options),
        "formula": "Li20Ge2P4S24",
        "n_atoms": 50,
        "cores": 2,
        "seconds": 341.0,
        "rms_force_eV_A": 0.92,
        "verdict": "undecided",
        "sentence": "Undecided: 1 of 2 stricter labels failed, each with its cause in the table.",
        "variants": variants,
    }
    work = stage(row, StageKind.CHECK, loop=0, step=0, cores=2)
    return MethodCheck.objects.create(campaign=row, stage=work, **(values | columns))


def training_set(row: Campaign, loop: int, step: int, n_new: int = 10) -> TrainingSet:
    return TrainingSet.objects.create(
        campaign=row,
        loop=loop,
        step=step,
        n_new=n_new,
        n_kept=12 + 9 * step,
        n_rejected=step,
        n_unlabelled=step,
        energy_median_eV_atom=-4.125,
        energy_iqr_eV_atom=0.0175,
        force_median_eV_A=1.4,
        force_iqr_eV_A=0.35,
    )


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
    log10_prefactor, activation_energy_error_eV, arrays = -3.0, 0.018, {}
    random = np.random.default_rng(model.pk)
    for index, run in enumerate(runs):
        diffusivity = (
            10**log10_prefactor * np.exp(-activation_energy_eV / (BOLTZMANN_EV_K * run.mean_temperature_K)) * random.lognormal(0, 0.1)
        )
        bounded = index == len(runs) - 1 and len(runs) > 3
        RunDiffusion.objects.create(
            md_run=run,
            verdict="too_short" if bounded else "diffusive",
            number=34.0 if bounded else 212.0,
            threshold=50.0,
            unit="hops",
            reason="34 independent hops, 50 are needed: run about 18 ps." if bounded else "212 independent hops, slope 0.98.",
            kinetic_temperature_K=run.mean_temperature_K,
            kinetic_temperature_error_K=6.0,
            diffusivity_cm2_s=diffusivity,
            diffusivity_error_cm2_s=0.14 * diffusivity,
            details={
                "fit_window_ps": [1.0, 6.0],
                "n_eff": 212.0,
                "loglog_slope": 0.98,
                "conductivity_mS_cm": diffusivity * 4e6,
                "conductivity_mS_cm_per_cm2_s": 4e6,
                "conductivity_error_mS_cm": diffusivity * 5e5,
                "haven_ratio": 0.6,
                "haven_ratio_error": 0.2,
            },
        )
        t_ps = np.linspace(0, 10, 200)
        arrays[f"t_ps_{run.number}"] = t_ps
        for species, msd in {"Li": 1.1 + 6 * diffusivity * 1e4 * t_ps, "S": 0.35 + 0 * t_ps, "P": 0.2 + 0 * t_ps}.items():
            arrays[f"msd_A2_{run.number}_{species}"] = msd * (1 - np.exp(-t_ps * 8))
            arrays[f"msd_error_A2_{run.number}_{species}"] = 0.02 * msd * np.sqrt(t_ps + 0.1)
    path = stage(model.campaign, StageKind.JUDGE, loop=model.loop, step=model.step).folder / "msd.npz"
    np.savez(path, **arrays)
    model.convergence, model.convergence_reason = convergence, "log10 D moved by 0.04 over the last two models; the limit is 0.1."
    model.save()
    return ArrheniusFit.objects.create(
        model=model,
        activation_energy_eV=activation_energy_eV,
        activation_energy_error_eV=activation_energy_error_eV,
        log10_prefactor_cm2_s=log10_prefactor,
        n_points=sum(run.diffusion.verdict == "diffusive" for run in runs),
        spread_dex=0.04,
        msd=artefact(path),
        details={
            "points": [{"run_ids": [run.number]} for run in runs if run.diffusion.verdict == "diffusive"],
            "other_cells": [],
            "covariance": [[0.06, 0.0042], [0.0042, activation_energy_error_eV**2]],
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


def full_campaign(
    owner,
    name: str = "LGPS, quick",
    state: str = CampaignState.RUNNING,
    n_loops: int = 1,
    n_steps: int = 3,
    frames_per_step: int = 12,
    **columns,
) -> Campaign:
    """A campaign with everything that pages show."""
    row = campaign(owner, name, state, loop=n_loops, step=n_steps, **columns)
    cell = row.cells.first()
    stage(row, StageKind.PREPARE, loop=0, step=0, cell=cell)
    frames(stage(row, StageKind.S0, loop=0, step=0, temperature_K=600, labels_computed=45, cell=cell), 14, first=True, cell=cell)
    training_set(row, 0, 0, 14)
    for loop, step in itertools.product(range(1, n_loops + 1), range(1, n_steps + 1)):
        model = trained_model(row, loop, step)
        temperature_K = 400.0 + 200 * (step - 1)
        stage(row, StageKind.EXPLORE, loop=loop, step=step, temperature_K=temperature_K, cell=cell)
        frames(
            stage(row, StageKind.LABEL, loop=loop, step=step, labels_computed=frames_per_step, cell=cell),
            frames_per_step,
            temperature_K,
            cell=cell,
        )
        training_set(row, loop, step, frames_per_step)
        if step > n_steps - 2:
            Launch.objects.create(model=model, cell=row.cells.last(), ranks=2, threads=1, compressed=True, trials=[{}, {}])
            judged(model, 0.19 + 0.012 * step + 0.004 * loop, convergence="stationary" if state == CampaignState.CONVERGED else "undecided")
    if state == CampaignState.RUNNING:
        stage(row, StageKind.TRAIN, StageState.RUNNING, loop=n_loops, step=n_steps + 1, cell=None)
        stage(row, StageKind.EVALUATE, StageState.PENDING, loop=n_loops, step=n_steps, temperature_K=900, cell=row.cells.last())
    if state == CampaignState.FAILED:
        stage(
            row,
            StageKind.TRAIN,
            StageState.FAILED,
            loop=n_loops,
            step=n_steps + 1,
            tries=3,
            cause="engine_died",
            message="dp stopped with signal 9: too little memory. Use a smaller batch or cell, then retry.",
        )
    return row
