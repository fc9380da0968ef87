"""5,000 mutated CIFs and data sets: none hangs, none is unforeseen, none leaves a file."""

from tests import fuzz

N_EXAMPLES = 2500


def test_mutated_cifs(capsys):
    _report(capsys, "CIFs", *fuzz.play(fuzz.cif_seeds(), fuzz.read_cif, N_EXAMPLES, 30.0))


def test_mutated_data_sets(tmp_path, capsys):
    _report(capsys, "data sets", *fuzz.play(fuzz.data_set_seeds(tmp_path), fuzz.read_data_set(tmp_path), N_EXAMPLES, 60.0))


def _report(capsys, what, endings, unforeseen, left, longest_s):
    with capsys.disabled():
        print(f"\n{what}: {dict(endings)}, longest {longest_s:.1f} s")
        for (ending, text), n in unforeseen.most_common():
            print(f"  {n} {ending}: {text}")
    assert not unforeseen
    assert left == []
