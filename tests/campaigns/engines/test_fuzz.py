"""Some mutated inputs in every run of the tests; 5,000 are in tests/benchmarks/test_fuzz.py."""

from tests import fuzz


def test_mutated_cifs_are_read_or_refused():
    endings, unforeseen, left, longest_s = fuzz.play(fuzz.cif_seeds(), fuzz.read_cif, 60, 30.0)
    assert sum(endings.values()) >= 60
    assert endings["refused"] > 0
    assert not unforeseen
    assert left == []
    assert longest_s < 30


def test_mutated_data_sets_are_read_or_refused(tmp_path):
    endings, unforeseen, left, longest_s = fuzz.play(fuzz.data_set_seeds(tmp_path), fuzz.read_data_set(tmp_path), 60, 60.0)
    assert endings["refused"] > 0
    assert not unforeseen
    assert left == []
    assert longest_s < 60
