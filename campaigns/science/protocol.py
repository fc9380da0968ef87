"""The protocol's settings: every number of Marcolongo et al. 2019 with its unit, its help text and its bounds, and three presets.

One definition serves the form in the browser, the YAML file on the command line, the defaults and the checks.
"""

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

GROUPS = {
    "structure": "Structure",
    "s0": "Starting set S0",
    "training": "Training",
    "ramp": "Ramp and exploration",
    "cleaning": "Cleaning",
    "evaluation": "Evaluation",
    "convergence": "Convergence",
}


WHOLE_STEPS = 1e-6  # decimal numbers are not exact in binary


class SettingsError(ValueError):
    """Settings that cannot be carried out; `problems` maps a setting's name to what is wrong with it."""

    def __init__(self, problems: Mapping[str, str]) -> None:
        super().__init__("; ".join(f"{name}: {problem}" for name, problem in problems.items()))
        self.problems = dict(problems)


def _setting(default: Any, group: str, label: str, unit: str, help_text: str, *, low: float | None = None,
             high: float | None = None, choices: tuple[str, ...] = (), key: bool = False, later: bool = False) -> Any:
    """`key` settings are shown first, the others folded. `later`: a threshold, which may still be changed when the campaign is under way;
    the others say what its stages are.
    """
    metadata = {"group": group, "label": label, "unit": unit, "help": help_text, "low": low, "high": high,
                "choices": choices, "key": key, "later": later}
    return field(default=default, metadata=metadata)


