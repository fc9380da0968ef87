"""A trajectory gives the same D whatever file it came in, and what is wrong with a file is said."""

import gzip
import pickle

import ase.io
import numpy as np
import pytest
from ase import Atoms

from analysis import report
from analysis.engines import file_order, trajectory
from analysis.engines.trajectory import TrajectorySpec
from campaigns.engines.job import EngineFailed, Progress
from tests.analysis.science import walks

N_FRAMES, N_IONS, N_FRAMEWORK, INTERVAL_FS = 300, 20, 6, 100.0
CELL_A = np.array([[12.0, 0, 0], [2.0, 11.0, 0], [1.0, -1.5, 13.0]])
SYMBOLS = ["Li"] * N_IONS + ["S"] * N_FRAMEWORK


@pytest.fixture(scope="module")
def positions_A():
    """Unwrapped (n_frames, n_atoms, 3): ions that hop by 2 Å, a framework that shakes."""
    rng = np.random.default_rng(7)
    ions = walks.lattice_walk(rng, N_FRAMES, N_IONS, 0.5, vibration_A=0.1, edge_A=2.0) + rng.uniform(0, 10, (1, N_IONS, 3))
    framework = rng.uniform(0, 10, (1, N_FRAMEWORK, 3)) + 0.1 * rng.normal(size=(N_FRAMES, N_FRAMEWORK, 3))
    return np.concatenate([ions, framework], axis=1)


def frames(positions_A, wrap=False):
    return [Atoms(SYMBOLS, positions=one, cell=CELL_A, pbc=True) for one in (wrapped(positions_A) if wrap else positions_A)]


def wrapped(positions_A):
    fractions = positions_A @ np.linalg.inv(CELL_A)
    return (fractions - np.floor(fractions)) @ CELL_A


def dump(positions_A, columns, steps=None, shuffle=True):
    """A LAMMPS text dump; columns xu, x with images, xs with images or x alone."""
    rng = np.random.default_rng(1)
    fractions = positions_A @ np.linalg.inv(CELL_A)
    images = np.floor(fractions).astype(int)
    values = {"xu": positions_A, "x": (fractions - images) @ CELL_A, "xs": fractions - images}[columns.split("+")[0]]
    (lx, _, _), (xy, ly, _), (xz, yz, lz) = CELL_A
    bounds = [f"{min(0, xy, xz, xy + xz)} {lx + max(0, xy, xz, xy + xz)} {xy}", f"{min(0, yz)} {ly + max(0, yz)} {xz}", f"0 {lz} {yz}"]
    names = {"xu": "xu yu zu", "x": "x y z", "xs": "xs ys zs"}[columns.split("+")[0]] + (" ix iy iz" if "+" in columns else "")
    lines = []
    for number, row in enumerate(values):
        step = 50 * number if steps is None else steps[number]
        lines += ["ITEM: TIMESTEP", str(step), "ITEM: NUMBER OF ATOMS", str(len(row)), "ITEM: BOX BOUNDS xy xz yz pp pp pp", *bounds,
                  f"ITEM: ATOMS id type {names}"]  # fmt: skip
        order = rng.permutation(len(row)) if shuffle else range(len(row))
        for atom in order:
            words = [str(atom + 1), "1" if SYMBOLS[atom] == "Li" else "2", *(f"{value:.8f}" for value in row[atom])]
            lines.append(" ".join([*words, *(map(str, images[number, atom]) if "+" in columns else ())]))
    return "\n".join(lines) + "\n"


def analysed(folder, *files, **options):
    folder.mkdir(exist_ok=True)
    values = {"mobile_ion": "Li", "temperature_K": 500.0, "frame_interval_fs": INTERVAL_FS} | options
    return trajectory.run(folder, TrajectorySpec(files=[str(path) for path in files], **values), Progress(folder))


@pytest.fixture(scope="module")
def reference(positions_A, tmp_path_factory):
    """From extended XYZ with unwrapped coordinates, which nothing is done to."""
    folder = tmp_path_factory.mktemp("reference")
    ase.io.write(folder / "run.extxyz", frames(positions_A))
    return analysed(folder / "out", folder / "run.extxyz")


def test_the_walk_is_recognized(reference):
    truth_cm2_s = 2.0**2 * 0.5 / 6 / (INTERVAL_FS / 1000) * 1e-4
    assert reference.run.verdict == "diffusive"
    assert abs(reference.run.diffusivity_cm2_s - truth_cm2_s) < 3 * reference.run.diffusivity_error_cm2_s
    assert (reference.n_frames, reference.n_mobile, reference.duration_ps) == (N_FRAMES, N_IONS, 30.0)


