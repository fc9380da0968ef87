"""What a campaign will cost, before it starts: counts from the settings, seconds from what this installation has measured."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.contrib.auth.models import AbstractBaseUser
from django.db.models import Avg, F, Sum

from campaigns.engines import disk
from campaigns.enums import RunPurpose, S0Route, StageKind, StageState
from campaigns.models import Campaign, Cell, Material, MdRun, Stage
from campaigns.science.plan import (
    ENGINE_START_S,
    LABEL_EXPONENT,
    REFERENCE_ATOMS,
    REFERENCE_BATCH_S_ATOM,
    REFERENCE_LABEL_S,
    REFERENCE_MD_ATOM_STEPS_S,
)
from campaigns.science.protocol import Counts, ProtocolSettings, counts
from campaigns.services import method_checks
from campaigns.services.requests import CampaignRequest, Checked, check

REFERENCE = "reference machine, 2 cores"
MEASURED = "measured on this installation"
MEASURED_OTHER_OPTIONS = "measured on this installation, with other options"
MEASURED_OTHER_NETWORK = "measured on this installation, with another network"
# What the cost of a batch or of an MD step depends on, the size of the cell apart.
NETWORK = ("precision", "cutoff_A", "embedding_net", "axis_neurons", "fitting_net")
MIN_LABELS_MEASURED = 50
KNOWN_LABEL_BYTES, KNOWN_LABEL_BYTES_ATOM = 4096, 80  # of the file in which a label is found again
STORED_BYTES_ATOM = 12  # of a frame: three float32
DUMPED_BYTES_ATOM = 45
LABELLED_BYTES_ATOM = 48  # positions and forces
MODEL_BYTES = 30_000_000  # frozen, compressed, checkpoints
PROGRAM_BYTES = 50_000_000
LAST_MEASURED = 40  # the machine may have changed since the first campaigns
LONG_S = 3600.0


@dataclass(frozen=True)
class EstimateRow:
    """`n_atoms`: mean of the cells in which the work is done; `lever`: what makes it less."""

    what: str
    amount: float
    unit: str
    seconds: float
    basis: str
    n_atoms: float
    lever: str


@dataclass(frozen=True)
class Estimate:
    """`labels` and the rows are for all loops that the settings allow."""

    rows: list[EstimateRow]
    labels: int
    total_seconds_one_loop: float
    total_seconds_all_loops: float
    disk_bytes: int
    warnings: list[str]
    advice: str  # where it takes hours: what takes them, and how to make it shorter


def estimate(owner: AbstractBaseUser, request: CampaignRequest, draft: Campaign | None = None) -> Estimate:
    """Of a request, or of a draft with it. Raises BadInput for everything that would keep the campaign from being created."""
    checked = check(owner, request, keep=draft)
    chosen = checked.settings
    training = checked.n_atoms([cell for cell in request.cells if cell.for_training])
    evaluation = checked.n_atoms([cell for cell in request.cells if cell.for_evaluation])
    rows = _rows(request, checked, training, evaluation, chosen.max_loops)
    one_loop = _rows(request, checked, training, evaluation, 1)
    fpmd = request.s0_route == S0Route.FPMD
    amounts = counts(chosen, len(training), len(evaluation), fpmd, chosen.max_loops)
    disk_bytes = _disk_bytes(chosen, amounts, training, evaluation)
    return Estimate(
        rows,
        round(sum(row.amount for row in rows if row.unit == "labels")),
        sum(row.seconds for row in one_loop),
        sum(row.seconds for row in rows),
        disk_bytes,
        [
            *checked.warnings,
            *_too_little_room(disk_bytes),
            *_thin_cells(request, checked),
            *_no_bonds(checked),
            *_warnings(chosen, training),
            *_elsewhere(request),
        ],
        _advice(request.preset, one_loop),
    )


def _elsewhere(request: CampaignRequest) -> list[str]:
    names = sorted(set(request.resources.values()))
    return [f"Times are those of this machine: on {', '.join(names)} stages wait in a queue first, and may be faster."] if names else []


def _rows(request: CampaignRequest, checked: Checked, training: list[int], evaluation: list[int], loops: int) -> list[EstimateRow]:
    chosen = checked.settings
    fpmd = request.s0_route == S0Route.FPMD
    amounts = counts(chosen, len(training), len(evaluation), fpmd, loops)
    mean_training = sum(training) / max(len(training), 1)
    mean_evaluation = sum(evaluation) / max(len(evaluation), 1)
    batch_s, batch_basis = _seconds_per_batch_atom(chosen)
    md_rate, md_basis = _atom_steps_per_second(chosen)
    at_once = min(settings.ENGINE_CORES, max(amounts.evaluations, 1))
    return [
        *_label_rows(request, checked, training, amounts.labels),
        EstimateRow(
            "Training",
            amounts.training_batches,
            "batches",
            amounts.training_batches * chosen.batch_size * mean_training * batch_s + amounts.trainings * 2 * ENGINE_START_S,
            batch_basis,
            mean_training,
            "a smaller training cell, fewer batches or a wider temperature step make it shorter",
        ),
        EstimateRow(
            "Exploration (NVT)",
            amounts.exploration_md_steps,
            "MD steps",
            amounts.exploration_md_steps * mean_training / md_rate + amounts.explorations * ENGINE_START_S,
            md_basis,
            mean_training,
            "a smaller training cell or fewer snapshots make it shorter",
        ),
        EstimateRow(
            "Evaluation (NVE)",
            amounts.evaluation_md_steps,
            "MD steps",
            amounts.evaluation_md_steps * mean_evaluation / md_rate + amounts.evaluations * ENGINE_START_S / at_once,
            md_basis,
            mean_evaluation,
            "a smaller evaluation cell, fewer temperatures or fewer evaluated models make it shorter",
        ),
    ]


def _label_rows(request: CampaignRequest, checked: Checked, training: list[int], labels: int) -> list[EstimateRow]:
    seconds_1, basis = _seconds_per_label_of_one_atom(request.labeller, request.labeller_options)
    exponent = LABEL_EXPONENT.get(request.labeller, 1.0)
    relaxed = checked.n_atoms(request.cells) if checked.settings.relax_cells else []
    steps = checked.settings.relax_max_steps
    relaxation = EstimateRow(
        "Relaxation of the cells, at most",
        steps * len(relaxed),
        "labels",
        steps * sum(n**exponent for n in relaxed) * seconds_1,
        basis,
        sum(relaxed) / max(len(relaxed), 1),
        "fewer relaxation steps or smaller cells make it shorter",
    )
    reference = EstimateRow(
        "Reference calculations (labels)",
        labels,
        "labels",
        labels * sum(n**exponent for n in training) / max(len(training), 1) * seconds_1,
        basis,
        sum(training) / max(len(training), 1),
        "a smaller training cell, a cheaper reference method, or fewer configurations and snapshots make it shorter",
    )
    return [relaxation, reference] if relaxed and steps else [reference]


def _seconds_per_label_of_one_atom(labeller: str, options: dict[str, Any]) -> tuple[float, str]:
    """The factor of n_atoms ** LABEL_EXPONENT: from stages with the same method and options, from a check of it, from stages with other
    options.
    """
    exponent = LABEL_EXPONENT.get(labeller, 1.0)
    key = method_checks.key_of(labeller, options)
    by_size: dict[bool, list[tuple[int, float, int]]] = {True: [], False: []}
    for n_atoms, of_stage, core_seconds, n in _label_costs(labeller):
        by_size[method_checks.key_of(labeller, of_stage) == key].append((n_atoms, core_seconds, n))
    if seconds := _seconds_of_one_atom(by_size[True], exponent):
        return seconds, MEASURED
    if found := method_checks.measured(labeller, options):
        cores = f"{found.cores} core{'s' * (found.cores > 1)}"
        basis = f"check of this method: {found.seconds:.3g} s for {found.n_atoms} atoms on {cores}"
        return found.core_seconds / settings.ENGINE_CORES / found.n_atoms**exponent, basis
    if seconds := _seconds_of_one_atom(by_size[True] + by_size[False], exponent):
        return seconds, MEASURED_OTHER_OPTIONS
    return REFERENCE_LABEL_S.get(labeller, 1.0) / REFERENCE_ATOMS**exponent, REFERENCE


def _label_costs(labeller: str) -> Iterable[tuple[int, dict[str, Any], float, int]]:
    """Atoms, options, core-seconds and labels of the S0 and label stages of this installation, by cell size and options."""
    return (
        Stage.objects.filter(
            kind__in=(StageKind.S0, StageKind.LABEL), state=StageState.DONE, campaign__labeller=labeller,
            labels_computed__gt=0, cell__n_atoms__gt=0,
        )
        .order_by()
        .values_list("cell__n_atoms", "campaign__labeller_options")
        .annotate(core_seconds=Sum(F("seconds") * F("cores")), n=Sum("labels_computed"))
    )  # fmt: skip


def _seconds_of_one_atom(by_size: list[tuple[int, float, int]], exponent: float) -> float:
    """0 where there are too few labels to tell."""
    core_s = work = labels = 0.0
    for n_atoms, seconds, n in by_size:  # stages run side by side: the cores are shared
        core_s, work, labels = core_s + seconds, work + n * n_atoms**exponent, labels + n
    return core_s / settings.ENGINE_CORES / work if labels >= MIN_LABELS_MEASURED else 0.0


def _seconds_per_batch_atom(chosen: ProtocolSettings) -> tuple[float, str]:
    """Of one configuration in a batch, from this installation's trainings."""
    stages = (
        Stage.objects.filter(kind=StageKind.TRAIN, state=StageState.DONE, trained_model__isnull=False)
        .select_related("campaign", "trained_model")
        .order_by("-id")[:LAST_MEASURED]
    )
    cells = Cell.objects.filter(campaign__in={stage.campaign_id for stage in stages}, for_training=True, n_atoms__gt=0)
    n_atoms = dict(cells.values_list("campaign").annotate(Avg("n_atoms")).order_by())
    measured = [
        (stage.campaign, _configurations_trained_on(stage) * n_atoms[stage.campaign_id], stage.seconds - stage.startup_seconds)
        for stage in stages
        if stage.campaign_id in n_atoms
    ]
    rate, basis = _rate(measured, chosen)
    return (1 / rate, basis) if rate else (REFERENCE_BATCH_S_ATOM[chosen.precision], REFERENCE)