@dataclass(frozen=True)
class ProtocolSettings:
    relax_cells: bool = _setting(True, "structure", "Relax before use", "", "Relax the atoms of each ordered cell with the reference method, at the volume of the CIF, before any dynamics.")
    relax_fmax_eV_A: float = _setting(0.1, "structure", "Relaxation ends at", "eV/Å", "Largest force that may remain on an atom.", low=1e-3, high=5)
    relax_max_steps: int = _setting(150, "structure", "Relaxation steps", "", "Upper limit of the relaxation's steps; dynamics may start from a cell that is not fully relaxed.", low=0, high=5000)

    s0_temperatures_K: tuple[float, ...] = _setting((300.0, 600.0, 900.0), "s0", "Temperatures", "K", "Short NVT dynamics with the reference method itself at each of these (paper: 300, 600, 900 K).", low=1, high=5000, key=True)
    s0_frames_per_temperature: int = _setting(80, "s0", "Configurations per temperature", "", "How many labelled configurations are kept from each temperature. Uncorrelated ones count; sampling more often did not help in the paper.", low=1, high=100000, key=True)
    s0_sample_interval_fs: float = _setting(100.0, "s0", "Sampling interval", "fs", "Time between two kept configurations.", low=0.1, high=1e6)
    s0_equilibration_ps: float = _setting(0.2, "s0", "Equilibration", "ps", "Dynamics thrown away at the start of each temperature.", low=0, high=1000)
    s0_timestep_fs: float = _setting(2.0, "s0", "Time step", "fs", "Time step of the dynamics with the reference method. Where the material holds hydrogen, a preset's is shortened to 0.5 fs, in metal hydrides to 1 fs.", low=0.05, high=10)
    s0_check_frames: int = _setting(3, "s0", "Uploaded set: compared", "configurations", "So many configurations of an uploaded data set are labelled again with the campaign's reference method, evenly spread; 0: none.", low=0, high=1000)
    s0_check_force_rmse_eV_A: float = _setting(0.1, "s0", "Uploaded set: forces within", "eV/Å", "Largest root mean square difference between uploaded and recomputed forces; with a larger one the set comes from another method and is refused.", low=0, high=100)
    s0_check_energy_meV_atom: float = _setting(10.0, "s0", "Uploaded set: energies within", "meV/atom", "Largest difference between uploaded and recomputed energies per atom.", low=0, high=1e6)
    s0_check_virial_meV_atom: float = _setting(50.0, "s0", "Uploaded set: virial within", "meV/atom", "Largest root mean square difference between uploaded and recomputed virials per atom: another sign or unit of the stress shows here.", low=0, high=1e6)

    cutoff_A: float = _setting(6.0, "training", "Cut-off radius", "Å", "How far an atom sees its neighbours. The cell should be at least twice as wide.", low=2, high=12, key=True)
    cutoff_smooth_A: float = _setting(0.5, "training", "Smoothing starts at", "Å", "From here to the cut-off radius neighbours fade out.", low=0.1, high=11)
    embedding_net: tuple[int, ...] = _setting((25, 50, 100), "training", "Embedding net", "neurons", "Layers of the embedding net (se_e2_a).", low=1, high=1000)
    axis_neurons: int = _setting(16, "training", "Axis neurons", "", "Columns of the embedding kept for the angular part.", low=1, high=100)
    fitting_net: tuple[int, ...] = _setting((240, 240, 240), "training", "Fitting net", "neurons", "Layers of the fitting net.", low=1, high=2000)
    precision: str = _setting("float64", "training", "Precision", "", "float32 is twice as fast; its energy conservation is checked by the drift gate.", choices=("float32", "float64"))
    n_batches_first: int = _setting(400000, "training", "Batches, first model", "", "Length of a training from scratch.", low=10, high=10**8, key=True)
    n_batches_step: int = _setting(400000, "training", "Batches, later steps", "", "Length of a training that continues from the model of the step before.", low=10, high=10**8, key=True)
    warm_start: bool = _setting(False, "training", "Continue from the last model", "", "Warm start: weights of the step before. Off: every model is trained from scratch.")
    batch_size: int = _setting(1, "training", "Batch size", "configurations", "Paper: 1; doubled each time a training has to be repeated.", low=1, high=1024)
    learning_rate_start: float = _setting(1e-3, "training", "Learning rate, start", "", "Decays exponentially to the value below.", low=1e-8, high=1)
    learning_rate_stop: float = _setting(5e-8, "training", "Learning rate, end", "", "Reached at the last batch. A lower one settles the weights more finely.", low=1e-12, high=1)
    max_force_rms_ratio: float = _setting(0.4, "training", "Loss condition", "", "The force error on the training set, over the rms force, must end below this; else training restarts from scratch with twice the batch size. A training that works ends at 0.2 to 0.3, with the preset quick too.", low=0.01, high=10, later=True)
    max_training_repeats: int = _setting(3, "training", "Repeats at most", "", "How often a training step may be repeated with a larger batch, for the loss condition and for the minimum-distance rule each.", low=0, high=10)
    compress_model: bool = _setting(True, "training", "Compress the model", "", "dp compress tabulates the embedding net; whether the compressed model is used is measured.")

    ramp_T_min_K: float = _setting(300.0, "ramp", "Lowest temperature", "K", "Each training loop is one ramp of NVT explorations.", low=1, high=5000, key=True)
    ramp_T_max_K: float = _setting(1000.0, "ramp", "Highest temperature", "K", "No exploration is hotter. The ramp goes up in whole steps, so its last one is here only where steps meet it: 300 to 1000 K by 300 K ends at 900 K. Reach the hottest evaluation temperature: a model holds only where it has been trained.", low=1, high=5000, key=True)
    ramp_T_step_K: float = _setting(50.0, "ramp", "Step", "K", "One training step for each temperature.", low=1, high=5000, key=True)
    max_loops: int = _setting(3, "ramp", "Training loops at most", "", "A loop is repeated until D(T) is stationary.", low=1, high=50, key=True, later=True)
    snapshots_per_step: int = _setting(100, "ramp", "Snapshots per step", "", "Configurations labelled in each training step, for each training cell (paper: 100, or 40 in larger cells).", low=1, high=100000, key=True)
    snapshot_interval_ps: float = _setting(1.0, "ramp", "Snapshot interval", "ps", "Time between two snapshots.", low=1e-4, high=1000)
    min_labelled_share: float = _setting(0.8, "ramp", "Labelled share", "", "A step goes on when so many of its labels are there; geometries that were refused and duplicates do not count. With fewer it stops: a program that died is asked again by itself, a label that ran out of time or memory or whose SCF did not converge when you press Retry.", low=0, high=1, later=True)
    explore_equilibration_ps: float = _setting(1.0, "ramp", "Equilibration", "ps", "NVT dynamics before the first snapshot.", low=0, high=1000)
    timestep_fs: float = _setting(1.0, "ramp", "Time step", "fs", "Time step of the dynamics with the model (exploration and evaluation). Shortened for hydrogen as in S0.", low=0.05, high=10)
    thermostat_damping_fs: float = _setting(100.0, "ramp", "Thermostat damping", "fs", "Relaxation time of the thermostat: Nosé-Hoover with the model, Langevin with the reference method (S0).", low=1, high=1e5)
    min_distance_A: float = _setting(0.6, "ramp", "Minimum distance", "Å", "A trajectory in which two atoms come closer is rejected whole and the training step repeated (paper: 0.6 Å).", low=0.05, high=3, later=True)

    clean_energy_factor: float = _setting(2.0, "cleaning", "Energy factor f", "", "Keep a configuration if its energy lies within f interquartile ranges of the median (paper: 2).", low=0.1, high=1000, later=True)
    clean_force_factor: float = _setting(10.0, "cleaning", "Force factor f", "", "The same for the largest force of the configuration (paper: 10).", low=0.1, high=1000, later=True)
    clean_bond_variation: bool = _setting(False, "cleaning", "Maximum bond variation", "", "Also reject a configuration whose framework bonds are stretched or compressed too far. Off: in the paper it slowed convergence.", later=True)
    max_bond_variation: float = _setting(0.2, "cleaning", "Bond variation limit", "", "Largest relative change of a framework bond (paper: 0.2).", low=0.01, high=10, later=True)

    evaluation_temperatures_K: tuple[float, ...] = _setting((600.0, 675.0, 750.0, 850.0, 1000.0), "evaluation", "Temperatures", "K", "NVE dynamics at each of these; the fit uses the measured temperature. Paper: above 600 K.", low=1, high=5000, key=True)
    evaluation_duration_ps: float = _setting(2000.0, "evaluation", "Length of a run", "ps", "Paper: up to 2 ns.", low=0.05, high=1e7, key=True)
    evaluation_equilibration_ps: float = _setting(10.0, "evaluation", "Equilibration", "ps", "NVT dynamics before the NVE run.", low=0, high=1e5)
    evaluation_frame_interval_fs: float = _setting(100.0, "evaluation", "Frame interval", "fs", "Time between two stored frames.", low=1, high=1e5)
    evaluation_replicas: int = _setting(1, "evaluation", "Replicas", "", "Independent runs at each temperature; their spread enters the error.", low=1, high=20)
    evaluated_steps_per_loop: int = _setting(5, "evaluation", "Evaluated steps per loop", "", "The last training steps of each loop whose model is evaluated. Stationarity is judged over them: it takes at least three.", low=1, high=1000, key=True)

    stationary_spread_dex: float = _setting(0.1, "convergence", "Stationary within", "log10 D", "Model-to-model spread of log10 D that still counts as stationary (paper: about 0.1).", low=0.001, high=2, key=True, later=True)
    energy_drift_limit_meV_atom_ns: float = _setting(2.5, "convergence", "Energy drift limit", "meV/atom/ns", "A run whose total energy drifts by more (and by more than three of its errors) is not used for D. 1 meV/atom heats a crystal by 4 K. More than 1 meV/atom/ns is remarked on.", low=1e-4, high=1e6, later=True)
    temperature_limit_percent: float = _setting(10.0, "convergence", "Temperature limit", "% of target", "A run whose mean kinetic temperature misses its target by more (and by more than three of its errors) was not equilibrated and is not used for D.", low=0.1, high=100, later=True)
    hop_length_A: float = _setting(3.0, "convergence", "Hop length", "Å", "Distance between neighbouring sites of the mobile ion: what counts as a hop, and where the fit of D may begin (LLZO 2.4, LGPS 2.8, LATP 3.2, Na in NASICON 3.5).", low=0.5, high=10)

    @property
    def ramp_temperatures_K(self) -> tuple[float, ...]:
        """Temperatures of one training loop, rising, the highest included where the step meets it."""
        count = int((self.ramp_T_max_K - self.ramp_T_min_K) / self.ramp_T_step_K + 1e-9) + 1
        return tuple(self.ramp_T_min_K + index * self.ramp_T_step_K for index in range(count))

    @property
    def s0_md_steps(self) -> int:
        """Of the dynamics with the reference method, at one temperature."""
        return round((self.s0_equilibration_ps * 1000 + self.s0_frames_per_temperature * self.s0_sample_interval_fs) / self.s0_timestep_fs)

    @property
    def explore_md_steps(self) -> int:
        return round((self.explore_equilibration_ps + self.snapshots_per_step * self.snapshot_interval_ps) * 1000 / self.timestep_fs)

    @property
    def evaluate_md_steps(self) -> int:
        return round((self.evaluation_equilibration_ps + self.evaluation_duration_ps) * 1000 / self.timestep_fs)


