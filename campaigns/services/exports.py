"""What a campaign made, packed for use elsewhere: a trained model with all that is needed to run and to train it again, data sets, and
the set-up itself.

All are zip files with a README and a manifest of checksums, written to a nameless temporary file that is gone when it is closed.
"""

import hashlib
import json
import shutil
import tempfile
import time
import zipfile
from collections.abc import Iterable
from itertools import groupby
from pathlib import Path
from typing import IO, Any

import yaml
from django.conf import settings
from django.template.loader import render_to_string

from campaigns.engines import bounded
from campaigns.engines.job import write_json
from campaigns.enums import Verdict
from campaigns.models import Artefact, Campaign, Cell, Frame, Overruling, TrainedModel
from campaigns.services import settings_file
from campaigns.services.errors import BadInput, ServiceError
from campaigns.services.specs import type_map_of

FORMATS = {
    "deepmd/npy": "deepmd/npy",
    "deepmd/npy/mixed": "deepmd/npy/mixed",
    "extxyz": "extended XYZ",
    "ase-db": "ASE database",
}
TIMEOUT_S = 100.0  # below the web server's own
LEFTOVER_S = 3600.0
FACTS = (
    *("source", "loop", "step", "temperature_K", "time_ps", "verdict", "rule", "overruled"),
    *("model_energy_error_meV_atom", "model_force_rmse_eV_A", "model_deviation_eV_A"),
)


def data_set(campaign: Campaign, frames: Iterable[Frame], format_name: str) -> IO[bytes]:
    """Labelled configurations as a zip file. `frames` come with their artefact; those without a label are left out.

    Raises BadInput for an unknown format and where nothing is left.
    """
    with tempfile.TemporaryDirectory(dir=work_folder()) as name:
        folder = Path(name)
        n_frames = _write_data_set(campaign, frames, format_name, folder)
        context = {"campaign": campaign, "n_frames": n_frames, "format": format_name, "format_label": FORMATS[format_name]}
        readme = render_to_string("exports/data_set.md", context | {"type_map": type_map_of(campaign)})
        (folder / "README.md").write_text(readme)
        return zip_of(folder, f"campaign-{campaign.pk}-data-set", about(campaign) | {"format": format_name, "n_configurations": n_frames})


def model_package(model: TrainedModel) -> IO[bytes]:
    """A trained model as a zip file: frozen and compressed, checkpoint, training input and set, a LAMMPS example, README."""
    campaign = model.campaign
    with tempfile.TemporaryDirectory(dir=work_folder()) as name:
        folder = Path(name)
        frames = training_configurations(model)
        if frames:
            _write_data_set(campaign, frames, "deepmd/npy", folder)
        for name, artefact in _graphs(model).items():
            link(folder, name, artefact.file)
        link(folder, "training/input.json", model.input_json.file)
        link(folder, "training/lcurve.out", model.learning_curve.file)
        for checkpoint in Artefact.objects.beginning_with(f"{model.checkpoint}."):
            link(folder, f"training/{Path(checkpoint.path).name}", checkpoint.file)
        temperature_K = campaign.settings.evaluation_temperatures_K[0]
        cell = _write_lammps_example(model, folder / "lammps", temperature_K)
        context = {"campaign": campaign, "model": model, "cell": cell, "temperature_K": temperature_K, "with_data": bool(frames)}
        context |= {"graphs": list(_graphs(model)), "checkpoint": Path(model.checkpoint).name}
        (folder / "README.md").write_text(render_to_string("exports/model.md", context))
        facts = about(campaign) | {
            "model": f"{model.loop}.{model.step}",
            "type_map": model.type_map,
            "backend": model.backend.name,
            "seed": model.seed,
            "n_configurations": model.n_frames,
            "force_rmse_eV_A": model.force_rmse_eV_A,
            "energy_rmse_meV_atom": model.energy_rmse_meV_atom,
            "versions": model.versions,
        }
        return zip_of(folder, f"campaign-{campaign.pk}-model-{model.loop}.{model.step}", facts)


def setup(campaign: Campaign) -> IO[bytes]:
    """What a campaign was asked for, as a zip file: a settings file for `manage.py campaign run` and the files that it names."""
    document, files = settings_file.document_of(campaign)
    with tempfile.TemporaryDirectory(dir=work_folder()) as name:
        folder = Path(name)
        for file, content in files.items():
            if isinstance(content, Path):
                link(folder, file, content)
            else:
                (folder / file).write_bytes(content)
        heading = "# A campaign as it was set up. To run it: manage.py campaign run settings.yaml\n"
        (folder / "settings.yaml").write_text(heading + yaml.safe_dump(document, allow_unicode=True, sort_keys=False))
        return zip_of(folder, f"campaign-{campaign.pk}-setup", {"campaign": {"id": campaign.pk, "name": campaign.name}})


def training_configurations(model: TrainedModel) -> list[Frame]:
    """The configurations that a model was trained on, whatever their verdict has become since; none where not all of them are known.

    A campaign that an earlier release began has no history of its first verdicts.
    """
    found = list(model.training_set.members().select_related("artefact").order_by("artefact_id", "row")) if model.training_set else []
    return found if len(found) == model.n_frames else []


def work_folder() -> Path:
    folder = settings.DATA_DIR / "exports"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def remove_leftovers() -> None:
    """Folders of exports that were killed; a younger one may be under way."""
    for path in work_folder().iterdir():
        if time.time() - path.stat().st_mtime > LEFTOVER_S:
            shutil.rmtree(path, ignore_errors=True)