def test_the_length_for_a_fifth_follows_from_the_error_that_stands_beside_it(reference, positions_A, tmp_path):
    """Nothing where the error is below a fifth already, whatever a planning formula would ask for."""
    together = np.concatenate([np.repeat(positions_A[:, :2], 6, axis=1), positions_A[:, N_IONS:]], axis=1)  # two independent ones
    ase.io.write(tmp_path / "together.extxyz", [Atoms("Li12S6", positions=one, cell=CELL_A, pbc=True) for one in together])
    relative = []
    for found in (reference, analysed(tmp_path / "out", tmp_path / "together.extxyz")):
        assert found.run.verdict == "diffusive"
        relative.append(found.run.diffusivity_error_cm2_s / found.run.diffusivity_cm2_s)
        length_ps = found.run.details["length_for_20_percent_error_ps"]
        expected_ps = found.duration_ps * (relative[-1] / 0.2) ** 2 if relative[-1] > 0.2 else None
        assert length_ps == (None if expected_ps is None else pytest.approx(expected_ps, rel=1e-9))
        assert ("Error of 20 %" in report.trajectory_text(found, "Li")) == (length_ps is not None)
    assert relative[0] < 0.2 < relative[1]


@pytest.mark.parametrize(
    "kind", ["wrapped.extxyz", "XDATCAR", "run.extxyz.gz", "xu.dump", "x+images.dump", "xs+images.dump", "x.dump", "two files"]
)
def test_every_format_gives_the_same_d(kind, positions_A, reference, tmp_path):
    files, options = [tmp_path / kind], {}
    if kind.endswith(".dump"):
        files[0].write_text(dump(positions_A, kind.removesuffix(".dump")))
        options = {"elements": ["Li", "S"], "frame_interval_fs": None, "timestep_fs": INTERVAL_FS / 50}
    elif kind == "XDATCAR":
        ase.io.write(files[0], frames(positions_A, wrap=True), format="vasp-xdatcar")
    elif kind == "two files":  # the second begins with the last frame of the first
        files = [tmp_path / "a.extxyz", tmp_path / "b.extxyz"]
        ase.io.write(files[0], frames(positions_A[:100]))
        ase.io.write(files[1], frames(positions_A[99:]))
    elif kind.endswith(".gz"):
        ase.io.write(tmp_path / "plain.extxyz", frames(positions_A))
        files[0].write_bytes(gzip.compress((tmp_path / "plain.extxyz").read_bytes()))
    else:
        ase.io.write(files[0], frames(positions_A, wrap=True))
    found = analysed(tmp_path / "out", *files, **options)
    assert found.n_frames == N_FRAMES
    assert found.run.diffusivity_cm2_s == pytest.approx(reference.run.diffusivity_cm2_s, rel=1e-5)
    assert found.run.diffusivity_error_cm2_s == pytest.approx(reference.run.diffusivity_error_cm2_s, rel=1e-3)


def changed(positions_A, kind):
    atoms = frames(positions_A[:40])
    if kind == "cell":
        atoms[20].set_cell(1.01 * CELL_A, scale_atoms=True)
    elif kind == "atoms":
        del atoms[20][-1]
    elif kind == "order":
        atoms[20].symbols[0], atoms[20].symbols[-1] = "S", "Li"
    elif kind == "nan":
        atoms[20].positions[3] = np.nan
    elif kind == "no cell":
        for one in atoms:
            one.set_cell(np.zeros((3, 3)))
            one.pbc = False
    elif kind == "one frame":
        atoms = atoms[:1]
    return atoms


@pytest.mark.parametrize(("kind", "words"), [
    ("cell", "frame 21: the cell is not that of the first frame"), ("atoms", "25 atoms, the first frame 26"), ("order", "another order"),
    ("nan", "no number"), ("no cell", "has no cell"), ("one frame", "at least two"),
])  # fmt: skip
def test_what_is_no_run_is_refused(kind, words, positions_A, tmp_path):
    ase.io.write(tmp_path / "run.extxyz", changed(positions_A, kind))
    with pytest.raises(EngineFailed, match=words):
        analysed(tmp_path / "out", tmp_path / "run.extxyz")