def raise_for(problems: Mapping[str, str]) -> None:
    if problems:
        raise SettingsError(problems)


def _problems(values: ProtocolSettings, unreadable: Collection[str] = ()) -> dict[str, str]:
    """All that is wrong with the attributes of `values`, by setting: each for itself, then those that contradict one another.

    Nothing is said of `unreadable` ones, nor of what goes with them: their values are not what was meant.
    """
    wrong = {name: problem for name, problem in problems_of_values(values).items() if name not in unreadable}
    unclear = wrong.keys() | set(unreadable)
    return wrong | {
        name: text for name, other, is_broken, text in _contradictions(values) if is_broken and not unclear & {name, other}
    }


def problems_of_values(settings: ProtocolSettings) -> dict[str, str]:
    """What is wrong with single values, by setting."""
    found = {spec.name: _problem(getattr(settings, spec.name), spec.metadata) for spec in fields(ProtocolSettings)}
    return {name: problem for name, problem in found.items() if problem}


def _problem(value: Any, metadata: Mapping[str, Any]) -> str:
    """What is wrong with one value, or nothing."""
    if metadata["choices"]:
        return "" if value in metadata["choices"] else f"must be one of {', '.join(metadata['choices'])}"
    if isinstance(value, tuple):
        if not value:
            return "give at least one value"
        return next((found for item in value if (found := _out_of_bounds(item, metadata))), "")
    if isinstance(value, bool):
        return ""
    return _out_of_bounds(value, metadata)


