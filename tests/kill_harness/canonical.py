"""What campaigns have come to, without what differs from run to run: numbers of rows and processes, dates, seconds, failures on the way."""

import hashlib
import json

from django.apps import apps
from django.conf import settings

from campaigns.models import Artefact, Campaign, Cell, Frame, MdRun, Stage, StageFailure, TrainedModel, TrainingSet

# Dates, claims, and what killed engines cost.
PASSING = {"id", "owner", "lease_until", "due_at", "sent_at", "seconds", "startup_seconds", "tries", "cause", "message", "host"}
PASSING |= {"cores_short", "created_at", "started_at", "finished_at", "run_id", "cell_id"}
BY_CAMPAIGN = {
    "Stage": "campaign", "Cell": "campaign", "Frame": "campaign", "TrainingSet": "campaign", "TrainedModel": "campaign",
    "MdRun": "campaign", "VerdictChange": "frame__campaign", "Launch": "model__campaign", "RunDiffusion": "md_run__campaign",
    "ArrheniusFit": "model__campaign",
}  # fmt: skip


def dump():
    """(its seed, everything about it) for each campaign."""
    return [(campaign.seed, _campaign(campaign)) for campaign in Campaign.objects.order_by("pk")]


def _campaign(campaign):
    rows = {"Campaign": [_row(campaign)]}
    for model in [*apps.get_app_config("campaigns").get_models(), *apps.get_app_config("analysis").get_models()]:
        if model.__name__ in BY_CAMPAIGN:
            found = model.objects.filter(**{BY_CAMPAIGN[model.__name__]: campaign})
            rows[model.__name__] = sorted((_row(row) for row in found), key=json.dumps)
    artefacts = Artefact.objects.filter(path__startswith=f"campaigns/{campaign.pk}/").order_by("path")
    rows["Artefact"] = [[_within(campaign, row.path), row.sha256, row.n_bytes, _sha256(row.file)] for row in artefacts]
    rows["documents"] = {
        str(path.relative_to(campaign.folder)): _plain(json.loads(path.read_text()), campaign)
        for name in ("spec.json", "result.json")
        for path in sorted(campaign.folder.rglob(name))
    }
    return rows


def _sha256(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _within(campaign, text):
    return str(text).replace(f"{settings.DATA_DIR}/", "").replace(f"campaigns/{campaign.pk}/", "")


def _plain(value, campaign):
    if isinstance(value, dict):
        return {key: _plain(item, campaign) for key, item in value.items() if key not in PASSING}
    if isinstance(value, list):
        return [_plain(item, campaign) for item in value]
    return _within(campaign, value) if isinstance(value, str) else value


def _row(row):
    campaign = row if isinstance(row, Campaign) else None
    found = {}
    for field in row._meta.concrete_fields:
        if field.name in PASSING or (isinstance(row, MdRun) and field.name == "number"):  # in the order in which runs were registered
            continue
        value = getattr(row, field.name)
        found[field.name] = _name(value) if field.is_relation and value is not None else value
    campaign = campaign or getattr(row, "campaign", None)
    return json.loads(json.dumps(_plain(found, campaign) if campaign else found, sort_keys=True, default=str))


def _name(row):
    """A row by what it is, not by its number."""
    if isinstance(row, Campaign):
        return row.seed
    if isinstance(row, Cell):
        return list(row.campaign.cells.values_list("pk", flat=True)).index(row.pk)
    if isinstance(row, Stage):
        return [row.kind, row.loop, row.step, row.repeat, row.index]
    if isinstance(row, Artefact):
        return row.path.split("/", 2)[2]
    if isinstance(row, Frame):
        return [_name(row.artefact), row.row]
    if isinstance(row, MdRun):
        return _name(row.stage)
    if isinstance(row, TrainedModel | TrainingSet):
        return [row.loop, row.step, row.repeat]
    return str(row)


def account():
    """How often each stage was begun, ended with a result, and how often each label was asked for."""
    found = {"stages": 0, "begun": 0, "results": 0, "labels": 0, "labels_asked": 0, "failed_tries": StageFailure.objects.count()}
    for stage in Stage.objects.select_related("campaign"):
        found["stages"] += 1
        found["begun"] += len(_lines(stage.folder / "computed"))
        found["results"] += len(_lines(stage.folder / "results"))
        asked = _lines(stage.folder / "labels")
        found["labels_asked"] += len(asked)
        found["labels"] += len(set(asked))
    return found


def _lines(path):
    return path.read_text().splitlines() if path.exists() else []
