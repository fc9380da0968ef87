"""Labels that are kept are counted, and freed only by who was asked or said so before."""

import io

import pytest
from django.core.management import CommandError, call_command

from campaigns.services import label_store


def labels(*arguments):
    out = io.StringIO()
    call_command("labels", *arguments, stdout=out)
    return out.getvalue()


@pytest.fixture
def two_labels():
    for name in ("ab1", "cd2"):
        folder = label_store.folder() / name[:2]
        folder.mkdir()
        (folder / f"{name}.json").write_text("{}")
    return label_store.folder()


def test_they_are_counted_and_stay(two_labels):
    assert labels() == "2 labels kept, 0.0 MB.\n"
    with pytest.raises(CommandError, match="say --yes"):
        labels("--free")
    assert label_store.store().labels == 2


def test_freed_they_are_gone_and_another_can_be_written_at_once(two_labels):
    assert labels("--free", "--yes").splitlines()[-1] == "2 labels removed."
    assert label_store.store() == label_store.Store(0, 0)
    assert (two_labels / "ab").is_dir()


@pytest.mark.parametrize(("answer", "left"), [("y\n", 0), ("\n", 2)])
def test_an_answer_decides(two_labels, monkeypatch, answer, left):
    terminal = io.StringIO(answer)
    terminal.isatty = lambda: True
    monkeypatch.setattr("sys.stdin", terminal)
    labels("--free")
    assert label_store.store().labels == left