def _configurations_trained_on(stage: Stage) -> int:
    """Batches times their size, over all tries of a training."""
    made_with, model = stage.campaign.settings, stage.trained_model
    from_scratch = stage.repeat or not made_with.warm_start or (model.loop, model.step) == (1, 1)
    n_batches = made_with.n_batches_first if from_scratch else made_with.n_batches_step
    return n_batches * sum(attempt["batch_size"] for attempt in model.attempts)


def _atom_steps_per_second(chosen: ProtocolSettings) -> tuple[float, str]:
    """MD throughput, from this installation's explorations."""
    runs = MdRun.objects.filter(purpose=RunPurpose.EXPLORE, steps_per_s__gt=0, cell__n_atoms__gt=0)
    last = runs.select_related("cell", "campaign").order_by("-id")[:LAST_MEASURED]
    rate, basis = _rate([(run.campaign, run.steps_per_s * run.cell.n_atoms, 1.0) for run in last], chosen)
    return (rate, basis) if rate else (REFERENCE_MD_ATOM_STEPS_S[chosen.precision], REFERENCE)


def _rate(measured: Iterable[tuple[Campaign, float, float]], chosen: ProtocolSettings) -> tuple[float, str]:
    """Work per second of those (campaign, work, seconds) with the same network, else with the same precision; 0 where there are none."""
    rows = [(campaign.settings, work, seconds) for campaign, work, seconds in measured if work > 0 and seconds > 0]
    for names, basis in ((NETWORK, MEASURED), (("precision",), MEASURED_OTHER_NETWORK)):
        alike = [row for row in rows if all(getattr(row[0], name) == getattr(chosen, name) for name in names)]
        if alike:
            return sum(work for _, work, _ in alike) / sum(seconds for *_, seconds in alike), basis
    return 0.0, REFERENCE


