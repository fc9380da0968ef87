"""A person's verdict stands above cleaning's, until it is withdrawn; what was trained on before stays what it was."""

import pytest

from campaigns.enums import StageKind, Verdict
from campaigns.models import Frame, Overruling, TrainingSet
from campaigns.services import cleaning, overruling, specs
from campaigns.services.errors import BadInput, WrongState
from tests import factories

pytestmark = pytest.mark.django_db


@pytest.fixture
def ada(db):
    return factories.user("ada")


@pytest.fixture
def cleaned(ada):
    """A campaign with twenty-one configurations of S0, one of them an outlier, after its first cleaning."""
    row = factories.campaign(ada)
    frames = factories.frames(factories.stage(row, StageKind.S0, loop=0, step=0), 21, first=True)
    for number, frame in enumerate(frames):
        energy = -4.0 if number == 20 else -4.125 + 0.001 * (number % 7)
        Frame.objects.filter(pk=frame.pk).update(energy_eV_atom=energy, max_force_eV_A=1.0, verdict="kept", rule="", number=None)
    cleaning.clean(row, 0, 0)
    return row


def outlier(row):
    return row.frames.get(energy_eV_atom=-4.0)


def trained_on(row):
    return sum(len(selection.indices) for selection in specs.kept_frames(row))


def test_an_overruled_verdict_counts_from_the_next_set_on_and_not_in_the_one_under_way(cleaned, ada):
    frame = outlier(cleaned)
    assert (frame.verdict, frame.rule) == (Verdict.REJECTED, "energy")
    overruling.overrule(frame, ada, Verdict.KEPT, "a rare but real configuration")
    assert (frame.verdict, frame.overruled, frame.cleaning_verdict) == (Verdict.KEPT, Verdict.KEPT, Verdict.REJECTED)
    first = TrainingSet.objects.get(campaign=cleaned)
    assert (trained_on(cleaned), first.members().count(), first.n_kept) == (20, 20, 20)
    second = cleaning.clean(cleaned, 1, 1)
    assert (second.n_kept, second.n_rejected, second.members().count(), trained_on(cleaned)) == (21, 0, 21, 21)
    assert first.members().count() == 20
    change = frame.history.last()
    assert (change.verdict, change.overruled, change.rule) == (Verdict.KEPT, True, "energy")


def test_it_stays_overruled_when_the_medians_move(cleaned, ada):
    frame = cleaned.frames.exclude(pk=outlier(cleaned).pk).first()
    overruling.overrule(frame, ada, Verdict.REJECTED, "the cell was wrong")
    for step in (1, 2):
        cleaned.frames.exclude(pk=frame.pk).update(energy_eV_atom=-4.125 + 0.01 * step)
        cleaning.clean(cleaned, 1, step)
        frame.refresh_from_db()
        assert frame.verdict == Verdict.REJECTED
        assert frame.pk not in TrainingSet.objects.get(campaign=cleaned, step=step).members().values_list("pk", flat=True)


def test_withdrawn_it_is_what_cleaning_says_and_the_record_stays(cleaned, ada):
    frame = outlier(cleaned)
    overruling.overrule(frame, ada, Verdict.KEPT, "a rare configuration")
    overruling.withdraw(frame, ada, "it was an artefact after all")
    assert (frame.verdict, frame.overruled) == (Verdict.REJECTED, "")
    said = list(Overruling.objects.values_list("frame", "verdict", "reason", "by__username", "by_name"))
    assert said == [
        (frame.pk, "kept", "a rare configuration", "ada", "ada"),
        (frame.pk, "", "it was an artefact after all", "ada", "ada"),
    ]
    assert cleaning.clean(cleaned, 1, 1).n_kept == 20


def test_who_said_it_stays_when_the_account_goes(cleaned, ada):
    bob = factories.user("bob")
    overruling.overrule(outlier(cleaned), bob, Verdict.KEPT, "rare")
    bob.delete()
    assert Overruling.objects.get().by_name == "bob"


@pytest.mark.parametrize(
    ("verdict", "reason", "error", "text"),
    [
        ("kept", "  ", BadInput, "Say why"),
        ("kept", "x" * 2001, BadInput, "at most 2000"),
        ("unlabelled", "because", BadInput, "kept or rejected"),
    ],
)
def test_what_is_refused(cleaned, ada, verdict, reason, error, text):
    with pytest.raises(error, match=text):
        overruling.overrule(outlier(cleaned), ada, verdict, reason)
    assert not Overruling.objects.exists()


def test_nothing_to_overrule(cleaned, ada):
    frame = outlier(cleaned)
    with pytest.raises(WrongState, match="Nobody has overruled"):
        overruling.withdraw(frame, ada, "no reason")
    overruling.overrule(frame, ada, Verdict.KEPT, "rare")
    with pytest.raises(WrongState, match="already"):
        overruling.overrule(frame, ada, Verdict.KEPT, "rare")
    Frame.objects.filter(pk=frame.pk).update(verdict=Verdict.UNLABELLED, overruled="")
    with pytest.raises(WrongState, match="no label"):
        overruling.overrule(frame, ada, Verdict.KEPT, "rare")


def test_a_campaign_without_a_history_of_its_first_verdicts_trains_on_what_is_kept(cleaned):
    cleaned.frames.first().history.all().delete()
    assert trained_on(cleaned) == cleaned.frames.filter(verdict=Verdict.KEPT).count() == 20
