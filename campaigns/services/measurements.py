"""How long one label, one configuration of a batch and one MD step take in a cell of a given size: what this installation has measured,
else a reference machine; each with a range, and with the sentence that says where it comes from.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
from django.conf import settings
from django.db.models import Avg, QuerySet

from campaigns.enums import RunPurpose, StageKind, StageState
from campaigns.models import Campaign, Cell, MdRun, MethodCheck, Stage
from campaigns.science.plain_numbers import plain
from campaigns.science.plan import (
    LABEL_EXPONENT,
    NEXT_LABEL_SHARE,
    REFERENCE_ATOMS,
    REFERENCE_BATCH_S_ATOM,
    REFERENCE_LABEL_BASIS,
    REFERENCE_LABEL_S,
    REFERENCE_MD_ATOM_STEPS_S,
    configurations_trained_on,
)
from campaigns.science.protocol import ProtocolSettings
from campaigns.services import method_checks

REFERENCE_MACHINE = "a reference machine of 2 cores"
REFERENCE_FACTOR = 3.0  # how far another machine may be from it, either way
EXPONENT_ERROR = 0.3  # small cells pay for start-up, large ones fill the cores better
# What the cost of a batch or of an MD step depends on, the size of the cell apart.
NETWORK = ("precision", "cutoff_A", "embedding_net", "axis_neurons", "fitting_net")
MIN_LABELS_MEASURED = 50
LAST_MEASURED = 40  # the machine may have changed since the first campaigns
SAME_SIZE = 1.1  # cells that differ by less are not told apart
SCALED = 1.05  # below this factor nothing is said of scaling
BUSY_SHARE = 0.25  # of a stage's cores: where other work used more, it is no measurement


@dataclass(frozen=True)
class Speed:
    """Seconds of one label, one configuration of a batch or one MD step; `low` and `high` hold the true ones as far as is known."""

    seconds: float
    low: float
    high: float
    basis: str


@dataclass(frozen=True)
class Measurement:
    """`seconds` of one label, configuration or step in a cell of `n_atoms`, in a stage that ended `at`."""

    n_atoms: float
    seconds: float
    at: datetime | None
    is_disturbed: bool


def label(labeller: str, options: Mapping[str, Any], n_atoms: float, resource: str = "", following: float = 0.0) -> Speed:
    """From stages with the same method and options, from a check of it, from stages with other options, from the reference machine.

    `resource`: the cluster where labels are computed, if not here. `following`: the share of labels that are steps of dynamics or
    relaxation, each of which starts from the wavefunction of the one before.
    """
    exponent = LABEL_EXPONENT.get(labeller, 1.0)
    alike, others = _label_measurements(labeller, method_checks.key_of(labeller, options), resource)
    if alike:
        return _speed(alike, n_atoms, exponent, "stages of labels", resource)
    if found := method_checks.measured(labeller, options, resource):
        return _along_dynamics(_of_check(found, n_atoms, exponent), labeller, following)
    if others:
        return _speed(others, n_atoms, exponent, "stages of labels with other options of the method", resource)
    basis = REFERENCE_LABEL_BASIS.get(labeller, REFERENCE_MACHINE)
    return _along_dynamics(_reference(REFERENCE_LABEL_S.get(labeller, 1.0), n_atoms, exponent, basis), labeller, following)


def _along_dynamics(speed: Speed, labeller: str, following: float) -> Speed:
    """A time from scratch, where this share of labels follow another; the range goes on to hold that none is cheaper for it."""
    next_share = NEXT_LABEL_SHARE.get(labeller, 1.0)
    saved = following * (1 - next_share)
    if not saved:
        return speed
    basis = f"{speed.basis}; one that follows another in dynamics taken as {100 * next_share:.0f} % of one from scratch"
    return Speed(speed.seconds * (1 - saved), speed.low * (1 - saved), speed.high, basis)


def batch(chosen: ProtocolSettings, n_atoms: float) -> Speed:
    """Of one configuration in a batch."""
    return _of_network(_batch_measurements(), chosen, n_atoms, "trainings") or _reference(
        REFERENCE_BATCH_S_ATOM[chosen.precision] * REFERENCE_ATOMS, n_atoms, 1.0
    )


def md_step(chosen: ProtocolSettings, n_atoms: float) -> Speed:
    return _of_network(_md_measurements(), chosen, n_atoms, "explorations") or _reference(
        REFERENCE_ATOMS / REFERENCE_MD_ATOM_STEPS_S[chosen.precision], n_atoms, 1.0
    )


def _of_network(measured: Iterable[tuple[Campaign, Measurement]], chosen: ProtocolSettings, n_atoms: float, noun: str) -> Speed | None:
    """Of those with the same network, else of those with the same precision."""
    rows = [(campaign.settings, found) for campaign, found in measured if found.seconds > 0]
    for names, remark in ((NETWORK, ""), (("precision",), " with another network")):
        alike = [found for of_campaign, found in rows if all(getattr(of_campaign, name) == getattr(chosen, name) for name in names)]
        if alike:
            return _speed(alike, n_atoms, 1.0, noun + remark)
    return None


def _speed(found: list[Measurement], n_atoms: float, exponent: float, noun: str, resource: str = "") -> Speed:
    """The median of the undisturbed ones in the cells that are nearest in size, between their quartiles."""
    free = [one for one in found if not one.is_disturbed]
    used = _nearest_in_size(free or found, n_atoms)
    each = [one.seconds * (n_atoms / one.n_atoms) ** exponent for one in used]
    low, middle, high = (float(value) for value in np.percentile(each, [25, 50, 75]))
    measured_atoms = float(np.median([one.n_atoms for one in used]))
    basis = f"{_how_many(len(used), noun)} on {resource or 'this machine'}{_when(used)}, with {measured_atoms:.0f} atoms"
    if not free:
        basis += ", while other work used its cores"
    elif len(free) < len(found):
        basis += f" ({len(found) - len(free)} left out, made while other work used its cores)"
    return _scaled(Speed(middle, low, high, basis), n_atoms / measured_atoms)


def _nearest_in_size(found: list[Measurement], n_atoms: float) -> list[Measurement]:
    nearest = min((one.n_atoms for one in found), key=lambda size: abs(np.log(size / n_atoms)))
    return [one for one in found if nearest / SAME_SIZE <= one.n_atoms <= nearest * SAME_SIZE]


def _how_many(n: int, noun: str) -> str:
    return f"median of {n} {noun}" if n > 1 else f"one of the {noun}"


def _when(found: list[Measurement]) -> str:
    days = sorted(one.at for one in found if one.at)
    if not days:
        return ""
    first, last = f"{days[0]:%-d %b %Y}", f"{days[-1]:%-d %b %Y}"
    return f", {first}" if first == last else f", {first} to {last}"


def _scaled(speed: Speed, factor: float) -> Speed:
    """`speed` is for the wanted size already, `factor` times that of what was measured: the further, the wider the range."""
    if 1 / SCALED < factor < SCALED:
        return speed
    wider = max(factor, 1 / factor) ** EXPONENT_ERROR
    text = f"scaled up {plain(factor)} times" if factor > 1 else f"scaled down {plain(1 / factor)} times"
    return Speed(speed.seconds, speed.low / wider, speed.high * wider, f"{speed.basis}, {text}")


def _reference(seconds: float, n_atoms: float, exponent: float, basis: str = REFERENCE_MACHINE) -> Speed:
    factor = n_atoms / REFERENCE_ATOMS
    own = seconds * factor**exponent
    text = f"not measured on this machine yet: {basis}, with {REFERENCE_ATOMS} atoms"
    return _scaled(Speed(own, own / REFERENCE_FACTOR, own * REFERENCE_FACTOR, text), factor)


def _of_check(found: MethodCheck, n_atoms: float, exponent: float) -> Speed:
    """Labels run here side by side as the cores allow, on a cluster one after another on as many cores as the check had."""
    factor = n_atoms / found.n_atoms
    each_s = found.seconds if found.stage.resource else found.core_seconds / settings.ENGINE_CORES
    seconds = each_s * factor**exponent
    cores = f"{found.cores} core{'s' * (found.cores > 1)}{f' of {found.stage.resource}' if found.stage.resource else ''}"
    basis = f"check of this method, {found.created_at:%-d %b %Y}: {plain(found.seconds, 3)} s for {found.n_atoms} atoms on {cores}"
    if _is_disturbed(found.stage):
        basis += ", while other work used its cores"
    return _scaled(Speed(seconds, seconds, seconds, basis), factor)


def _is_disturbed(stage: Stage) -> bool:
    return stage.cores_short is not None and stage.cores_short > BUSY_SHARE * stage.cores


def _done(resource: str = "", **columns: Any) -> QuerySet[Stage]:
    """The last finished stages on a cluster, or here; what ran on one says nothing of the other.

    Said by what they are not: SQLite would else collect all that are done by the index of states, and sort them, to give the last few.
    """
    stages = Stage.objects.exclude(state__in=set(StageState) - {StageState.DONE}).filter(resource=resource, **columns)
    return stages.select_related("campaign", "cell").order_by("-id")


def _label_measurements(labeller: str, key: str, resource: str) -> tuple[list[Measurement], list[Measurement]]:
    """Of the S0 and label stages with the method of this key, and of all; empty where they are too few labels to tell."""
    found: dict[bool, list[tuple[int, Measurement]]] = {True: [], False: []}
    kinds = (StageKind.S0, StageKind.LABEL)
    stages = _done(resource, kind__in=kinds, campaign__labeller=labeller, labels_computed__gt=0, cell__n_atoms__gt=0, seconds__gt=0)
    for stage in stages[:LAST_MEASURED]:
        # Stages run here side by side: the cores are shared. On a cluster each has its own.
        cores_share = 1.0 if resource else stage.cores / settings.ENGINE_CORES
        seconds = stage.seconds * cores_share / stage.labels_computed
        measurement = Measurement(stage.cell.n_atoms, seconds, stage.finished_at, _is_disturbed(stage))
        is_alike = method_checks.key_of(labeller, stage.campaign.labeller_options) == key
        found[is_alike].append((stage.labels_computed, measurement))
    return _if_enough(found[True]), _if_enough(found[True] + found[False])


def _if_enough(found: list[tuple[int, Measurement]]) -> list[Measurement]:
    return [one for _, one in found] if sum(labels for labels, _ in found) >= MIN_LABELS_MEASURED else []


def _batch_measurements() -> Iterable[tuple[Campaign, Measurement]]:
    stages = list(_done(kind=StageKind.TRAIN, trained_model__isnull=False).select_related("trained_model", "campaign")[:LAST_MEASURED])
    cells = Cell.objects.filter(campaign__in={stage.campaign_id for stage in stages}, for_training=True, n_atoms__gt=0)
    n_atoms = dict(cells.values_list("campaign").annotate(Avg("n_atoms")).order_by())
    for stage in stages:
        model = stage.trained_model
        n_configurations = configurations_trained_on(stage.campaign.settings, model.attempts, model.loop, model.step, model.repeat)
        if stage.campaign_id in n_atoms and n_configurations:
            seconds = (stage.seconds - stage.startup_seconds) / n_configurations
            yield stage.campaign, Measurement(n_atoms[stage.campaign_id], seconds, stage.finished_at, _is_disturbed(stage))


def _md_measurements() -> Iterable[tuple[Campaign, Measurement]]:
    runs = MdRun.objects.filter(purpose=RunPurpose.EXPLORE, steps_per_s__gt=0, cell__n_atoms__gt=0, stage__resource="")
    for run in runs.select_related("cell", "campaign", "stage").order_by("-id")[:LAST_MEASURED]:
        yield run.campaign, Measurement(run.cell.n_atoms, 1 / run.steps_per_s, run.stage.finished_at, _is_disturbed(run.stage))