def _advice(preset: str, one_loop: list[EstimateRow]) -> str:
    total_s = sum(row.seconds for row in one_loop)
    if total_s < LONG_S:
        return ""
    longest = max(one_loop, key=lambda row: row.seconds)
    share = f"{100 * longest.seconds / total_s:.0f} %"
    meant = "The preset quick is meant for minutes, but a loop of this campaign takes more than an hour. " if preset == "quick" else ""
    return f"{meant}{longest.what} takes {share} of a loop, with {longest.n_atoms:.0f} atoms: {longest.lever}."


def _no_bonds(checked: Checked) -> list[str]:
    """The bond-variation rule where it has nothing to test."""
    if not checked.settings.clean_bond_variation:
        return []
    from campaigns.science.selection import bond_limits_A  # loads ase and scipy, which hardly any estimate needs

    found = []
    for material in checked.materials.values():
        framework = [symbol for symbol in material.facts["elements"] if symbol != checked.mobile_ion]
        if not bond_limits_A(framework):
            elements = ", ".join(framework) or "none"
            found.append(f"The framework of {material.name} ({elements}) has no bonds: the bond-variation rule will reject nothing.")
    return found


def _thin_cells(request: CampaignRequest, checked: Checked) -> list[str]:
    """Cells in which an atom sees its own images."""
    found = []
    for cell in request.cells:
        material, reach_A = checked.materials[cell.material_id], 2 * checked.settings.cutoff_A
        thickness_A = _thickness_A(material, cell.supercell)
        if thickness_A < reach_A:
            name = f"{material.name} {'×'.join(map(str, cell.supercell))}"
            found.append(
                f"{name} is {thickness_A:.1f} Å thick, less than twice the cut-off of {checked.settings.cutoff_A:g} Å: atoms see their own "
                "images. That is usual for training, and a finite-size error of D in an evaluation."
            )
    return found


