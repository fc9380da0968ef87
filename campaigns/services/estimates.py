"""What a campaign will cost, before it starts: counts from the settings, seconds from what this installation has measured."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice
from statistics import median

import numpy as np
from django.conf import settings

from campaigns.enums import RunPurpose, S0Route, StageKind, StageState
from campaigns.models import Campaign, Material, MdRun, Stage, TrainedModel
from campaigns.science.mobile_ions import MOBILE_ANIONS, MOBILE_CATIONS
from campaigns.science.protocol import Counts, ProtocolSettings, counts, settings_from_mapping
from campaigns.services.campaigns import CampaignRequest, CellRequest, request_of

# Where this installation has not measured yet: a machine of two slow cores, LGPS with 50 atoms. The network is that of the preset `quick`;
# the cost of another grows with the entries of its descriptor.
REFERENCE_LABEL_S_ATOM = {"chgnet": 0.2 / 50, "lammps": 1e-3 / 50}
REFERENCE_MD_ATOM_STEPS_S = {"float32": 10_000.0, "float64": 4_000.0}
REFERENCE_BATCH_S_ATOM = {"float32": 0.03 / 50, "float64": 0.06 / 50}
REFERENCE_TRAINING_START_S = 30.0
ENGINE_START_S = 8.0
REFERENCE = "reference machine, 2 cores"
MEASURED = "measured on this installation"
LAST_MEASURED = 20
LONG_S = 2 * 3600.0
IMPLAUSIBLE_ATOM_A3 = (4.0, 80.0)


@dataclass(frozen=True)
class EstimateRow:
    what: str
    amount: float
    unit: str
    seconds: float
    basis: str


@dataclass(frozen=True)
class Estimate:
    """`labels` and the rows are for all loops that the settings allow."""

    rows: list[EstimateRow]
    labels: int
    total_seconds_one_loop: float
    total_seconds_all_loops: float
    disk_bytes: int
    warnings: list[str]


@dataclass(frozen=True)
class _Cell:
    material: Material
    asked: CellRequest

    @property
    def n_atoms(self) -> int:
        return round(self.material.n_atoms * np.prod(self.asked.supercell))

    @property
    def height_A(self) -> float:
        """The smallest distance between parallel faces."""
        m, degrees = self.material, np.pi / 180
        cos = np.cos([m.alpha_deg * degrees, m.beta_deg * degrees, m.gamma_deg * degrees])
        root = np.sqrt(1 - cos @ cos + 2 * cos.prod())
        heights_A = np.array([m.a_A, m.b_A, m.c_A]) * root / np.sqrt(1 - cos**2)
        return float((heights_A * self.asked.supercell).min())

    def __str__(self) -> str:
        return f"{self.material.name} {'×'.join(map(str, self.asked.supercell))} ({self.n_atoms} atoms)"


def of_campaign(campaign: Campaign) -> Estimate:
    return estimate(request_of(campaign))


def estimate(request: CampaignRequest) -> Estimate:
    """For a request that the service `campaigns.check` has nothing against."""
    chosen = settings_from_mapping(request.preset, request.changes)
    materials = Material.objects.defer("cif").in_bulk({cell.material_id for cell in request.cells})
    cells = [_Cell(materials[cell.material_id], cell) for cell in request.cells]
    rows, amounts = _rows(request, chosen, cells, chosen.max_loops)
    one_loop, _ = _rows(request, chosen, cells, 1)
    evaluated = [cell for cell in cells if cell.asked.for_evaluation]
    return Estimate(
        rows,
        amounts.labels,
        sum(row.seconds for row in one_loop),
        sum(row.seconds for row in rows),
        _disk_bytes(chosen, amounts.evaluations, max(cell.n_atoms for cell in evaluated)),
        [*_long(one_loop, evaluated), *_cell_warnings(request, chosen, cells), *_setting_warnings(request, chosen, cells)],
    )


def _rows(request: CampaignRequest, chosen: ProtocolSettings, cells: list[_Cell], loops: int) -> tuple[list[EstimateRow], Counts]:
    training = [cell.n_atoms for cell in cells if cell.asked.for_training]
    evaluation = [cell.n_atoms for cell in cells if cell.asked.for_evaluation]
    amounts = counts(chosen, len(training), len(evaluation), request.s0_route == S0Route.FPMD, loops)
    mean_training, mean_evaluation = sum(training) / len(training), sum(evaluation) / len(evaluation)
    label_s_atom, label_basis = _label_seconds_atom(request.labeller)
    batch_s_atom, start_s, batch_basis = _training_seconds(chosen)
    explore_rate, explore_basis = _atom_steps_per_second(chosen, RunPurpose.EXPLORE)
    evaluate_rate, evaluate_basis = _atom_steps_per_second(chosen, RunPurpose.EVALUATE)
    at_once = min(settings.ENGINE_CORES, max(amounts.evaluations, 1))
    seconds = {
        "labels": amounts.labels * mean_training * label_s_atom,
        "batches": amounts.training_batches * chosen.batch_size * mean_training * batch_s_atom + amounts.trainings * start_s,
        "explore": amounts.exploration_md_steps * mean_training / explore_rate + amounts.explorations * ENGINE_START_S,
        "evaluate": amounts.evaluation_md_steps * mean_evaluation / evaluate_rate + amounts.evaluations * ENGINE_START_S / at_once,
    }
    return [
        EstimateRow("Reference calculations (labels)", amounts.labels, "labels", seconds["labels"], label_basis),
        EstimateRow("Training", amounts.training_batches, "batches", seconds["batches"], batch_basis),
        EstimateRow("Exploration (NVT)", amounts.exploration_md_steps, "MD steps", seconds["explore"], explore_basis),
        EstimateRow("Evaluation (NVE)", amounts.evaluation_md_steps, "MD steps", seconds["evaluate"], evaluate_basis),
    ], amounts


def _label_seconds_atom(labeller: str) -> tuple[float, str]:
    """Seconds of one label and atom, from the last S0 and label stages with the same reference method."""
    stages = Stage.objects.filter(
        kind__in=(StageKind.S0, StageKind.LABEL), state=StageState.DONE, campaign__labeller=labeller, labels_computed__gt=0,
        seconds__gt=0, cell__n_atoms__gt=0,
    ).order_by("-id")[:LAST_MEASURED]  # fmt: skip
    rows = list(stages.values_list("kind", "seconds", "labels_computed", "cell__n_atoms"))
    if sum(labels for _, _, labels, _ in rows) < 50:
        return REFERENCE_LABEL_S_ATOM.get(labeller, 1.0), REFERENCE
    # The dynamics of S0 run side by side, a core each.
    wall_s = sum(seconds / (settings.ENGINE_CORES if kind == StageKind.S0 else 1) for kind, seconds, _, _ in rows)
    return wall_s / sum(labels * n_atoms for _, _, labels, n_atoms in rows), MEASURED


def _network(chosen: ProtocolSettings) -> tuple[object, ...]:
    """What decides the cost of a network: equal ones may lend each other their speed."""
    return chosen.precision, chosen.cutoff_A, chosen.embedding_net, chosen.axis_neurons, chosen.fitting_net


def _size(chosen: ProtocolSettings) -> float:
    """Cost against the preset `quick`, roughly: the volume that the cut-off encloses times the width of the network."""
    quick = settings_from_mapping("quick", {})
    width = (chosen.embedding_net[-1] + chosen.fitting_net[-1]) / (quick.embedding_net[-1] + quick.fitting_net[-1])
    return float(width * (chosen.cutoff_A / quick.cutoff_A) ** 3)


def _training_seconds(chosen: ProtocolSettings) -> tuple[float, float, str]:
    """Seconds of a batch and atom, seconds around a training, and where they come from."""
    models = TrainedModel.objects.filter(stage__seconds__gt=0).select_related("stage", "campaign").order_by("-id")
    rates, starts = [], []
    for model in islice((model for model in models[:200] if _network(model.campaign.settings) == _network(chosen)), LAST_MEASURED):
        theirs = model.campaign.settings
        n_atoms = [n for n in model.campaign.cells.filter(for_training=True).values_list("n_atoms", flat=True) if n]
        if len(model.attempts) != 1 or not n_atoms:
            continue
        is_first = not theirs.warm_start or (model.loop, model.step) == (1, 1)
        n_batches = theirs.n_batches_first if is_first else theirs.n_batches_step
        work = n_batches * model.batch_size * sum(n_atoms) / len(n_atoms)
        rates.append((model.stage.seconds - model.stage.startup_seconds) / work)
        starts.append(model.stage.startup_seconds)
    if not rates:
        return REFERENCE_BATCH_S_ATOM[chosen.precision] * _size(chosen), REFERENCE_TRAINING_START_S, REFERENCE
    return median(rates), median(starts), MEASURED


def _atom_steps_per_second(chosen: ProtocolSettings, purpose: str) -> tuple[float, str]:
    """MD throughput of the whole machine with a network like this one; evaluations run side by side."""
    runs = MdRun.objects.filter(purpose=purpose, steps_per_s__gt=0, cell__n_atoms__gt=0).order_by("-id")
    at_once = settings.ENGINE_CORES if purpose == RunPurpose.EVALUATE else 1
    measured = [
        run.steps_per_s * run.cell.n_atoms * (at_once if run.stage.cores == 1 else 1)
        for run in _alike(runs.select_related("cell", "campaign", "stage")[:200], chosen)
    ]
    if measured:
        return median(measured), MEASURED
    return REFERENCE_MD_ATOM_STEPS_S[chosen.precision] / _size(chosen), REFERENCE


def _alike(runs: Iterable[MdRun], chosen: ProtocolSettings) -> Iterable[MdRun]:
    return islice((run for run in runs if _network(run.campaign.settings) == _network(chosen)), LAST_MEASURED)


def _disk_bytes(chosen: ProtocolSettings, evaluations: int, n_atoms: int) -> int:
    """Trajectories are the bulk: float32 positions of every stored frame, twice while a run is under way."""
    frames = chosen.evaluation_duration_ps * 1000 / chosen.evaluation_frame_interval_fs
    return int(evaluations * frames * n_atoms * 12 * 1.2) + 200_000_000


def _long(rows: list[EstimateRow], evaluated: list[_Cell]) -> list[str]:
    """Which part makes a campaign long, and what shortens it."""
    total_s, longest = sum(row.seconds for row in rows), max(rows, key=lambda row: row.seconds)
    if total_s < LONG_S:
        return []
    advice = {
        "labels": "fewer configurations in S0 and fewer snapshots make it shorter",
        "batches": "fewer batches or a smaller network make it shorter",
    }.get(longest.unit, "shorter runs and fewer temperatures make it shorter")
    if longest.what.startswith("Evaluation"):
        advice = f"a smaller cell than {max(evaluated, key=lambda cell: cell.n_atoms)}, shorter runs or fewer temperatures make it shorter"
    share = f"{longest.seconds / total_s:.0%}"
    return [f"One loop takes about {total_s / 3600:.0f} hours on this machine, {share} of it {longest.what.lower()}: {advice}."]


def _cell_warnings(request: CampaignRequest, chosen: ProtocolSettings, cells: list[_Cell]) -> list[str]:
    found = []
    for cell in cells:
        if cell.height_A < 2 * chosen.cutoff_A:
            found.append(f"{cell} is {cell.height_A:.1f} Å thick, less than twice the cut-off of {chosen.cutoff_A:g} Å: atoms see their "
                         "own images. That is usual for a training cell, and a finite-size error of D in an evaluation cell.")  # fmt: skip
    for material in {cell.material for cell in cells}:
        volume_A3 = material.volume_A3 / material.n_atoms
        if not IMPLAUSIBLE_ATOM_A3[0] < volume_A3 < IMPLAUSIBLE_ATOM_A3[1]:
            found.append(f"{material.name} has {volume_A3:.3g} Å³ for each atom: is the cell or a part of the structure wrong?")
    ion = request.mobile_ion or cells[0].material.mobile_ion
    if ion not in MOBILE_CATIONS + MOBILE_ANIONS:
        found.append(f"{ion} is not known to move in any solid electrolyte: is it the framework? Everything but the mobile ion must stay.")
    return found


def _setting_warnings(request: CampaignRequest, chosen: ProtocolSettings, cells: list[_Cell]) -> list[str]:
    found = []
    inverse = [1000 / temperature_K for temperature_K in chosen.evaluation_temperatures_K]
    if len(inverse) < 5:
        found.append(f"{len(inverse)} evaluation temperatures: an Arrhenius fit wants at least 5.")
    if max(inverse) - min(inverse) < 0.6:
        found.append("The evaluation temperatures span less than 0.6/1000 K⁻¹: the error of Ea will be large.")
    if min(chosen.evaluation_temperatures_K) < 600:
        found.append("Evaluation below 600 K: few ions hop there in a run of this length; the paper stays above 600 K.")
    if request.s0_route == S0Route.FPMD:
        n_frames = chosen.s0_frames_per_temperature * len(chosen.s0_temperatures_K)
        forces = n_frames * 3 * sum(cell.n_atoms for cell in cells if cell.asked.for_training)
        if forces < 30_000:
            found.append(f"S0 will hold {forces:,} force components; the paper's smallest had 30,000.")
    if chosen.evaluated_steps_per_loop < 3:
        found.append("Fewer than 3 evaluated models per loop: whether D is stationary can hardly be judged.")
    return found
