"""What goes into a stage folder and what comes out: the specs and results of every stage kind, on one page.

Plain data, no heavy import: web and workers read it. Units are in the names. Paths are absolute in specs; in results
they are relative to the stage folder, so that a data folder can be moved.
"""

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class LabellerSpec:
    """A reference method: `name` in the registry of campaigns/engines/labellers, `options` as that module documents them."""

    name: str
    options: dict[str, Any] = field(default_factory=dict)
    known_labels: str | None = None  # folder of the labels of all campaigns; None: none are looked up, none are kept


@dataclass(frozen=True)
class FrameSelection:
    """Some configurations of a frames file (campaigns/science/frames.py)."""

    path: str
    indices: list[int]


# --- prepare: order and relax one supercell ------------------------------------------------------------------------


@dataclass(frozen=True)
class PrepareSpec:
    cif_file: str
    supercell: tuple[int, int, int]
    mobile_ion: str
    labeller: LabellerSpec
    seed: int
    candidate: int = 0  # 0 is the best electrostatic energy of the `n_candidates` that are generated, 1 the next
    n_candidates: int = 1  # of all cells of this material in the campaign: what lies beyond is to fall back on
    oxidation_states: dict[str, float] | None = None  # None: guessed from the composition
    relax: bool = True
    relax_fmax_eV_A: float = 0.1
    relax_max_steps: int = 200
    min_distance_A: float = 0.6  # a relaxation that comes below it has left what is physical
    cores: int = 1


@dataclass(frozen=True)
class PrepareResult:
    cell_file: str  # extended XYZ: ordered, relaxed, atoms grouped by element, no labels
    formula: str
    n_atoms: int
    volume_A3: float
    min_distance_A: float
    electrostatic_energy_eV: float | None  # None: nothing was disordered
    relaxed_energy_eV: float | None
    relaxed_fmax_eV_A: float | None
    provenance: dict[str, Any]
    labels_computed: int = 0  # reference calculations of the relaxation, of refused orderings too
    labels_found: int = 0  # others that had been computed before
    versions: dict[str, Any] = field(default_factory=dict)  # of the programs that did it


# --- s0: the starting training set ------------------------------------------------------------------------


@dataclass(frozen=True)
class S0Spec:
    """`fpmd`: NVT MD of one cell at one temperature with the labeller itself; `upload`: read a data set that the user gave."""

    route: str
    labeller: LabellerSpec
    cell_file: str | None = None
    temperature_K: float = 0.0
    timestep_fs: float = 2.0
    equilibration_steps: int = 0
    n_frames: int = 0
    sample_every_steps: int = 0
    seed: int = 0
    upload_path: str | None = None
    upload_format: str = "auto"
    elements: list[str] = field(default_factory=list)  # of the material: an uploaded set with others is refused
    framework_elements: list[str] = field(default_factory=list)  # whose bonds the bond-variation rule looks at
    check_frames: int = 0  # uploaded configurations that the labeller computes again
    check_force_rmse_eV_A: float = 0.0  # largest difference from the uploaded labels
    check_energy_meV_atom: float = 0.0
    check_virial_meV_atom: float = 0.0
    initial_temperature_K: float | None = None  # of the velocities; None: the target
    thermostat_damping_fs: float = 100.0
    min_distance_A: float = 0.6  # dynamics that come below it are no longer physical
    cores: int = 1


@dataclass(frozen=True)
class S0Result:
    frames_files: list[str]  # one for each atom order in the set (fpmd: one)
    n_frames: list[int]
    mean_temperature_K: float | None
    labels_computed: int  # reference calculations spent, equilibration steps included
    seconds: float
    min_distance_A: float  # of all that was computed
    frame_min_distances_A: list[list[float]]  # of every frame, file by file
    frame_bond_variations: list[list[float | None]] = field(default_factory=list)  # likewise; none where there is no reference cell
    # An uploaded set against the labeller: n_frames, force_rmse_eV_A, energy_rmse_meV_atom, virial_rmse_meV_atom.
    check: dict[str, float] | None = None
    versions: dict[str, Any] = field(default_factory=dict)  # of the programs that did it
    labels_found: int = 0  # others that had been computed before
    samples_each: float | None = None  # so many configurations of the dynamics are worth an independent one


# --- train ------------------------------------------------------------------------


@dataclass(frozen=True)
class DescriptorSpec:
    """DeePMD-kit's se_e2_a and its fitting net."""

    cutoff_A: float
    cutoff_smooth_A: float
    embedding_net: list[int]
    axis_neurons: int
    fitting_net: list[int]
    precision: str  # float32 or float64
    sel: list[int] | None = None  # None: from the neighbour statistics of the training set, with a margin


@dataclass(frozen=True)
class TrainSpec:
    frames: list[FrameSelection]
    type_map: list[str]
    descriptor: DescriptorSpec
    n_batches: int
    batch_size: int
    learning_rate_start: float
    learning_rate_stop: float
    seed: int
    max_force_rms_ratio: float  # loss condition: force error at the end over the rms force of the set must be below this
    max_repeats: int  # of the loss condition, each with twice the batch size, from scratch
    init_checkpoint: str | None = None  # warm start from an earlier model's checkpoint prefix; None: from scratch
    compress: bool = True
    cores: int = 1
    backend: str = "tensorflow"  # or pytorch: campaigns/engines/backends.py
    n_batches_from_scratch: int | None = None  # of a try that is no warm start although `n_batches` was meant for one; None: the same


@dataclass(frozen=True)
class TrainAttempt:
    batch_size: int
    force_rms_ratio: float
    accepted: bool
    reason: str
    n_batches: int | None = None  # None: of an earlier release, which did not say


