"""A campaign as a run folder of DP-GEN, so that `dpgen run param.json machine.json` goes on where the campaign stands.

S0 is its initial data, every training step that brought labels an iteration that is done; the ramp of the next loop is what is still to do.
Labels come from the campaign's own reference method, by DP-GEN's fp_style `custom` and the script label.py. A run of DP-GEN that was
imported goes out with the set-up that it came with.
"""

import json
import tempfile
from pathlib import Path
from typing import IO, Any

from django.conf import settings
from django.template.loader import render_to_string

from campaigns.engines import backends, bounded
from campaigns.engines.job import read_json, to_json, write_json
from campaigns.engines.write_dpgen import Selected, Systems, WriteDpgenSpec
from campaigns.enums import StageKind, Verdict
from campaigns.models import Campaign, Cell, TrainedModel
from campaigns.science.protocol import ProtocolSettings
from campaigns.services import dpgen_kept, exports
from campaigns.services.errors import BadInput, ServiceError
from campaigns.services.specs import type_map_of

N_STAGES = 9  # of an iteration of DP-GEN
# Force deviations between which DP-GEN labels, as in its examples: what to choose depends on the material.
TRUST_EV_A = (0.05, 0.15)
BAR = 1.0  # not used at constant volume, but asked for


def run_folder(campaign: Campaign) -> IO[bytes]:
    """The zip file. Raises BadInput where there is nothing to go on from."""
    cells = list(campaign.cells.filter(for_training=True, structure__isnull=False).select_related("structure"))
    kept = dpgen_kept.kept_of(campaign)
    frames = _selections(campaign, cells, kept.systems if kept else {})
    if not (frames if kept else frames.get((0, 0))) or not cells:
        raise BadInput("The campaign has no starting set yet: there is nothing that DP-GEN could begin with.")
    labelled = [at for at in sorted(frames) if at != (0, 0)]
    steps = kept.steps(labelled) if kept else labelled
    with tempfile.TemporaryDirectory(dir=exports.work_folder()) as name:
        folder = Path(name)
        type_map, poscars = (kept.type_map, {}) if kept else (type_map_of(campaign), _poscars(cells))
        _write_data(type_map, poscars, frames, steps, folder)
        for number, (loop, step) in enumerate(steps):
            _write_models(campaign, loop, step, folder / f"iter.{number:06d}" / "00.train")
        (folder / "record.dpgen").write_text("".join(f"{number} {stage}\n" for number in range(len(steps)) for stage in range(N_STAGES)))
        context = {"campaign": campaign, "type_map": type_map, "n_iterations": len(steps), "kept": kept, "trust": TRUST_EV_A}
        (folder / "README.md").write_text(render_to_string("exports/dpgen.md", context))
        if kept:
            kept.write(folder)
        else:
            _write_set_up(campaign, cells, steps, folder)
        return exports.zip_of(folder, f"campaign-{campaign.pk}-dpgen", exports.about(campaign))


def _write_set_up(campaign: Campaign, cells: list[Cell], steps: list[tuple[int, int]], folder: Path) -> None:
    write_json(folder / "param.json", _param(campaign, cells, steps))
    write_json(folder / "machine.json", _machine())
    reference = json.dumps({"name": campaign.labeller, "options": campaign.labeller_options}, indent=1)
    context = {"reference": reference, "type_map": type_map_of(campaign), "cores": settings.ENGINE_CORES}
    (folder / "label.py").write_text(render_to_string("exports/dpgen_label.txt", context))


Frames = dict[tuple[int, int], dict[int, list[Selected]]]  # by (loop, step), then by the cell's place in the list


def _selections(campaign: Campaign, cells: list[Cell], systems: dict[str, int]) -> Frames:
    """Kept configurations. What an uploaded S0 holds belongs to no cell: it counts as of the first. `systems`: of an imported run."""
    places = {cell.pk: place for place, cell in enumerate(cells)}
    rows = campaign.frames.filter(verdict=Verdict.KEPT).select_related("artefact").order_by("artefact_id", "row")
    chosen: dict[tuple[int, int], dict[int, dict[str, list[int]]]] = {}
    for row in rows:
        file = str(row.artefact.file)
        place = systems.get(file, places.get(row.cell_id, 0))
        chosen.setdefault((row.loop, row.step), {}).setdefault(place, {}).setdefault(file, []).append(row.row)
    return {
        at: {place: [Selected(path, indices) for path, indices in files.items()] for place, files in of_cells.items()}
        for at, of_cells in chosen.items()
    }


def _poscars(cells: list[Cell]) -> dict[str, str]:
    return {f"confs/cell-{place}/POSCAR": str(cell.structure.file) for place, cell in enumerate(cells)}


def _write_data(type_map: list[str], poscars: dict[str, str], frames: Frames, steps: list[tuple[int, int]], folder: Path) -> None:
    systems = [Systems("init", [one for selections in frames.get((0, 0), {}).values() for one in selections])]
    for number, at in enumerate(steps):
        places = sorted(frames.get(at, {}).items())
        systems += [Systems(f"iter.{number:06d}/02.fp/data.{place:03d}", selections) for place, selections in places]
    write_json(folder / "spec.json", to_json(WriteDpgenSpec(type_map, systems, poscars)))
    try:
        done = bounded.run("campaigns.engines.write_dpgen", [str(folder)], cpu_s=exports.TIMEOUT_S, wall_s=exports.TIMEOUT_S)
    except bounded.ChildRefused as error:
        raise ServiceError("Writing the run folder took too long: use `manage.py export dpgen` on a machine that is idle.") from error
    if done.returncode != 0:
        raise ServiceError("The run folder could not be written: is the disk full, a file damaged, or are there labels without a virial?")
    (folder / "spec.json").unlink()


