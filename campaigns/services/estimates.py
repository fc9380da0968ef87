"""What a campaign will cost, before it starts: counts from the settings, times from `measurements`. Form, draft, API and shell ask this."""

from dataclasses import dataclass

from django.conf import settings
from django.contrib.auth.models import AbstractBaseUser

from campaigns.enums import S0Route, StageKind
from campaigns.models import Campaign
from campaigns.science.plan import ENGINE_START_S, LABEL_EXPONENT
from campaigns.science.protocol import Counts, ProtocolSettings, counts
from campaigns.services import cautions, measurements
from campaigns.services.measurements import Speed
from campaigns.services.requests import CampaignRequest, Checked, check

KNOWN_LABEL_BYTES, KNOWN_LABEL_BYTES_ATOM = 4096, 80  # of the file in which a label is found again
STORED_BYTES_ATOM = 12  # of a frame: three float32
DUMPED_BYTES_ATOM = 45
LABELLED_BYTES_ATOM = 48  # positions and forces
# Of the wavefunctions that a stage of labels starts from while it runs, reckoned by orbitals and basis functions an atom.
WAVEFUNCTION_BYTES_ATOM2 = {"cp2k": 2_000, "espresso": 60_000, "vasp": 30_000}
MODEL_BYTES = 30_000_000  # frozen, compressed, checkpoints
PROGRAM_BYTES = 50_000_000
LONG_S = 3600.0


@dataclass(frozen=True)
class EstimateRow:
    """`seconds` lie between low and high; `basis`: what was measured, when, on how many atoms, how far it is scaled; `n_atoms`: mean of the
    cells in which the work is done; `lever`: what makes it less.
    """

    what: str
    amount: float
    unit: str
    seconds: float
    seconds_low: float
    seconds_high: float
    basis: str
    n_atoms: float
    lever: str


@dataclass(frozen=True)
class Estimate:
    """`labels` and the rows are for all loops that the settings allow."""

    rows: list[EstimateRow]
    labels: int
    total_seconds_one_loop: float
    total_seconds_one_loop_low: float
    total_seconds_one_loop_high: float
    total_seconds_all_loops: float
    total_seconds_all_loops_low: float
    total_seconds_all_loops_high: float
    disk_bytes: int
    warnings: list[str]
    advice: str  # where it takes hours: what takes them, and how to make it shorter

    @property
    def md_steps(self) -> float:
        """With the model; those of S0 are labels."""
        return sum(row.amount for row in self.rows if row.unit == "MD steps")

    @property
    def core_hours(self) -> float:
        """Of this machine, all of whose cores a campaign takes while it works; for all loops."""
        return _core_hours(self.total_seconds_all_loops)

    @property
    def core_hours_low(self) -> float:
        return _core_hours(self.total_seconds_all_loops_low)

    @property
    def core_hours_high(self) -> float:
        return _core_hours(self.total_seconds_all_loops_high)


def _core_hours(seconds: float) -> float:
    return seconds * settings.ENGINE_CORES / 3600


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
    disk_bytes = _disk_bytes(chosen, amounts, training, evaluation) + _wavefunction_bytes(request, chosen, training)
    return Estimate(
        rows=rows,
        labels=round(sum(row.amount for row in rows if row.unit == "labels")),
        **_totals("one_loop", one_loop),
        **_totals("all_loops", rows),
        disk_bytes=disk_bytes,
        warnings=cautions.of(request, checked, training, disk_bytes),
        advice=_advice(request.preset, one_loop),
    )


def _totals(of_what: str, rows: list[EstimateRow]) -> dict[str, float]:
    """The ends of the ranges are added as they are: a machine that is faster than thought is so in every row."""
    return {
        f"total_seconds_{of_what}": sum(row.seconds for row in rows),
        f"total_seconds_{of_what}_low": sum(row.seconds_low for row in rows),
        f"total_seconds_{of_what}_high": sum(row.seconds_high for row in rows),
    }


def _row(what: str, amount: float, unit: str, speed: Speed, units: float, start_s: float, n_atoms: float, lever: str) -> EstimateRow:
    """`units` of work at that speed, and the start of the engines."""
    seconds, low, high = (units * each_s + start_s for each_s in (speed.seconds, speed.low, speed.high))
    return EstimateRow(what, amount, unit, seconds, low, high, speed.basis, n_atoms, lever)


