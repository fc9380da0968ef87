"""Stage `label` with real methods: bad geometries, duplicates, the model's error, and a kill in the middle."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import pytest
from ase import Atoms
from ase.io import write

from campaigns.engines import label, labellers
from campaigns.engines.job import EngineFailed, Progress, from_json, read_json, write_spec
from campaigns.engines.journal import read, rewrite
from campaigns.engines.specs import FrameSelection, LabellerSpec, LabelResult, LabelSpec
from campaigns.science.frames import Frames

pytestmark = pytest.mark.engine

LENNARD_JONES = LabellerSpec("lammps", {"pair_style": "lj/cut 6.0", "pair_coeff": "Li Li 0.01 2.0\nN N 0.05 2.8", "elements": "Li N"})


def li3n(repeat=(1, 1, 1)):
    a, c = 3.65, 3.88
    cell = [[a, 0, 0], [-a / 2, a * np.sqrt(3) / 2, 0], [0, 0, c]]
    fractional = [[1 / 3, 2 / 3, 0], [2 / 3, 1 / 3, 0], [0, 0, 0.5], [0, 0, 0]]
    return Atoms("Li3N", scaled_positions=fractional, cell=cell, pbc=True).repeat(repeat)


def snapshots_of(atoms, n_frames, scale_A=0.05):
    rng = np.random.default_rng(4)
    positions = atoms.positions + rng.normal(scale=scale_A, size=(n_frames, len(atoms), 3))
    return Frames(
        np.array(atoms.get_chemical_symbols()),
        positions,
        np.repeat(atoms.cell.array[None], n_frames, axis=0),
        time_ps=np.arange(float(n_frames)),
    )


def spec_for(folder, frames, labeller=LENNARD_JONES, indices=None):
    folder.mkdir(parents=True, exist_ok=True)
    frames.save(folder / "snapshots.npz")
    write(folder / "cell.extxyz", li3n((2, 1, 1)) if len(frames.symbols) == 8 else li3n())
    indices = list(range(len(frames))) if indices is None else indices
    return LabelSpec(FrameSelection(str(folder / "snapshots.npz"), indices), labeller, str(folder / "cell.extxyz"), ["N"], 0.6)


def run(folder, spec):
    return label.run(folder, spec, Progress(folder))


def test_every_snapshot_gets_its_label_and_the_models_error(tmp_path):
    frames = snapshots_of(li3n(), 3)
    reference = labellers.build(LENNARD_JONES, tmp_path, 1)
    labels = [
        reference.label(Atoms(list(frames.symbols), positions=positions, cell=frames.cell_A[0], pbc=True))
        for positions in frames.positions_A
    ]
    with_model = replace(
        frames,
        model_energy_eV=np.array([item.energy_eV + 0.008 for item in labels]),
        model_forces_eV_A=np.array([item.forces_eV_A for item in labels]) + 0.5,
        model_virial_eV=np.zeros((3, 3, 3)),
    )
    result = run(tmp_path, spec_for(tmp_path, with_model, indices=[2, 0]))
    assert [(record.index, record.row, record.state) for record in result.records] == [(2, 0, "done"), (0, 1, "done")]
    assert result.labels_computed == 2
    assert [record.model_energy_error_meV_atom for record in result.records] == pytest.approx([2.0, 2.0])
    assert [record.model_force_rmse_eV_A for record in result.records] == pytest.approx([0.5, 0.5])
    labelled = Frames.load(tmp_path / result.frames_file)
    assert labelled.energy_eV == pytest.approx([labels[2].energy_eV, labels[0].energy_eV])
    assert labelled.forces_eV_A[1] == pytest.approx(labels[0].forces_eV_A)
    assert labelled.virial_eV[0] == pytest.approx(labels[2].virial_eV)
    assert labelled.time_ps.tolist() == [2.0, 0.0]
    assert labelled.model_energy_eV is not None
    assert result.records[0].max_force_eV_A == pytest.approx(np.linalg.norm(labels[2].forces_eV_A, axis=1).max())
    assert result.records[0].max_bond_variation is None  # N alone has no bonds


def test_bad_geometries_and_duplicates_never_reach_the_method(tmp_path):
    frames = snapshots_of(li3n(), 4)
    frames.positions_A[1, 0] = frames.positions_A[1, 1] + [0.3, 0, 0]
    frames.positions_A[2] = frames.positions_A[0] + frames.cell_A[0][1]  # the same, moved by a lattice vector
    frames.positions_A[3, 0, 0] = np.nan
    result = run(tmp_path, spec_for(tmp_path, frames))
    assert [record.cause for record in result.records] == ["", "bad_geometry", "duplicate", "not_finite"]
    assert result.records[1].min_distance_A == pytest.approx(0.3)
    assert "0.30 Å" in result.records[1].message
    assert "snapshot 0" in result.records[2].message
    assert result.labels_computed == 1
    assert len(Frames.load(tmp_path / result.frames_file)) == 1


def test_a_label_that_fails_is_a_record_and_the_stage_goes_on(tmp_path):
    frames = snapshots_of(li3n(), 2)
    far = Frames(frames.symbols, frames.positions_A * 4, frames.cell_A * 4)  # no neighbours within CHGNet's cut-off
    mixed = Frames(
        frames.symbols, np.concatenate([far.positions_A[:1], frames.positions_A[:1]]), np.concatenate([far.cell_A[:1], frames.cell_A[:1]])
    )
    result = run(tmp_path, spec_for(tmp_path, mixed, LabellerSpec("chgnet")))
    assert [(record.state, record.cause, record.row) for record in result.records] == [("failed", "isolated_atom", None), ("done", "", 0)]
    assert result.labels_computed == 2


def test_a_stage_without_any_label_fails_and_says_why(tmp_path):
    frames = snapshots_of(li3n(), 2)
    frames.positions_A[:, 0] = frames.positions_A[:, 1]
    with pytest.raises(EngineFailed, match=r"None of the 2 snapshots could be labelled \(2 bad_geometry\)"):
        run(tmp_path, spec_for(tmp_path, frames))


def test_snapshots_of_another_cell_are_refused(tmp_path):
    frames = snapshots_of(li3n(), 1)
    spec = spec_for(tmp_path, replace(frames, symbols=np.array(["N", "Li", "Li", "Li"])))
    with pytest.raises(EngineFailed, match="another order of atoms"):
        run(tmp_path, spec)


def test_an_element_that_the_method_does_not_know_is_refused(tmp_path):
    spec = replace(
        spec_for(tmp_path, snapshots_of(li3n(), 1)),
        labeller=LabellerSpec("lammps", {"pair_style": "lj/cut 6.0", "pair_coeff": "Li Li 0.01 2.0"}),
    )
    with pytest.raises(EngineFailed, match="nothing about the element N"):
        run(tmp_path, spec)


def test_finished_labels_survive_half_a_line_and_are_not_computed_again(tmp_path):
    spec = spec_for(tmp_path, snapshots_of(li3n(), 3))
    whole = run(tmp_path, spec)
    journal = tmp_path / label.JOURNAL
    lines = journal.read_bytes().splitlines(keepends=True)
    marked = json.loads(lines[0])
    marked["record"]["message"] = "from the journal"
    journal.write_bytes(json.dumps(marked).encode() + b"\n" + lines[1][:100])
    again = run(tmp_path, spec)
    assert again.records[0].message == "from the journal"
    assert [record.energy_eV for record in again.records] == [record.energy_eV for record in whole.records]
    assert len(journal.read_bytes().splitlines()) == 3


def test_killed_in_the_middle_it_goes_on_to_the_same_result(tmp_path):
    frames = snapshots_of(li3n((2, 1, 1)), 30)
    whole = tmp_path / "whole"
    undisturbed = run(whole, spec_for(whole, frames, LabellerSpec("chgnet")))
    folder = tmp_path / "killed"
    write_spec(folder, "label", spec_for(folder, frames, LabellerSpec("chgnet")))
    command = [sys.executable, "-m", "campaigns.engines.label", str(folder)]
    kill_when_lines(command, folder / label.JOURNAL, 3)
    assert 3 <= len((folder / label.JOURNAL).read_bytes().splitlines()) < 30
    assert not (folder / "result.json").exists()
    subprocess.run(command, check=True, capture_output=True)
    resumed = from_json(LabelResult, read_json(folder / "result.json"))
    assert [replace(record, seconds=0) for record in resumed.records] == [replace(record, seconds=0) for record in undisturbed.records]
    assert resumed.labels_computed == 30
    expected, found = Frames.load(whole / label.FRAMES_FILE), Frames.load(folder / label.FRAMES_FILE)
    assert np.array_equal(found.forces_eV_A, expected.forces_eV_A)
    assert np.array_equal(found.virial_eV, expected.virial_eV)
    journal = [json.loads(line)["record"]["index"] for line in (folder / label.JOURNAL).read_text().splitlines()]
    assert sorted(journal) == list(range(30))


def kill_when_lines(command, path, lines):
    """Start, wait until a file has that many lines, SIGKILL."""
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as child:
        deadline = time.monotonic() + 120
        while not (path.exists() and path.read_bytes().count(b"\n") >= lines):
            assert child.poll() is None, "the stage ended before it could be killed"
            assert time.monotonic() < deadline
            time.sleep(0.002)
        os.kill(child.pid, signal.SIGKILL)


def lost(index, cause="out_of_memory"):
    record = {"index": index, "row": None, "state": "failed", "cause": cause, "message": "It was killed.", "seconds": 0.1 * index}
    return {"record": record, "asked": True}


def test_labels_that_are_asked_for_again_count_once_however_often_it_is_killed(tmp_path):
    """The kill comes between the count and the journal: what was lost still stands in the journal at the next try."""
    spec = replace(spec_for(tmp_path, snapshots_of(li3n(), 4)), min_labelled_share=0.8)
    run(tmp_path, spec)
    (kept, *_) = read(tmp_path / label.JOURNAL)
    for _ in range(2):
        rewrite(tmp_path / label.JOURNAL, [kept, lost(1), lost(2), lost(3)])
        with pytest.raises(EngineFailed, match="3 of 4 labels are missing") as caught:
            run(tmp_path, spec)
        assert caught.value.labels_computed == 4
    assert run(tmp_path, spec).labels_computed == 4 + 3


def test_a_step_with_too_few_converged_labels_stops_and_asks_for_the_missing_ones_at_the_next_try(tmp_path):
    spec = replace(spec_for(tmp_path, snapshots_of(li3n(), 5)), min_labelled_share=0.8)
    run(tmp_path, spec)
    there = read(tmp_path / label.JOURNAL)
    rewrite(tmp_path / label.JOURNAL, [*there[:3], lost(3, "scf_not_converged"), lost(4, "scf_not_converged")])
    with pytest.raises(EngineFailed, match=r"2 of 5 labels are missing, more than the settings allow \(2 scf_not_converged\)") as caught:
        run(tmp_path, spec)
    assert caught.value.permanent  # the same SCF would end the same by itself
    assert len(run(tmp_path, spec).records) == 5


def test_refused_geometries_do_not_count_for_the_share(tmp_path):
    frames = snapshots_of(li3n(), 5)
    frames.positions_A[1:3] = frames.positions_A[0]
    frames.positions_A[3, 0] = frames.positions_A[3, 1]
    result = run(tmp_path, replace(spec_for(tmp_path, frames), min_labelled_share=0.8))
    assert [record.cause for record in result.records] == ["", "duplicate", "duplicate", "bad_geometry", ""]


def test_a_stage_that_fails_says_how_many_labels_it_took(tmp_path):
    frames = snapshots_of(li3n(), 2)
    far = Frames(frames.symbols, frames.positions_A * 4, frames.cell_A * 4)
    with pytest.raises(EngineFailed, match="None of the 2 snapshots") as caught:
        run(tmp_path, spec_for(tmp_path, far, LabellerSpec("chgnet")))
    assert caught.value.labels_computed == 2


def test_no_snapshot_is_said(tmp_path):
    with pytest.raises(EngineFailed, match="no snapshot to label"):
        run(tmp_path, spec_for(tmp_path, snapshots_of(li3n(), 1), indices=[]))
