"""What the command line says to a wrong word, number or file, and what it asks before it ends something for good."""

import io
import os
import pty
import sys

import pytest
from django.core.management import CommandError, call_command

from campaigns.enums import CampaignState
from campaigns.services import campaigns
from campaigns.services.errors import WrongState
from tests import factories


@pytest.mark.parametrize(("arguments", "words"), [
    (["campaign", "status", "lgps"], "lgps is not a campaign's number: `manage.py campaign list` prints them"),
    (["export", "archive", "one", "-o", "x.zip"], "one is not a campaign's number"),
    (["up", "--port", "http"], "http is not a whole number"),
    (["arrhenius", "d.csv", "--at-K", "nan"], "nan is not a number"),
])  # fmt: skip
def test_what_is_no_number_is_said_in_words(arguments, words):
    with pytest.raises(CommandError, match=words):
        call_command(*arguments)


@pytest.mark.django_db
@pytest.mark.parametrize(("arguments", "words"), [
    (["arrhenius", "{}/no.csv"], "no.csv cannot be read: there is no such file."),
    (["arrhenius", "{}"], "cannot be read: it is a folder."),
    (["restore", "{}/no.tar", "--replace"], "no.tar cannot be read as a backup: there is no such file."),
    (["backup", "{}/no/folder.tar"], "there is no such file."),
    (["resource", "add", "x", "{}/no.json"], "no.json cannot be read: there is no such file."),
])  # fmt: skip
def test_a_file_that_cannot_be_used_is_named_with_the_reason(arguments, words, tmp_path):
    with pytest.raises(CommandError) as caught:
        call_command(*(word.format(tmp_path) for word in arguments))
    assert words in str(caught.value)
    assert "Errno" not in str(caught.value)


def _cancel(row, *more):
    call_command("campaign", "cancel", str(row.pk), *more, stdout=io.StringIO(), stderr=(said := io.StringIO()))
    row.refresh_from_db()
    return said.getvalue()


@pytest.mark.django_db
def test_cancelling_asks_on_a_terminal_and_wants_a_word_elsewhere(monkeypatch):
    row = factories.campaign(factories.user())
    monkeypatch.setattr(sys, "stdin", io.StringIO("y\n"))
    with pytest.raises(CommandError, match="say --yes"):
        _cancel(row)
    master, terminal = pty.openpty()
    with os.fdopen(terminal) as stdin, os.fdopen(master, "w") as keyboard:
        monkeypatch.setattr(sys, "stdin", stdin)
        keyboard.write("n\ny\n")
        keyboard.flush()
        with pytest.raises(CommandError, match="Nothing was cancelled"):
            _cancel(row)
        row.refresh_from_db()
        assert row.state == CampaignState.RUNNING
        assert "is kept, to look at and to export" in _cancel(row)
    assert row.state == CampaignState.CANCELLED
    other = factories.campaign(factories.user())
    assert _cancel(other, "--yes") == ""
    assert other.state == CampaignState.CANCELLED


@pytest.mark.django_db
@pytest.mark.parametrize(("state", "words"), [
    (CampaignState.DRAFT, "start it"), (CampaignState.RUNNING, "at work"), (CampaignState.FAILED, "retry it"),
    (CampaignState.CONVERGED, "a copy of it"), (CampaignState.CANCELLED, "a copy of it"),
])  # fmt: skip
def test_what_cannot_be_resumed_says_what_can_be_done(state, words):
    with pytest.raises(WrongState, match=f"cannot be resumed now.*{words}"):
        campaigns.resume(factories.campaign(factories.user(), state=state))