@dataclass(frozen=True)
class TrainResult:
    model_file: str
    compressed_model_file: str | None
    checkpoint: str  # prefix that the next warm start uses
    learning_curve_file: str
    input_file: str
    sel: list[int]
    batch_size: int
    n_frames: int
    force_rmse_eV_A: float  # on the training set, from the learning curve's last rows
    energy_rmse_meV_atom: float
    attempts: list[TrainAttempt]
    training_seconds: float
    startup_seconds: float  # engine start-up: imports, neighbour statistics, graph building, freezing
    versions: dict[str, str]
    seed: int  # of the try that was taken
    checkpoint_files: list[str]  # what `checkpoint` stands for


# --- probe: ranks, threads and compression for one model on one cell


@dataclass(frozen=True)
class ProbeSpec:
    model_file: str
    compressed_model_file: str | None
    cell_file: str
    type_map: list[str]
    timestep_fs: float
    cores: int
    shares: list[int] = field(default_factory=list)  # of the cores that runs side by side will have
    n_steps: int = 125


@dataclass(frozen=True)
class LaunchChoice:
    """How lmp is started for a model and a cell."""

    ranks: int
    threads: int
    compressed: bool


@dataclass(frozen=True)
class ProbeTrial:
    choice: LaunchChoice
    steps_per_s: float


@dataclass(frozen=True)
class ProbeResult:
    best: LaunchChoice
    trials: list[ProbeTrial]
    startup_seconds: float
    versions: dict[str, Any] = field(default_factory=dict)  # of the programs that did it


# --- explore: NVT with the model at the temperature of the ramp ------------------------------------------------------------------------


@dataclass(frozen=True)
class ExploreSpec:
    model_file: str
    cell_file: str
    type_map: list[str]
    temperature_K: float
    timestep_fs: float
    equilibration_steps: int
    n_snapshots: int
    snapshot_every_steps: int
    thermostat_damping_fs: float
    min_distance_A: float  # protocol: a trajectory that comes below it is rejected whole
    launch: LaunchChoice
    seed: int


@dataclass(frozen=True)
class ExploreResult:
    outcome: str  # completed | min_distance | blown_up
    reason: str
    min_distance_A: float | None
    mean_temperature_K: float | None
    frames_file: str | None  # snapshots with the model's own energy, forces and virial
    n_snapshots: int
    steps_done: int
    steps_per_s: float
    startup_seconds: float
    versions: dict[str, Any] = field(default_factory=dict)  # of the programs that did it


# --- label ------------------------------------------------------------------------


@dataclass(frozen=True)
class LabelSpec:
    snapshots: FrameSelection
    labeller: LabellerSpec
    cell_file: str  # the relaxed cell: reference of the bond-variation rule
    framework_elements: list[str]
    min_distance_A: float  # a geometry below it never reaches the reference method
    min_labelled_share: float = 0.0  # with fewer of the geometries that were not refused the stage fails
    cores: int = 1


@dataclass(frozen=True)
class LabelAttempt:
    """One try at one label, by a method that tries again with other numerical settings."""

    settings: str  # in a few words
    cause: str  # as in LabelRecord; empty: this one gave the label
    message: str
    seconds: float


@dataclass(frozen=True)
class LabelRecord:
    """One reference calculation and the model's error on the same configuration, before it enters the training set."""

    index: int  # in the snapshots file; also the row in the labelled frames file where state is `done`
    row: int | None
    state: str  # done | failed
    cause: str  # failed: scf_not_converged, bad_geometry, not_finite, ...
    message: str
    energy_eV: float | None = None
    max_force_eV_A: float | None = None
    rms_force_eV_A: float | None = None
    min_distance_A: float | None = None
    max_bond_variation: float | None = None  # largest relative change of a framework bond length
    model_energy_error_meV_atom: float | None = None
    model_force_rmse_eV_A: float | None = None
    seconds: float = 0.0
    attempts: list[LabelAttempt] = field(default_factory=list)  # empty where the first gave the label
    found: bool = False  # it had been computed before, by another stage


@dataclass(frozen=True)
class LabelResult:
    frames_file: str | None
    records: list[LabelRecord]
    labels_computed: int
    seconds: float
    versions: dict[str, Any] = field(default_factory=dict)  # of the programs that did it
    labels_found: int = 0  # others that had been computed before


# --- evaluate: NVT equilibration, then NVE on the evaluation cell ------------------------------------------------------------------------


@dataclass(frozen=True)
class EvaluateSpec:
    model_file: str
    cell_file: str
    type_map: list[str]
    temperature_K: float
    timestep_fs: float
    equilibration_steps: int
    n_steps: int
    dump_every_steps: int
    thermostat_damping_fs: float
    min_distance_A: float
    launch: LaunchChoice
    seed: int


@dataclass(frozen=True)
class EvaluateResult:
    outcome: str  # completed | min_distance | blown_up
    reason: str
    trajectory_file: str | None  # npz: positions_A (n, N, 3) float32 unwrapped, cell_A (3, 3), symbols (N,), time_fs (n,)
    # npz: time_fs, temperature_K, potential_energy_eV, total_energy_eV, and pxx pyy pzz, the virial part of the pressure, bar; of NVE
    thermo_file: str | None
    frame_interval_fs: float
    completed_ps: float
    mean_kinetic_temperature_K: float | None
    kinetic_temperature_error_K: float | None  # by blocking
    energy_drift_meV_atom_ns: float | None
    min_distance_A: float | None
    steps_per_s: float
    startup_seconds: float
    versions: dict[str, Any] = field(default_factory=dict)  # of the programs that did it
    energy_drift_error_meV_atom_ns: float | None = None  # by blocking; None: too few frames, or of an earlier release