def _thickness_A(material: Material, supercell: tuple[int, int, int]) -> float:
    """The smallest distance between parallel faces."""
    cos = [math.cos(math.radians(angle)) for angle in (material.alpha_deg, material.beta_deg, material.gamma_deg)]
    root = math.sqrt(1 - sum(value**2 for value in cos) + 2 * math.prod(cos))
    lengths_A = (material.a_A, material.b_A, material.c_A)
    return min(n * length_A * root / math.sqrt(1 - value**2) for n, length_A, value in zip(supercell, lengths_A, cos, strict=True))


def _disk_bytes(chosen: ProtocolSettings, amounts: Counts, training: list[int], evaluation: list[int]) -> int:
    """Trajectories are the bulk: positions of every stored frame, as text too while a run is under way; each training has its own copy
    of the set, and its checkpoints.
    """
    frames = chosen.evaluation_duration_ps * 1000 / chosen.evaluation_frame_interval_fs
    largest = max(evaluation, default=0)
    trajectories = frames * largest * (amounts.evaluations * STORED_BYTES_ATOM + settings.ENGINE_CORES * DUMPED_BYTES_ATOM)
    sets = amounts.trainings * amounts.labels * max(training, default=0) * LABELLED_BYTES_ATOM / 2  # the set grows: half on average
    known = amounts.labels * (KNOWN_LABEL_BYTES + KNOWN_LABEL_BYTES_ATOM * max(training, default=0))
    return int(trajectories + sets + known + amounts.trainings * MODEL_BYTES) + PROGRAM_BYTES


def _too_little_room(disk_bytes: int) -> list[str]:
    free = disk.free_bytes(settings.DATA_DIR)
    if disk_bytes < free:
        return []
    return [f"The campaign may need {disk_bytes / 1e9:.1f} GB, and {free / 1e9:.1f} GB are free on the disk of the data folder: make room, "
            "ask for shorter evaluations or store their frames less often."]  # fmt: skip


def _warnings(chosen: ProtocolSettings, training: list[int]) -> list[str]:
    found = []
    inverse = [1000 / temperature for temperature in chosen.evaluation_temperatures_K]
    if len(inverse) < 5:
        found.append(f"{len(inverse)} evaluation temperatures: an Arrhenius fit wants at least 5.")
    if max(inverse) - min(inverse) < 0.6:
        found.append("The evaluation temperatures span less than 0.6/1000 K⁻¹: the error of Ea will be large.")
    if min(chosen.evaluation_temperatures_K) < 600:
        found.append("Evaluation below 600 K: few ions hop there in a run of this length; the paper stays above 600 K.")
    n_frames = chosen.s0_frames_per_temperature * len(chosen.s0_temperatures_K)
    if training and n_frames * 3 * max(training) < 30_000:
        found.append(f"S0 will hold {n_frames * 3 * max(training):,} force components; the paper's smallest had 30,000.")
    if min(chosen.evaluated_steps_per_loop, len(chosen.ramp_temperatures_K)) < 2:
        found.append("One evaluated model per loop: D has nothing to be compared with, so every loop that is allowed will be run.")
    elif chosen.evaluated_steps_per_loop < 3:
        found.append("Fewer than 3 evaluated models per loop: D cannot be called stationary, and every loop that is allowed will be run.")
    return found