def _write_models(campaign: Campaign, loop: int, step: int, folder: Path) -> None:
    """Of a step that was repeated the models stand side by side, as those of a committee."""
    for index, model in enumerate(campaign.trained_models.filter(loop=loop, step=step).order_by("repeat")):
        suffix = model.frozen.file.suffix
        files = {f"frozen_model{suffix}": model.frozen, "lcurve.out": model.learning_curve, "input.json": model.input_json}
        for name, artefact in files.items():
            exports.link(folder, f"{index:03d}/{name}", artefact.file)
        exports.link(folder, f"graph.{index:03d}{suffix}", model.frozen.file)


def _param(campaign: Campaign, cells: list[Cell], steps: list[tuple[int, int]]) -> dict[str, Any]:
    chosen, type_map = campaign.settings, type_map_of(campaign)
    ramp = chosen.ramp_temperatures_K
    jobs = [_temperature_K(campaign, loop, step) for loop, step in steps] + list(ramp)
    steps_between = max(1, round(chosen.snapshot_interval_ps * 1000 / chosen.timestep_fs))
    equilibration = round(chosen.explore_equilibration_ps * 1000 / chosen.timestep_fs)
    return {
        "type_map": type_map,
        "mass_map": "auto",
        "init_data_prefix": ".",
        "init_data_sys": ["init"],
        "init_batch_size": ["auto"],
        "sys_configs": [[f"confs/cell-{place}/POSCAR"] for place in range(len(cells))],
        "sys_batch_size": ["auto"] * len(cells),
        "numb_models": 4,
        "train_backend": _backend(campaign),
        "default_training_param": _training(campaign, chosen, type_map),
        "model_devi_dt": chosen.timestep_fs / 1000,
        "model_devi_skip": equilibration,
        "model_devi_f_trust_lo": TRUST_EV_A[0],
        "model_devi_f_trust_hi": TRUST_EV_A[1],
        "model_devi_clean_traj": True,
        "model_devi_merge_traj": False,
        "model_devi_jobs": [
            {
                "sys_idx": list(range(len(cells))),
                "temps": [temperature_K],
                "press": [BAR],
                "trj_freq": steps_between,
                "nsteps": equilibration + chosen.snapshots_per_step * steps_between,
                "ensemble": "nvt",
                "_idx": f"{number:02d}",
            }
            for number, temperature_K in enumerate(jobs)
        ],
        "fp_style": "custom",
        "fp_task_max": chosen.snapshots_per_step,
        "fp_task_min": 1,
        "fp_params": {"input_fmt": "vasp/poscar", "input_fn": "POSCAR", "output_fmt": "deepmd/npy", "output_fn": "labelled"},
    }


def _temperature_K(campaign: Campaign, loop: int, step: int) -> float:
    """Of the exploration, as its stage says, or as the ramp does."""
    known = campaign.stages.filter(loop=loop, step=step, kind=StageKind.EXPLORE).values_list("temperature_K", flat=True).first()
    ramp = campaign.settings.ramp_temperatures_K
    return float(known or ramp[min(step, len(ramp)) - 1])


def _backend(campaign: Campaign) -> str:
    """Of the last model: DP-GEN names its models by it."""
    last = campaign.trained_models.select_related("frozen").last()
    return last.backend.name if last else backends.DEFAULT


def _training(campaign: Campaign, chosen: ProtocolSettings, type_map: list[str]) -> dict[str, Any]:
    """The training input of the last model; of a campaign without one what its settings say. DP-GEN fills in systems and seeds."""
    from campaigns.science.dp_input import training_input  # loads ase, which no page needs

    last: TrainedModel | None = campaign.trained_models.select_related("input_json").last()
    given = read_json(last.input_json.file) if last else None
    if not isinstance(given, dict) or not isinstance(given.get("model"), dict):
        given = training_input(
            systems=[], type_map=type_map, cutoff_A=chosen.cutoff_A, cutoff_smooth_A=chosen.cutoff_smooth_A, sel=last.sel if last else [],
            embedding_net=chosen.embedding_net, axis_neurons=chosen.axis_neurons, fitting_net=chosen.fitting_net,
            precision=chosen.precision, n_batches=chosen.n_batches_first, batch_size=chosen.batch_size,
            learning_rate_start=chosen.learning_rate_start, learning_rate_stop=chosen.learning_rate_stop, seed=campaign.seed,
            display_every=100, save_every=1000,
        )  # fmt: skip
        if not last:
            given["model"]["descriptor"]["sel"] = "auto"
    training = {name: value for name, value in given.get("training", {}).items() if name != "validation_data"}
    training |= {"numb_steps": chosen.n_batches_first, "training_data": {"systems": [], "batch_size": chosen.batch_size}}
    return {name: value for name, value in given.items() if name in ("model", "learning_rate", "loss")} | {"training": training}


def _machine() -> dict[str, Any]:
    """This machine, one task after the other; for a cluster another batch_type and queue."""
    from importlib.metadata import version

    machine = {"batch_type": "Shell", "context_type": "LocalContext", "local_root": "./", "remote_root": "./work"}
    resources = {"number_node": 1, "cpu_per_node": settings.ENGINE_CORES, "gpu_per_node": 0, "queue_name": "", "group_size": 1}
    commands = {"train": "dp", "model_devi": "lmp", "fp": "python label.py"}
    kinds: dict[str, Any] = {name: [{"command": command, "machine": machine, "resources": resources}] for name, command in commands.items()}
    kinds["fp"][0] |= {"user_forward_files": ["label.py"]}
    return {"api_version": "1.0", "deepmd_version": version("deepmd-kit")} | kinds