@pytest.mark.parametrize(("text", "options", "words"), [
    ("dump", {}, "named|names its atoms by types"),
    ("dump", {"elements": ["Na", "S"]}, "There is no Li"),
    ("dump", {"elements": ["Li", "S"], "frame_interval_fs": None}, "time step .--timestep-fs in a shell.*MD steps.*--frame-interval-fs"),
    ("dump", {"elements": ["Li", "Qq"]}, "Qq is not an element"),
    ("gap", {"elements": ["Li", "S"]}, "Frames are missing between MD steps 450 and 550"),
    ("back", {"elements": ["Li", "S"]}, "in the order of the run"),
    ("nonsense", {}, "cannot be read"),
    ("dump", {"elements": ["Li", "S"], "temperature_K": -3.0}, "must be a positive number"),
])  # fmt: skip
def test_bad_input_is_refused_with_what_to_do(text, options, words, positions_A, tmp_path):
    steps = {"gap": [50 * n + (50 if n > 9 else 0) for n in range(30)], "back": [*range(0, 1000, 50), *range(0, 500, 50)]}.get(text)
    path = tmp_path / "run.dump"
    path.write_text("hello\n" * 50 if text == "nonsense" else dump(positions_A[:30], "xu", steps))
    with pytest.raises(EngineFailed, match=words):
        analysed(tmp_path / "out", path, **options)


@pytest.mark.parametrize("key", ["step", "Time"])
def test_frames_that_a_file_counts_and_lacks_are_missed(key, positions_A, tmp_path):
    counted = frames(positions_A)
    for number, atoms in enumerate(counted):
        atoms.info[key] = 0.05 * number
    ase.io.write(tmp_path / "run.extxyz", counted[:150] + counted[200:])
    with pytest.raises(EngineFailed, match=r"frame 151: the file counts .* Frames are missing"):
        analysed(tmp_path / "out", tmp_path / "run.extxyz")
    ase.io.write(tmp_path / "run.extxyz", counted)
    assert analysed(tmp_path / "out", tmp_path / "run.extxyz").n_frames == N_FRAMES


def test_configurations_that_an_xdatcar_lacks_are_missed(positions_A, tmp_path):
    path = tmp_path / "XDATCAR"
    ase.io.write(path, frames(positions_A[:60], wrap=True), format="vasp-xdatcar")
    head, *parts = path.read_text().split("Direct configuration=")
    path.write_text("Direct configuration=".join([head, *parts[:20], *parts[30:]]))
    with pytest.raises(EngineFailed, match="frame 21: the file counts 20 and then 31"):
        analysed(tmp_path / "out", path)


@pytest.mark.parametrize("parts", [(slice(0, 200), slice(100, 300)), (slice(0, 300), slice(0, 300)), (slice(0, 200), slice(150, 151))])
def test_files_that_overlap_are_refused_with_both_places(parts, positions_A, tmp_path):
    files = [tmp_path / "a.extxyz", tmp_path / "b.extxyz"]
    for path, part in zip(files, parts, strict=True):
        ase.io.write(path, frames(positions_A[part]))
    with pytest.raises(EngineFailed, match=r"b.extxyz, frame 1 is the same as a.extxyz, frame \d+"):
        analysed(tmp_path / "out", *files)


def test_a_second_file_that_was_wrapped_again_goes_on_where_the_first_ended(positions_A, reference, tmp_path):
    files = [tmp_path / "a.extxyz", tmp_path / "b.extxyz"]
    start_A = wrapped(positions_A[150:151])
    ase.io.write(files[0], frames(positions_A[:150]))
    ase.io.write(files[1], frames(start_A + positions_A[150:] - positions_A[150:151]))
    found = analysed(tmp_path / "out", *files)
    assert found.run.diffusivity_cm2_s == pytest.approx(reference.run.diffusivity_cm2_s, rel=1e-5)
    assert any("unwrapped" in flag for flag in found.run.details["flags"])


@pytest.mark.parametrize("columns", ["xu", "x+images"])
def test_coordinates_that_a_dump_says_are_unwrapped_stay_as_they_are(columns, positions_A, tmp_path):
    """Steps of half a cell are steps: ions of a long frame interval go so far."""
    (tmp_path / "run.dump").write_text(dump(positions_A[::40], columns))
    found = analysed(tmp_path / "out", tmp_path / "run.dump", elements=["Li", "S"])
    assert not any("unwrapped" in flag for flag in found.run.details["flags"])
    stored = np.load(tmp_path / "out" / "trajectory.npz")["positions_A"]
    assert stored == pytest.approx(positions_A[::40], abs=1e-4)


