"""Wavefunctions that are kept as guesses: the nearest is found, others are not, and a kill leaves nothing that is half there."""

import subprocess
import sys

import numpy as np
import pytest
from ase.build import bulk

from campaigns.engines.hello import HelloSpec
from campaigns.engines.job import write_spec
from campaigns.engines.labellers.wavefunctions import FOLDER, GEOMETRY, UNDER_WAY, Wavefunctions


def crystal(shift_A=0.0):
    atoms = bulk("LiH", "rocksalt", a=4.0, cubic=True)
    atoms.positions[0] += [shift_A, 0, 0]
    return atoms


@pytest.fixture
def kept(tmp_path):
    return Wavefunctions(tmp_path / "wavefunctions", keep=3, reach_A=0.2)


def add(kept, tmp_path, shift_A):
    file = tmp_path / "restart.wfn"
    file.write_text(f"{shift_A}")
    kept.add(crystal(shift_A), [file])


def found(kept, atoms):
    entry = kept.nearest(atoms)
    return entry and (entry / "restart.wfn").read_text()


def test_a_stage_that_is_done_keeps_none_and_its_outputs_stay(tmp_path):
    place = tmp_path / "cp2k"
    add(Wavefunctions(place / FOLDER, keep=3, reach_A=0.2), tmp_path, 0.0)
    (place / "label-000001.out").write_text("an output")
    main = "from campaigns.engines import job; from campaigns.engines.labellers import wavefunctions; from campaigns.engines.hello import "
    main += "HelloSpec; job.main(lambda folder, spec, progress: {}, HelloSpec, tidy=wavefunctions.free)"
    write_spec(tmp_path, "hello", HelloSpec("tensorflow"))
    subprocess.run([sys.executable, "-c", main, str(tmp_path)], check=True)
    assert (tmp_path / "result.json").exists()
    assert [path.name for path in place.iterdir()] == ["label-000001.out"]


def test_the_nearest_is_found_and_not_the_last(kept, tmp_path):
    assert kept.nearest(crystal()) is None
    for shift_A in (0.0, 0.3, 0.1):
        add(kept, tmp_path, shift_A)
    assert not (tmp_path / "restart.wfn").exists()
    assert found(kept, crystal(0.28)) == "0.3"
    assert found(kept, crystal(0.02)) == "0.0"
    assert found(kept, crystal(-3.95)) == "0.0"  # the same place in the next cell


def test_the_oldest_go_first(kept, tmp_path):
    for shift_A in (0.0, 0.1, 0.2, 0.3, 0.4):
        add(kept, tmp_path, shift_A)
    assert found(kept, crystal()) == "0.2"
    assert len(list((tmp_path / "wavefunctions").iterdir())) == 3


def test_far_configurations_other_cells_and_other_atoms_have_none(kept, tmp_path):
    add(kept, tmp_path, 0.0)
    far, strained, other = crystal(), crystal(), crystal()
    far.positions += 0.12 * np.sign(np.random.default_rng(1).normal(size=far.positions.shape))  # a length of 0.21 Å each
    strained.set_cell(strained.cell.array * 1.001, scale_atoms=True)
    other.symbols[0] = "Na"
    assert [kept.nearest(atoms) for atoms in (far, strained, other)] == [None, None, None]


def test_an_entry_that_a_kill_left_unfinished_is_not_there_and_not_in_the_way(kept, tmp_path):
    half = tmp_path / "wavefunctions" / UNDER_WAY
    half.mkdir(parents=True)
    (half / "restart.wfn").write_text("half")
    removed_in_part = tmp_path / "wavefunctions" / "000001" / "label.save"
    removed_in_part.mkdir(parents=True)
    assert not (tmp_path / "wavefunctions" / "000001" / GEOMETRY).exists()
    assert kept.nearest(crystal()) is None
    add(kept, tmp_path, 0.1)
    assert found(kept, crystal()) == "0.1"
    assert not removed_in_part.exists()


def test_they_survive_the_process(kept, tmp_path):
    add(kept, tmp_path, 0.1)
    again = Wavefunctions(tmp_path / "wavefunctions", keep=3, reach_A=0.2)
    assert found(again, crystal()) == "0.1"
    again.discard(again.nearest(crystal()))
    assert again.nearest(crystal()) is None
