"""Stage `probe`: which ranks and threads, frozen or compressed, are fastest for a model on a cell on this machine."""

from collections.abc import Iterator
from pathlib import Path

from campaigns.engines import lammps_run
from campaigns.engines.job import EngineFailed, Progress, main
from campaigns.engines.specs import LaunchChoice, ProbeResult, ProbeSpec, ProbeTrial
from campaigns.science.lammps_input import Dynamics

# Hot enough to move atoms between neighbour lists, cool enough that a first model survives.
TEMPERATURE_K = 300.0


def run(folder: Path, spec: ProbeSpec, progress: Progress) -> ProbeResult:
    """Measure every combination within the cores by its best stretch of steps, so that a busy machine does not choose.

    Raises EngineFailed where none can be run.
    """
    combinations = list(choices(spec))
    trials, startup_s, failures = [], 0.0, []
    for number, choice in enumerate(combinations):
        progress(number, len(combinations), "combinations", _words(choice))
        try:
            facts = lammps_run.run(_folder(folder, choice), dynamics(spec, choice), spec.cell_file, choice, _silent(folder, choice))
        except EngineFailed as error:
            failures.append(error)  # one combination that this machine cannot start (MPI) is not the end
            continue
        trials.append(ProbeTrial(choice, facts.peak_steps_per_s or facts.steps_per_s))
        startup_s += facts.startup_seconds
    if not trials:
        raise failures[0]
    progress(len(combinations), len(combinations), "combinations", "done")
    return ProbeResult(max(trials, key=lambda trial: trial.steps_per_s).choice, trials, startup_s)


def choices(spec: ProbeSpec) -> Iterator[LaunchChoice]:
    """One core; all cores as ranks; all cores as threads; halfway where there are four or more. Each frozen and compressed."""
    cores = spec.cores
    shapes = dict.fromkeys([(1, 1), (cores, 1), (1, cores), *([(cores // 2, 2)] if cores >= 4 else [])])
    for compressed in (True, False) if spec.compressed_model_file else (False,):
        for ranks, threads in shapes:
            yield LaunchChoice(ranks, threads, compressed)


def dynamics(spec: ProbeSpec, choice: LaunchChoice) -> Dynamics:
    return Dynamics(
        ensemble="nvt",
        type_map=spec.type_map,
        model_file=str(spec.compressed_model_file if choice.compressed else spec.model_file),
        temperature_K=TEMPERATURE_K,
        timestep_fs=spec.timestep_fs,
        equilibration_steps=0,
        n_steps=spec.n_steps,
        dump_every_steps=spec.n_steps,
        thermostat_damping_fs=100.0,
        min_distance_A=0.1,
        seed=1,
        with_forces=False,
    )


def _folder(folder: Path, choice: LaunchChoice) -> Path:
    own = folder / f"{choice.ranks}x{choice.threads}{'-compressed' if choice.compressed else ''}"
    own.mkdir(exist_ok=True)
    return own


def _silent(folder: Path, choice: LaunchChoice) -> Progress:
    """Each trial reports into its own folder; the stage's progress counts combinations."""
    return Progress(_folder(folder, choice))


def _words(choice: LaunchChoice) -> str:
    return f"{choice.ranks} ranks × {choice.threads} threads{', compressed' if choice.compressed else ''}"


if __name__ == "__main__":
    main(run, ProbeSpec)