@pytest.mark.parametrize("overlap", [0, 1])
def test_a_file_whose_steps_begin_anew_goes_on_where_the_one_before_ended(overlap, positions_A, reference, tmp_path):
    """As `reset_timestep 0` makes it, with the last configuration of one run as the first of the next, or without."""
    files = [tmp_path / "a.dump", tmp_path / "b.dump"]
    files[0].write_text(dump(positions_A[:150], "xu"))
    files[1].write_text(dump(positions_A[150 - overlap :], "xu"))
    found = analysed(tmp_path / "out", *files, elements=["Li", "S"], timestep_fs=INTERVAL_FS / 50, frame_interval_fs=None)
    assert found.n_frames == N_FRAMES
    assert found.run.diffusivity_cm2_s == pytest.approx(reference.run.diffusivity_cm2_s, rel=1e-5)
    assert any(flag.startswith("the MD steps of b.dump begin anew") for flag in found.run.details["flags"])
    with pytest.raises(EngineFailed, match=r"does not go on where|is the same as"):
        analysed(tmp_path / "twice", files[0], files[0], elements=["Li", "S"])


def test_a_dump_goes_on_after_a_file_that_names_its_elements(positions_A, reference, tmp_path):
    ase.io.write(tmp_path / "1.extxyz", frames(positions_A[:150]))
    (tmp_path / "2.dump").write_text(dump(positions_A[150:], "xu"))
    found = analysed(tmp_path / "out", tmp_path / "1.extxyz", tmp_path / "2.dump", elements=["Li", "S"])
    assert found.run.diffusivity_cm2_s == pytest.approx(reference.run.diffusivity_cm2_s, rel=1e-4)
    with pytest.raises(EngineFailed, match=r"by LAMMPS's types and by elements: give the elements"):
        analysed(tmp_path / "out", tmp_path / "1.extxyz", tmp_path / "2.dump")


def test_a_time_that_cannot_be_in_fs_is_asked_for(positions_A, tmp_path):
    found = frames(positions_A[:50])
    for number, atoms in enumerate(found):
        atoms.info["Time"] = 0.1 * number  # in ps
    ase.io.write(tmp_path / "run.extxyz", found)
    with pytest.raises(EngineFailed, match=r"count 0.1 of Time .* Give the frame interval"):
        analysed(tmp_path / "out", tmp_path / "run.extxyz", frame_interval_fs=None)


def test_a_trajectory_of_ase_is_read(positions_A, reference, tmp_path):
    ase.io.write(tmp_path / "run.traj", frames(positions_A))
    assert analysed(tmp_path / "out", tmp_path / "run.traj").run.diffusivity_cm2_s == pytest.approx(
        reference.run.diffusivity_cm2_s, rel=1e-5
    )


def test_a_pickle_is_no_trajectory(tmp_path):
    (tmp_path / "run.traj").write_bytes(b"PickleTrajectory" + pickle.dumps(np.zeros(3)))
    with pytest.raises(EngineFailed, match=r"run.traj cannot be read"):
        analysed(tmp_path / "out", tmp_path / "run.traj")


def test_an_atom_that_flies_away_is_a_run_that_blew_up(positions_A, tmp_path):
    """Whatever the others do."""
    lost = positions_A.copy()
    lost[250:, 3] += np.random.default_rng(1).uniform(20, 500, (50, 3))
    ase.io.write(tmp_path / "run.xyz", frames(lost), format="extxyz")
    found = analysed(tmp_path / "out", tmp_path / "run.xyz").run
    assert found.verdict == "blown_up"
    assert "after 24.9 ps: atom 4 (Li) moves" in found.reason
    assert found.diffusivity_cm2_s is found.details["diffusivity_below_cm2_s"] is None


def test_times_that_contradict_each_other_are_refused(positions_A, tmp_path):
    (tmp_path / "run.dump").write_text(dump(positions_A[:30], "xu"))
    with pytest.raises(EngineFailed, match=r"50 MD steps apart, which is 100 fs .* given as 1000 fs"):
        analysed(tmp_path / "out", tmp_path / "run.dump", elements=["Li", "S"], timestep_fs=2.0, frame_interval_fs=1000.0)


@pytest.mark.parametrize("charge", [float("nan"), 0.0, 100.0])
def test_a_charge_that_is_none_is_refused(charge, positions_A, tmp_path):
    ase.io.write(tmp_path / "run.extxyz", frames(positions_A[:30]))
    with pytest.raises(EngineFailed, match="charge of the mobile ion"):
        analysed(tmp_path / "out", tmp_path / "run.extxyz", charge=charge)