def _out_of_bounds(value: float, metadata: Mapping[str, Any]) -> str:
    low, high, unit = metadata["low"], metadata["high"], metadata["unit"]
    if not low <= value <= high:  # false for NaN too
        return f"{value:g} is not between {low:g} and {high:g} {unit}".rstrip()
    return ""


def _contradictions(settings: ProtocolSettings) -> tuple[tuple[str, str, bool, str], ...]:
    """Values that may be possible each but not together: setting, the other one, whether they contradict, and how."""
    temperatures_K, last_layer = settings.evaluation_temperatures_K, (settings.embedding_net or (math.inf,))[-1]
    intervals = (
        ("s0_sample_interval_fs", "s0_timestep_fs", 1.0, "fs"),
        ("snapshot_interval_ps", "timestep_fs", 1000.0, "ps"),
        ("evaluation_frame_interval_fs", "timestep_fs", 1.0, "fs"),
    )
    return (
        ("ramp_T_max_K", "ramp_T_min_K", settings.ramp_T_max_K < settings.ramp_T_min_K,
         f"the highest temperature ({settings.ramp_T_max_K:g} K) is below the lowest ({settings.ramp_T_min_K:g} K)"),
        ("cutoff_smooth_A", "cutoff_A", settings.cutoff_smooth_A >= settings.cutoff_A,
         f"must be smaller than the cut-off radius ({settings.cutoff_A:g} Å)"),
        ("learning_rate_stop", "learning_rate_start", settings.learning_rate_stop > settings.learning_rate_start,
         "must not be larger than the learning rate at the start"),
        ("axis_neurons", "embedding_net", settings.axis_neurons > last_layer,
         f"must not be more than the neurons of the embedding net's last layer ({last_layer}), of which they are columns"),
        *(_not_whole(settings, *interval) for interval in intervals),
        ("evaluation_duration_ps", "evaluation_frame_interval_fs",
         settings.evaluation_duration_ps * 1000 < 20 * settings.evaluation_frame_interval_fs,
         "must hold at least 20 frames: run longer or store frames more often"),
        ("evaluation_temperatures_K", "", len(set(temperatures_K)) != len(temperatures_K),
         "names a temperature twice; use replicas for independent runs"),
    )


