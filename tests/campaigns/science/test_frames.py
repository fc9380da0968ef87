import dataclasses

import numpy as np
import pytest

from campaigns.science.frames import Frames, concatenate, write_deepmd_system


@pytest.fixture
def frames():
    rng = np.random.default_rng(3)
    return Frames(
        np.array(["Li", "N", "Li"]),
        rng.random((4, 3, 3)),
        rng.random((4, 3, 3)),
        energy_eV=rng.random(4),
        forces_eV_A=rng.random((4, 3, 3)),
        virial_eV=rng.random((4, 3, 3)),
        time_ps=np.arange(4.0),
    )


def test_a_frames_file_gives_back_every_bit(frames, tmp_path):
    folder = tmp_path / "stage"
    folder.mkdir()
    frames.save(folder / "frames.npz")
    loaded = Frames.load(folder / "frames.npz")
    for field in dataclasses.fields(Frames):
        saved, found = getattr(frames, field.name), getattr(loaded, field.name)
        assert (saved is None and found is None) or np.array_equal(saved, found)
    assert [path.name for path in folder.iterdir()] == ["frames.npz"]


def test_selection_keeps_order_and_all_arrays(frames):
    chosen = frames[[2, 0]]
    assert len(chosen) == 2
    assert chosen.energy_eV.tolist() == frames.energy_eV[[2, 0]].tolist()
    assert chosen.time_ps.tolist() == [2.0, 0.0]
    assert chosen.model_energy_eV is None


def test_concatenation(frames):
    joined = concatenate([frames[[0]], frames[[1, 2, 3]]])
    assert np.array_equal(joined.forces_eV_A, frames.forces_eV_A)


def test_frames_of_other_atoms_are_not_joined(frames):
    with pytest.raises(ValueError, match="atom lists"):
        concatenate([frames, dataclasses.replace(frames, symbols=np.array(["N", "Li", "Li"]))])


def test_frames_with_and_without_labels_are_not_joined(frames):
    with pytest.raises(ValueError, match="energy_eV is missing"):
        concatenate([frames, dataclasses.replace(frames, energy_eV=None)])


def test_a_wrong_shape_is_named(frames):
    with pytest.raises(ValueError, match=r"forces_eV_A has shape \(4, 2, 3\)"):
        dataclasses.replace(frames, forces_eV_A=np.zeros((4, 2, 3)))


def test_deepmd_system(frames, tmp_path):
    write_deepmd_system(frames, ["N", "Li"], tmp_path)
    assert (tmp_path / "type.raw").read_text().split() == ["1", "0", "1"]
    assert (tmp_path / "type_map.raw").read_text().split() == ["N", "Li"]
    assert np.array_equal(np.load(tmp_path / "set.000/coord.npy").reshape(4, 3, 3), frames.positions_A)
    assert np.array_equal(np.load(tmp_path / "set.000/virial.npy").reshape(4, 3, 3), frames.virial_eV)


def test_only_labelled_frames_make_a_deepmd_system(frames, tmp_path):
    with pytest.raises(ValueError, match="labelled"):
        write_deepmd_system(dataclasses.replace(frames, forces_eV_A=None), ["Li", "N"], tmp_path)
    write_deepmd_system(dataclasses.replace(frames, virial_eV=None), ["Li", "N"], tmp_path / "without")
    assert not (tmp_path / "without/set.000/virial.npy").exists()