def test_wrapped_coordinates_that_jump_too_far_are_refused(positions_A, tmp_path):
    ase.io.write(tmp_path / "run.extxyz", frames(positions_A[::40], wrap=True))
    with pytest.raises(EngineFailed, match="store frames more often"):
        analysed(tmp_path / "out", tmp_path / "run.extxyz")


def test_a_dump_that_was_cut_short_is_read_as_far_as_it_goes(positions_A, tmp_path):
    for cut in (200, 7, 1):  # in a row, in a number, before the last line feed
        (tmp_path / "run.dump").write_text(dump(positions_A[:100], "xu")[:-cut])
        found = analysed(tmp_path / "out", tmp_path / "run.dump", elements=["Li", "S"])
        assert found.n_frames == 99
        assert "the last frame of run.dump was cut short and is left out" in found.run.details["flags"]


def test_files_are_taken_in_the_order_of_their_numbers_and_of_their_steps(positions_A, reference, tmp_path):
    names = ["run_10.xyz", "run_9.xyz", "run_100.xyz"]
    assert file_order.of_names(sorted(names)) == ["run_9.xyz", "run_10.xyz", "run_100.xyz"]
    assert file_order.of_names(["b.xyz", "a.xyz"]) == ["b.xyz", "a.xyz"]  # typed so
    files = [tmp_path / "late.dump", tmp_path / "early.dump"]
    files[0].write_text(dump(positions_A[150:], "x+images", [50 * n for n in range(150, 300)]))
    files[1].write_text(dump(positions_A[:150], "x+images"))
    found = analysed(tmp_path / "out", *files, elements=["Li", "S"])
    assert found.run.diffusivity_cm2_s == pytest.approx(reference.run.diffusivity_cm2_s, rel=1e-5)


@pytest.mark.parametrize("wrap", [False, True])
def test_files_that_do_not_join_are_refused_with_their_names(wrap, positions_A, tmp_path):
    files = [tmp_path / "run_10.xyz", tmp_path / "run_9.xyz"]
    ase.io.write(files[0], frames(positions_A[150:], wrap), format="extxyz")
    ase.io.write(files[1], frames(positions_A[:150], wrap), format="extxyz")
    with pytest.raises(EngineFailed, match=r"run_9.xyz does not go on where run_10.xyz ends: .* atoms move by .* in its order"):
        analysed(tmp_path / "out", *files)


@pytest.mark.parametrize("wrap", [False, True])
def test_frames_that_nothing_counts_are_missed_by_the_jump(wrap, positions_A, tmp_path):
    ase.io.write(tmp_path / "run.xyz", frames(np.concatenate([positions_A[:120], positions_A[160:]]), wrap), format="extxyz")
    with pytest.raises(EngineFailed, match=r"run.xyz: frames are missing between frames 120 and 121, where atoms move by"):
        analysed(tmp_path / "out", tmp_path / "run.xyz")


@pytest.mark.parametrize("damage", ["garbage", "cut", "flipped"])
@pytest.mark.parametrize("kind", ["run.dump.gz", "run.xyz.gz", "XDATCAR.gz"])
def test_a_broken_archive_is_refused_in_our_words(kind, damage, positions_A, tmp_path):
    if kind == "run.dump.gz":
        whole = dump(positions_A[:30], "xu").encode()
    else:
        ase.io.write(tmp_path / "plain", frames(positions_A[:30], True), format="extxyz" if "xyz" in kind else "vasp-xdatcar")
        whole = (tmp_path / "plain").read_bytes()
    packed = bytearray(gzip.compress(whole))
    if damage == "garbage":
        packed[10:] = np.random.default_rng(3).bytes(500)
    elif damage == "cut":
        del packed[len(packed) // 2 :]
    else:
        packed[len(packed) // 2] ^= 0xFF
    (tmp_path / kind).write_bytes(bytes(packed))
    with pytest.raises(EngineFailed, match=f"{kind} cannot be read"):
        analysed(tmp_path / "out", tmp_path / kind, elements=["Li", "S"])


def test_frames_that_nothing_counts_are_said_to_be_such(reference, positions_A, tmp_path):
    assert any("missing cannot be excluded" in flag for flag in reference.run.details["flags"])
    (tmp_path / "run.dump").write_text(dump(positions_A[:100], "xu"))
    counted = analysed(tmp_path / "out", tmp_path / "run.dump", elements=["Li", "S"])
    assert not any("missing cannot be excluded" in flag for flag in counted.run.details["flags"])