def _not_whole(settings: ProtocolSettings, name: str, step_name: str, fs_per_unit: float, unit: str) -> tuple[str, str, bool, str]:
    """An interval between stored frames that is no whole number of time steps, with the nearest ones that are."""
    step_fs = getattr(settings, step_name)
    steps = getattr(settings, name) * fs_per_unit / step_fs if step_fs else math.inf
    if not math.isfinite(steps):
        return name, step_name, False, ""  # bounds have said so
    nearest = [f"{count * step_fs / fs_per_unit:g}" for count in (math.floor(steps), math.ceil(steps)) if count > 0]
    is_broken = abs(steps - round(steps)) > WHOLE_STEPS * steps or steps < 1 - WHOLE_STEPS
    return name, step_name, is_broken, f"must be a whole number of time steps of {step_fs:g} fs: give {' or '.join(nearest)} {unit}"


SPECS = {spec.name: spec for spec in fields(ProtocolSettings)}
THRESHOLDS = tuple(name for name, spec in SPECS.items() if spec.metadata["later"])


PRESETS: dict[str, ProtocolSettings] = {
    "quick": ProtocolSettings(
        relax_max_steps=60, s0_temperatures_K=(300.0, 500.0, 700.0, 900.0), s0_frames_per_temperature=11, s0_sample_interval_fs=30.0,
        s0_equilibration_ps=0.06,
        cutoff_A=5.0, embedding_net=(10, 20, 40), axis_neurons=8, fitting_net=(100, 100, 100), precision="float32",
        n_batches_first=2500, n_batches_step=1500, warm_start=True, learning_rate_stop=1e-5, max_training_repeats=2, compress_model=False,
        ramp_T_min_K=400.0, ramp_T_step_K=200.0, max_loops=2, snapshots_per_step=12, snapshot_interval_ps=0.2,
        explore_equilibration_ps=0.4, timestep_fs=2.0, evaluation_temperatures_K=(650.0, 725.0, 800.0, 875.0, 950.0),
        evaluation_duration_ps=30.0, evaluation_equilibration_ps=2.0, evaluation_frame_interval_fs=40.0,
        evaluated_steps_per_loop=3, energy_drift_limit_meV_atom_ns=10.0),
    "standard": ProtocolSettings(
        precision="float32", n_batches_first=60000, n_batches_step=20000, warm_start=True, learning_rate_stop=1e-6,
        ramp_T_step_K=100.0, snapshots_per_step=50, snapshot_interval_ps=0.5, explore_equilibration_ps=1.0,
        timestep_fs=2.0, evaluation_duration_ps=500.0, evaluation_equilibration_ps=5.0, evaluated_steps_per_loop=4,
        energy_drift_limit_meV_atom_ns=10.0),
    "paper": ProtocolSettings(),
}
PRESET_HELP = {
    "quick": "For small cells: see the whole way once. Its runs of 30 ps are too short for less than 650 K, so that 1000/T spans less than "
    "is advised: errors are large, and said so.",
    "standard": "For a workstation or one GPU, with a cheap reference method.",
    "paper": "The numbers of Marcolongo et al. 2019, DeePMD-kit's defaults where the paper gives none.",
}