def _write_data_set(campaign: Campaign, frames: Iterable[Frame], format_name: str, folder: Path) -> int:
    """data/ and configurations.csv, written by a child: thousands of configurations are no load for the web server."""
    if format_name not in FORMATS:
        raise BadInput(f"The format {format_name!r} is not known. Known are: {', '.join(FORMATS)}.", {"format": "unknown"})
    selections = []
    for artefact, group in groupby(frames, key=lambda row: row.artefact):
        members = [row for row in group if row.verdict != Verdict.UNLABELLED]
        if members:
            facts = [{"configuration": row.pk} | {name: getattr(row, name) for name in FACTS} for row in members]
            selections.append({"path": str(artefact.file), "rows": [row.row for row in members], "facts": facts})
    if not selections:
        raise BadInput("There is no labelled configuration to export.")
    if said := _overrulings(campaign, [one["configuration"] for selection in selections for one in selection["facts"]]):
        write_json(folder / "overrulings.json", said)
    spec = folder / "spec.json"
    write_json(spec, {"selections": selections, "type_map": type_map_of(campaign), "format": format_name})
    try:
        done = bounded.run("campaigns.engines.export_data_set", [str(folder)], cpu_s=TIMEOUT_S, wall_s=TIMEOUT_S)
    except bounded.ChildRefused as error:
        raise ServiceError(f"Writing the data set took longer than {TIMEOUT_S:g} s: export it step by step, with the filter.") from error
    if done.returncode != 0:
        raise ServiceError("The data set could not be written: is the disk full, or a file of the campaign damaged?")
    spec.unlink()
    return sum(len(selection["rows"]) for selection in selections)


def _overrulings(campaign: Campaign, configurations: list[int]) -> list[dict[str, Any]]:
    """What persons have said of these configurations, the oldest first."""
    wanted = set(configurations)
    rows = Overruling.objects.filter(frame__campaign=campaign).values_list("frame_id", "verdict", "reason", "by_name", "at")
    return [
        {"configuration": pk, "verdict": verdict or "as cleaning", "reason": reason, "by": name, "at": at.isoformat(timespec="seconds")}
        for pk, verdict, reason, name, at in rows
        if pk in wanted
    ]


def link(folder: Path, name: str, file: Path) -> None:
    """A file of the package, which is not copied before it is packed. Raises ServiceError where it is not there: no package without it."""
    if not file.is_file():
        relative = file.relative_to(settings.DATA_DIR)
        raise ServiceError(f"{relative} is missing: bring it back from a backup; `manage.py check_data` tells what else is damaged.")
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.symlink_to(file)


def _graphs(model: TrainedModel) -> dict[str, Artefact]:
    """Frozen and, where there is one, compressed, by their names in a package: the end tells LAMMPS which backend to load them with."""
    found = {"graph": model.frozen, "graph-compressed": model.compressed}
    return {f"{name}{model.backend.suffix}": artefact for name, artefact in found.items() if artefact}


def _write_lammps_example(model: TrainedModel, folder: Path, temperature_K: float) -> Cell | None:
    """in.lammps and cell.data of an evaluation cell, where one has been made."""
    from ase.io import read

    from campaigns.science.lammps_example import example_input
    from campaigns.science.lammps_input import Box, data_file

    cell = model.campaign.cells.filter(structure__isnull=False).order_by("-for_evaluation", "id").first()
    if cell is None:
        return None
    folder.mkdir()
    atoms = read(cell.structure.file, format="extxyz")
    box = Box.of(atoms.cell.array)
    (folder / "cell.data").write_text(data_file(atoms.get_chemical_symbols(), atoms.get_positions(wrap=True), box, model.type_map))
    chosen = model.campaign.settings
    graph = list(_graphs(model))[-1]
    text = example_input(
        model.type_map, f"../{graph}", temperature_K, chosen.timestep_fs, chosen.thermostat_damping_fs, model.campaign.seed
    )
    (folder / "in.lammps").write_text(text)
    return cell


def about(campaign: Campaign) -> dict[str, Any]:
    return {
        "campaign": {"id": campaign.pk, "name": campaign.name},
        "reference_method": {"name": campaign.labeller, "options": campaign.labeller_options},
        "preset": campaign.preset,
        "settings": campaign.protocol,
        "settings_changed_on_the_way": [
            {"at": one.at.isoformat(), "setting": one.setting, "old": one.old, "new": one.new, "loop": one.loop, "step": one.step}
            for one in campaign.setting_changes.all()
        ],
        "units": {"energy": "eV", "length": "Å", "force": "eV/Å", "virial": "eV, -stress * volume"},
    }


def zip_of(folder: Path, root: str, facts: dict[str, Any]) -> IO[bytes]:
    """Every file of a folder below `root`, links followed, and manifest.json with the sha256 of each."""
    stream = tempfile.TemporaryFile(dir=work_folder())  # noqa: SIM115  closed by whoever sends it
    sums = {}
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(path for path in folder.rglob("*") if path.is_file()):
            name = str(path.relative_to(folder))
            archive.write(path, f"{root}/{name}")
            with path.open("rb") as content:
                sums[name] = hashlib.file_digest(content, "sha256").hexdigest()
        archive.writestr(f"{root}/manifest.json", json.dumps(facts | {"sha256": sums}, indent=1, ensure_ascii=False))
    stream.seek(0)
    return stream
