"""Stage `probe`: which ranks and threads, frozen or compressed, are fastest for a model on a cell on this machine."""

from collections.abc import Iterator
from pathlib import Path

from campaigns.engines import lammps_run
from campaigns.engines.job import EngineFailed, Progress, main
from campaigns.engines.specs import LaunchChoice, ProbeResult, ProbeSpec, ProbeTrial
from campaigns.science.lammps_input import Dynamics

# Hot enough to move atoms between neighbour lists, cool enough that a first model survives.
TEMPERATURE_K = 300.0
ROUNDS = 2


def run(folder: Path, spec: ProbeSpec, progress: Progress) -> ProbeResult:
    """Measure every combination within the cores, in turn and more than once, by its best stretch of steps: a machine that others use too
    must not choose. Raises EngineFailed where none can be run.
    """
    combinations = list(choices(spec))
    rates: dict[LaunchChoice, float] = {}
    startup_s, failures, versions = 0.0, [], {}
    turns = [(number, choice) for number in range(ROUNDS) for choice in combinations]
    unit = f"trials of {len(combinations)} combinations, {ROUNDS} each"
    for done, (number, choice) in enumerate(turns):
        progress(done, len(turns), unit, _words(choice))
        own = _folder(folder, choice, number)
        try:
            facts = lammps_run.run(own, dynamics(spec, choice), spec.cell_file, choice, Progress(own))
        except EngineFailed as error:
            failures.append(error)  # one combination that this machine cannot start (MPI) is not the end
            continue
        rates[choice] = max(rates.get(choice, 0.0), facts.peak_steps_per_s or facts.steps_per_s)
        startup_s += facts.startup_seconds
        versions = facts.versions
    if not rates:
        raise failures[0]
    progress(len(turns), len(turns), unit, "done")
    return ProbeResult(max(rates, key=rates.__getitem__), [ProbeTrial(choice, rate) for choice, rate in rates.items()], startup_s, versions)


def choices(spec: ProbeSpec) -> Iterator[LaunchChoice]:
    """One core; all cores, and each share that runs side by side will have, as ranks, as threads, and from four on halfway. Each frozen
    and compressed.
    """
    shapes: dict[tuple[int, int], None] = {(1, 1): None}
    for cores in (spec.cores, *spec.shares):
        shapes |= dict.fromkeys([(cores, 1), (1, cores), *([(cores // 2, 2)] if cores >= 4 else [])])
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


def _folder(folder: Path, choice: LaunchChoice, number: int) -> Path:
    """Each trial has its own, with its own progress: the stage's counts trials."""
    own = folder / f"{choice.ranks}x{choice.threads}{'-compressed' if choice.compressed else ''}-{number + 1}"
    own.mkdir(exist_ok=True)
    return own


def _words(choice: LaunchChoice) -> str:
    return f"{choice.ranks} ranks × {choice.threads} threads{', compressed' if choice.compressed else ''}"


if __name__ == "__main__":
    main(run, ProbeSpec)
