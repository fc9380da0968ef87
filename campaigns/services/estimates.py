"""What a campaign will cost, before it starts: counts from the settings, seconds from what this installation has measured."""

from dataclasses import dataclass

from django.conf import settings
from django.db.models import Sum

from campaigns.enums import RunPurpose, S0Route, StageKind, StageState
from campaigns.models import MdRun, Stage
from campaigns.science.protocol import ProtocolSettings, counts, settings_from_mapping
from campaigns.services.campaigns import CampaignRequest

# Where this installation has not measured yet: a reference machine of two cores, LGPS with 50 atoms.
REFERENCE_LABEL_S_ATOM = {"chgnet": 0.2 / 50, "lammps": 1e-3 / 50}
REFERENCE_MD_ATOM_STEPS_S = {"float32": 17_000.0, "float64": 5_000.0}
REFERENCE_BATCH_S = {"float32": 0.012, "float64": 0.061}
ENGINE_START_S = 10.0
REFERENCE = "reference machine, 2 cores"
MEASURED = "measured on this installation"


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


def estimate(request: CampaignRequest, n_atoms_training: list[int], n_atoms_evaluation: list[int]) -> Estimate:
    """Raises SettingsError where the settings are impossible."""
    chosen = settings_from_mapping(request.preset, request.changes)
    rows = _rows(request, chosen, n_atoms_training, n_atoms_evaluation, chosen.max_loops)
    one_loop = _rows(request, chosen, n_atoms_training, n_atoms_evaluation, 1)
    fpmd = request.s0_route == S0Route.FPMD
    amounts = counts(chosen, len(n_atoms_training), len(n_atoms_evaluation), fpmd, chosen.max_loops)
    return Estimate(
        rows,
        amounts.labels,
        sum(row.seconds for row in one_loop),
        sum(row.seconds for row in rows),
        _disk_bytes(chosen, amounts.evaluations, max(n_atoms_evaluation, default=0)),
        _warnings(chosen, n_atoms_training),
    )


def _rows(request: CampaignRequest, chosen: ProtocolSettings, training: list[int], evaluation: list[int], loops: int) -> list[EstimateRow]:
    fpmd = request.s0_route == S0Route.FPMD
    amounts = counts(chosen, len(training), len(evaluation), fpmd, loops)
    mean_training = sum(training) / max(len(training), 1)
    mean_evaluation = sum(evaluation) / max(len(evaluation), 1)
    label_s, label_basis = _label_seconds(request.labeller, mean_training)
    batch_s, batch_basis = _batch_seconds(chosen, mean_training)
    md_rate, md_basis = _atom_steps_per_second(chosen, request.preset)
    at_once = min(settings.ENGINE_CORES, max(amounts.evaluations, 1))
    return [
        EstimateRow("Reference calculations (labels)", amounts.labels, "labels", amounts.labels * label_s, label_basis),
        EstimateRow(
            "Training",
            amounts.training_batches,
            "batches",
            amounts.training_batches * batch_s + amounts.trainings * 2 * ENGINE_START_S,
            batch_basis,
        ),
        EstimateRow(
            "Exploration (NVT)",
            amounts.exploration_md_steps,
            "MD steps",
            amounts.exploration_md_steps * mean_training / md_rate + amounts.explorations * ENGINE_START_S,
            md_basis,
        ),
        EstimateRow(
            "Evaluation (NVE)",
            amounts.evaluation_md_steps,
            "MD steps",
            amounts.evaluation_md_steps * mean_evaluation / md_rate + amounts.evaluations * ENGINE_START_S / at_once,
            md_basis,
        ),
    ]


def _label_seconds(labeller: str, n_atoms: float) -> tuple[float, str]:
    """Seconds of one label, from the S0 and label stages of this installation with the same reference method."""
    totals = Stage.objects.filter(
        kind__in=(StageKind.S0, StageKind.LABEL), state=StageState.DONE, campaign__labeller=labeller, labels_computed__gt=0
    ).aggregate(s=Sum("seconds"), n=Sum("labels_computed"))
    if totals["n"] and totals["n"] >= 50:
        return totals["s"] / totals["n"], MEASURED
    return REFERENCE_LABEL_S_ATOM.get(labeller, 1.0) * n_atoms, REFERENCE


def _batch_seconds(chosen: ProtocolSettings, n_atoms: float) -> tuple[float, str]:
    return REFERENCE_BATCH_S[chosen.precision] * max(n_atoms, 1) / 50 * chosen.batch_size, REFERENCE


def _atom_steps_per_second(chosen: ProtocolSettings, preset: str) -> tuple[float, str]:
    """MD throughput of this installation with models of the same preset."""
    runs = MdRun.objects.filter(purpose=RunPurpose.EXPLORE, steps_per_s__gt=0, cell__n_atoms__gt=0, campaign__preset=preset)
    measured = [run.steps_per_s * run.cell.n_atoms for run in runs.select_related("cell").order_by("-id")[:20]]
    if measured:
        return sum(measured) / len(measured), MEASURED
    return REFERENCE_MD_ATOM_STEPS_S[chosen.precision], REFERENCE


def _disk_bytes(chosen: ProtocolSettings, evaluations: int, n_atoms: int) -> int:
    """Trajectories are the bulk: float32 positions of every stored frame, twice while a run is under way."""
    frames = chosen.evaluation_duration_ps * 1000 / chosen.evaluation_frame_interval_fs
    return int(evaluations * frames * n_atoms * 12 * 1.2) + 200_000_000


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
    if chosen.evaluated_steps_per_loop < 3:
        found.append("Fewer than 3 evaluated models per loop: whether D is stationary can hardly be judged.")
    return found
