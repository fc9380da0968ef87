"""How long a browser stays signed in, and what ends it before."""

import time
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest
from django.contrib.sessions.models import Session
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse
from knox.models import AuthToken

from campaigns.services import accounts
from tests.web.programs import program

DAY_S = 86400.0


@pytest.fixture
def later(monkeypatch):
    """What the clock says, so many days after the test began."""
    began = time.time()

    def turn(days):
        now = began + days * DAY_S
        monkeypatch.setattr("sseweb.sessions.time", SimpleNamespace(time=lambda: now))
        monkeypatch.setattr("django.utils.timezone.now", lambda: datetime.fromtimestamp(now, UTC))

    return turn


def is_in(client, **query):
    return client.get(reverse("account"), query).status_code == 200


def test_a_session_ends_four_days_after_it_was_last_used(as_ada, later):
    for days in (3, 6):  # used meanwhile
        later(days)
        assert is_in(as_ada)
    later(9.9)
    assert is_in(as_ada)
    later(14.0)
    assert not is_in(as_ada)


def test_a_page_that_was_left_open_does_not_keep_it(as_ada, later):
    for days in (1, 2, 3):
        later(days)
        assert is_in(as_ada, seen="abc")
    later(4.1)
    assert not is_in(as_ada)


def test_after_two_weeks_everybody_signs_in_again(as_ada, later):
    for days in range(1, 14):
        later(days)
        assert is_in(as_ada)
    later(14.01)
    assert not is_in(as_ada)
    assert not Session.objects.exists()


def test_a_changed_password_withdraws_the_tokens_of_programs(as_ada, ada, bob):
    mine, his = program(ada), program(bob)
    changed = {"old_password": "an interstitial ion", "new_password1": "grain boundaries 7", "new_password2": "grain boundaries 7"}
    page = as_ada.post(reverse("change-password"), changed, follow=True)
    assert "tokens of programs are withdrawn" in page.content.decode()
    statuses = [client.get(reverse("api:campaign-list")).status_code for client in (mine, his)]
    assert statuses == [401, 200]


def test_a_password_set_behind_a_link_withdraws_them_too(ada, client):
    AuthToken.objects.create(ada)
    form = client.get(accounts.password_link(ada), follow=True)
    client.post(form.request["PATH_INFO"], {"new_password1": "grain boundaries 7", "new_password2": "grain boundaries 7"})
    assert not AuthToken.objects.exists()


def test_an_account_that_is_opened_again_is_not_signed_in_by_its_old_session(as_ada, ada, root):
    accounts.set_active(ada, False, root)
    accounts.set_active(ada, True, root)
    assert not is_in(as_ada)


def test_an_administrator_signs_out_one_or_all(as_ada, ada, bob):
    as_bob = Client()
    as_bob.force_login(bob)
    token = program(ada)
    call_command("sign_out", "ada", verbosity=0)
    assert (is_in(as_ada), is_in(as_bob)) == (False, True)
    assert token.get(reverse("api:campaign-list")).status_code == 401
    call_command("sign_out", "--all", verbosity=0)
    assert not is_in(as_bob)
    with pytest.raises(CommandError, match="no account"):
        call_command("sign_out", "nobody")


def test_every_page_offers_to_sign_out(as_ada, full):
    for address in (reverse("campaign-list"), reverse("campaign-overview", args=[full.pk]), reverse("account"), reverse("compare")):
        assert f'action="{reverse("logout")}"' in as_ada.get(address).content.decode()
