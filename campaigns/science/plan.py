"""What a training loop consists of, and how long each part takes on a reference machine: what progress is measured in.

It follows from the settings and the sizes of the cells alone and not from what was measured since, so that the share which is done
cannot fall while a loop goes on.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from campaigns.science.protocol import ProtocolSettings

# The reference machine has two cores; measured with LGPS, 50 atoms.
REFERENCE_CORES = 2
REFERENCE_LABEL_S = {
    "chgnet": 0.2,
    "lammps": 1e-3,
    # Double zeta, from scratch (34 SCF steps): half of the 348 s of processor time that its two ranks took. The machine was busy with
    # other work (load 12 to 20): by the clock it took 1439 s, which is no measure.
    "cp2k": 175.0,
    "espresso": 2000.0,  # for Goedecker's pseudopotentials at 80 Ry
    "vasp": 400.0,  # as CP2K
    "ase": 0.2,  # as a universal potential
}
# Where the time of a label comes from: what is not named here was measured on the reference machine.
REFERENCE_LABEL_BASIS = {
    "cp2k": "half of the processor time of a label on a reference machine of 2 cores that was busy with other work",
    "espresso": "a guess",
    "vasp": "a guess",
    "ase": "a guess, which depends on the calculator",
}
# Of a label that starts from the wavefunction of the one before, in dynamics and relaxation, over one from scratch: 90 of 348 s.
NEXT_LABEL_SHARE = {"cp2k": 0.26}
REFERENCE_MD_ATOM_STEPS_S = {"float32": 17_000.0, "float64": 5_000.0}
REFERENCE_BATCH_S_ATOM = {"float32": 0.035 / 50, "float64": 0.07 / 50}
# How the cost of a label grows with the number of atoms: neighbours alone, or the orthogonalization of orbitals.
LABEL_EXPONENT = {"chgnet": 1.0, "lammps": 1.0, "cp2k": 2.5, "espresso": 2.5, "vasp": 2.5, "ase": 1.0}
REFERENCE_ATOMS = 50
ENGINE_START_S = 10.0
PROBE_S, JUDGE_S = 30.0, 3.0
RELAXATION_SHARE = 0.5  # of the steps that are allowed: a relaxation ends when the forces are small
SIDE_BY_SIDE = ("s0", "evaluate")  # stages of these kinds share the cores, those of others have all of them


@dataclass(frozen=True)
class PlannedCell:
    """`number`: whatever tells cells apart."""

    number: int
    n_atoms: float
    for_training: bool
    for_evaluation: bool


@dataclass(frozen=True)
class PlannedStages:
    """`n` stages alike. `work_core_s`: of one on a core of the reference machine, its start of `start_s` seconds apart."""

    kind: str
    step: int
    cell: int | None
    n: int
    start_s: float
    work_core_s: float

    @property
    def reference_s(self) -> float:
        """Wall time that one adds to the campaign on the reference machine."""
        busy_s = self.start_s + self.work_core_s / (1 if self.kind in SIDE_BY_SIDE else REFERENCE_CORES)
        return busy_s / REFERENCE_CORES if self.kind in SIDE_BY_SIDE else busy_s


def loop_plan(chosen: ProtocolSettings, cells: Sequence[PlannedCell], loop: int, labeller: str, fpmd: bool) -> list[PlannedStages]:
    """Every stage of a loop, if nothing has to be done again. Cells, S0 and probes belong to the first loop, as steps 0 and 1."""
    steps = len(chosen.ramp_temperatures_K)
    evaluated = range(steps - min(chosen.evaluated_steps_per_loop, steps) + 1, steps + 1)
    plan = _before_the_loop(chosen, cells, labeller, fpmd) if loop == 1 else []
    for step in range(1, steps + 1):
        plan += _training_step(chosen, cells, loop, step, labeller)
        if step in evaluated:
            plan += _evaluation(chosen, cells, step)
    return plan


def training_core_s(chosen: ProtocolSettings, cells: Sequence[PlannedCell], loop: int, step: int, repeat: int) -> float:
    """If its loss condition is met at once. A training that is repeated starts from scratch, with twice the batch size each time."""
    return batches_core_s(chosen, cells, _first_batches(chosen, loop, step, repeat) * chosen.batch_size * 2**repeat)


def batches_core_s(chosen: ProtocolSettings, cells: Sequence[PlannedCell], n_configurations: float) -> float:
    n_atoms = _mean([cell.n_atoms for cell in cells if cell.for_training])
    return n_configurations * n_atoms * REFERENCE_BATCH_S_ATOM[chosen.precision] * REFERENCE_CORES


def configurations_trained_on(chosen: ProtocolSettings, attempts: Sequence[Mapping[str, Any]], loop: int, step: int, repeat: int) -> int:
    """Batches times their size, over all tries of a training (`TrainAttempt`). An earlier release did not say how many batches a try
    had: then as many as were planned, for only the first may be a warm start."""
    planned = (_first_batches(chosen, loop, step, repeat), *[chosen.n_batches_first] * len(attempts))
    return sum((one.get("n_batches") or batches) * one["batch_size"] for one, batches in zip(attempts, planned, strict=False))


def _first_batches(chosen: ProtocolSettings, loop: int, step: int, repeat: int) -> int:
    from_scratch = repeat > 0 or not chosen.warm_start or (loop, step) == (1, 1)
    return chosen.n_batches_first if from_scratch else chosen.n_batches_step


def _before_the_loop(chosen: ProtocolSettings, cells: Sequence[PlannedCell], labeller: str, fpmd: bool) -> list[PlannedStages]:
    following = NEXT_LABEL_SHARE.get(labeller, 1.0)
    relaxed = RELAXATION_SHARE * chosen.relax_max_steps * chosen.relax_cells * following
    plan = [PlannedStages("prepare", 0, cell.number, 1, ENGINE_START_S, relaxed * _label_core_s(labeller, cell.n_atoms)) for cell in cells]
    plan += [PlannedStages("probe", 1, cell.number, 1, PROBE_S, 0.0) for cell in cells]
    training = [cell for cell in cells if cell.for_training]
    if not fpmd:
        check_core_s = chosen.s0_check_frames * _label_core_s(labeller, _mean([cell.n_atoms for cell in training]))
        return [*plan, PlannedStages("s0", 0, None, 1, ENGINE_START_S, check_core_s)]
    return plan + [
        PlannedStages("s0", 0, cell.number, len(chosen.s0_temperatures_K), ENGINE_START_S,
                      chosen.s0_md_steps * following * _label_core_s(labeller, cell.n_atoms))
        for cell in training
    ]  # fmt: skip


def _training_step(chosen: ProtocolSettings, cells: Sequence[PlannedCell], loop: int, step: int, labeller: str) -> list[PlannedStages]:
    plan = [PlannedStages("train", step, None, 1, 2 * ENGINE_START_S, training_core_s(chosen, cells, loop, step, 0))]
    for cell in (cell for cell in cells if cell.for_training):
        labels_core_s = chosen.snapshots_per_step * _label_core_s(labeller, cell.n_atoms)
        plan += [
            PlannedStages("explore", step, cell.number, 1, ENGINE_START_S, chosen.explore_md_steps * _md_core_s(chosen, cell.n_atoms)),
            PlannedStages("label", step, cell.number, 1, ENGINE_START_S, labels_core_s),
        ]
    return plan


def _evaluation(chosen: ProtocolSettings, cells: Sequence[PlannedCell], step: int) -> list[PlannedStages]:
    n_runs = len(chosen.evaluation_temperatures_K) * chosen.evaluation_replicas
    runs = [
        PlannedStages("evaluate", step, cell.number, n_runs, ENGINE_START_S, chosen.evaluate_md_steps * _md_core_s(chosen, cell.n_atoms))
        for cell in cells
        if cell.for_evaluation
    ]
    return [*runs, PlannedStages("judge", step, None, 1, JUDGE_S, 0.0)]


def _label_core_s(labeller: str, n_atoms: float) -> float:
    return REFERENCE_CORES * REFERENCE_LABEL_S.get(labeller, 1.0) * (n_atoms / REFERENCE_ATOMS) ** LABEL_EXPONENT.get(labeller, 1.0)


def _md_core_s(chosen: ProtocolSettings, n_atoms: float) -> float:
    """Of one MD step with the model."""
    return REFERENCE_CORES * n_atoms / REFERENCE_MD_ATOM_STEPS_S[chosen.precision]


def _mean(values: Sequence[float]) -> float:
    return sum(values) / max(len(values), 1)