def _rows(request: CampaignRequest, checked: Checked, training: list[int], evaluation: list[int], loops: int) -> list[EstimateRow]:
    chosen = checked.settings
    fpmd = request.s0_route == S0Route.FPMD
    amounts = counts(chosen, len(training), len(evaluation), fpmd, loops)
    in_training, in_evaluation = _mean(training), _mean(evaluation)
    at_once = min(settings.ENGINE_CORES, max(amounts.evaluations, 1))
    return [
        *_label_rows(request, checked, training, amounts),
        _row(
            "Training", amounts.training_batches, "batches",
            measurements.batch(chosen, in_training), amounts.training_batches * chosen.batch_size,
            amounts.trainings * 2 * ENGINE_START_S, in_training,
            "a smaller training cell, fewer batches or a wider temperature step make it shorter",
        ),
        _row(
            "Exploration (NVT)", amounts.exploration_md_steps, "MD steps",
            measurements.md_step(chosen, in_training), amounts.exploration_md_steps,
            amounts.explorations * ENGINE_START_S, in_training,
            "a smaller training cell or fewer snapshots make it shorter",
        ),
        _row(
            "Evaluation (NVE)", amounts.evaluation_md_steps, "MD steps",
            measurements.md_step(chosen, in_evaluation), amounts.evaluation_md_steps,
            amounts.evaluations * ENGINE_START_S / at_once, in_evaluation,
            "a smaller evaluation cell, fewer temperatures or fewer evaluated models make it shorter",
        ),
    ]  # fmt: skip


def _mean(n_atoms: list[int], exponent: float = 1.0) -> float:
    """The size of which as many cells cost as much; at least one atom."""
    return max(1.0, (sum(n**exponent for n in n_atoms) / max(len(n_atoms), 1)) ** (1 / exponent))


def _label_rows(request: CampaignRequest, checked: Checked, training: list[int], amounts: Counts) -> list[EstimateRow]:
    exponent = LABEL_EXPONENT.get(request.labeller, 1.0)

    resource = request.resources.get(StageKind.LABEL, "")

    def row(what: str, amount: float, n_atoms: list[int], following: float, lever: str) -> EstimateRow:
        speed = measurements.label(request.labeller, request.labeller_options, _mean(n_atoms, exponent), resource, following)
        return _row(what, amount, "labels", speed, amount, 0.0, _mean(n_atoms), lever)

    reference = row(
        "Reference calculations (labels)", amounts.labels, training, amounts.s0_md_steps / max(amounts.labels, 1),
        "a smaller training cell, a cheaper reference method, or fewer configurations and snapshots make it shorter",
    )  # fmt: skip
    steps = checked.settings.relax_max_steps
    if not (checked.settings.relax_cells and steps):
        return [reference]
    relaxed = checked.n_atoms(request.cells)
    lever = "fewer relaxation steps or smaller cells make it shorter"
    return [row("Relaxation of the cells, at most", steps * len(relaxed), relaxed, 1.0, lever), reference]


def _advice(preset: str, one_loop: list[EstimateRow]) -> str:
    total_s = sum(row.seconds for row in one_loop)
    if total_s < LONG_S:
        return ""
    longest = max(one_loop, key=lambda row: row.seconds)
    share = f"{100 * longest.seconds / total_s:.0f} %"
    meant = "The preset quick is meant for minutes, but a loop of this campaign takes more than an hour. " if preset == "quick" else ""
    return f"{meant}{longest.what} takes {share} of a loop, with {longest.n_atoms:.0f} atoms: {longest.lever}."


def _wavefunction_bytes(request: CampaignRequest, chosen: ProtocolSettings, training: list[int]) -> int:
    """The dynamics of S0 run side by side; each stage removes its own when it is done."""
    at_once = min(settings.ENGINE_CORES, len(training) * len(chosen.s0_temperatures_K)) if request.s0_route == S0Route.FPMD else 1
    return at_once * WAVEFUNCTION_BYTES_ATOM2.get(request.labeller, 0) * max(training, default=0) ** 2


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