def settings_from_mapping(preset: str, changes: Mapping[str, Any], unreadable: Collection[str] = ()) -> ProtocolSettings:
    """A preset with changes, checked. Raises SettingsError with all that is wrong: unknown keys, types, bounds, contradictions.

    `unreadable`: settings that were given, but could not be read by the caller.
    """
    if preset not in PRESETS:
        raise SettingsError({"preset": f"{preset} is none; must be one of {', '.join(PRESETS)}"})
    problems = {name: "is not a setting of the protocol" for name in changes if name not in SPECS}
    values = {}
    for name, value in changes.items():
        if name in SPECS:
            try:
                values[name] = _coerced(getattr(PRESETS[preset], name), value)
            except (TypeError, ValueError, OverflowError):
                problems[name] = f"{value!r} is not a {_kind_in_words(getattr(PRESETS[preset], name))}"
    asked = replace(PRESETS[preset], **values)
    raise_for(problems | _problems(asked, {*problems, *unreadable}))
    return asked


def settings_as_kept(preset: str, kept: Mapping[str, Any]) -> ProtocolSettings:
    """Of a campaign that was made with them, maybe by an earlier release: bounds that came later do not count, nor settings that have
    gone. Raises TypeError, ValueError or KeyError for what no release has written.
    """
    made_with = PRESETS[preset]
    known = {spec.name: getattr(made_with, spec.name) for spec in fields(ProtocolSettings)}
    return replace(made_with, **{name: _coerced(known[name], value) for name, value in kept.items() if name in known})


def _coerced(example: Any, value: Any) -> Any:
    """`value` as the type of `example`. Raises TypeError or ValueError where that would change its meaning."""
    if isinstance(example, bool):
        if not isinstance(value, bool):
            raise TypeError
        return value
    if isinstance(example, tuple):
        items = [value] if isinstance(value, int | float | str) else list(value)
        return tuple(_coerced(example[0], item) for item in items)
    if isinstance(example, str):
        if not isinstance(value, str):
            raise TypeError
        return value
    if isinstance(value, bool):
        raise TypeError
    number = float(value)
    if isinstance(example, int):
        if number != int(number):
            raise ValueError
        return int(number)
    return number


def _kind_in_words(example: Any) -> str:
    if isinstance(example, bool):
        return "yes or no (true/false)"
    if isinstance(example, tuple):
        return f"list of {'whole numbers' if isinstance(example[0], int) else 'numbers'}"
    if isinstance(example, str):
        return "word"
    return "whole number" if isinstance(example, int) else "number"


@dataclass(frozen=True)
class Counts:
    """What a campaign asks of its engines, at most (all loops used)."""

    labels: int
    s0_md_steps: int
    training_batches: int
    trainings: int
    exploration_md_steps: int
    explorations: int
    evaluation_md_steps: int
    evaluations: int


def counts(settings: ProtocolSettings, n_training_cells: int, n_evaluation_cells: int, fpmd: bool, loops: int) -> Counts:
    """How much work `loops` training loops are."""
    ramp = len(settings.ramp_temperatures_K)
    steps = ramp * loops
    s0_runs = n_training_cells * len(settings.s0_temperatures_K) if fpmd else 0
    evaluated = min(settings.evaluated_steps_per_loop, ramp) * loops
    evaluations = (evaluated * n_evaluation_cells * len(settings.evaluation_temperatures_K) * settings.evaluation_replicas)
    return Counts(
        labels=(s0_runs * settings.s0_md_steps if fpmd else settings.s0_check_frames) + steps * n_training_cells * settings.snapshots_per_step,
        s0_md_steps=s0_runs * settings.s0_md_steps,
        training_batches=settings.n_batches_first
        + (steps - 1) * (settings.n_batches_step if settings.warm_start else settings.n_batches_first),
        trainings=steps,
        exploration_md_steps=steps * n_training_cells * settings.explore_md_steps,
        explorations=steps * n_training_cells,
        evaluation_md_steps=evaluations * settings.evaluate_md_steps,
        evaluations=evaluations,
    )
