"""Guessing passwords, behind the server with TLS as well."""

import pytest
from django.core.management import call_command
from django.test import Client
from django.urls import reverse

from sseweb.sign_in import FAILURES_OF_ADDRESS

HERE, ELSEWHERE = "192.0.2.7", "198.51.100.3"
RIGHT = {"username": "ada", "password": "an interstitial ion"}
WRONG = RIGHT | {"password": "wrong"}


def tries(address, sent, **headers):
    return Client(REMOTE_ADDR="127.0.0.1", HTTP_X_FORWARDED_FOR=address, **headers).post(reverse("login"), sent).status_code


@pytest.fixture
def behind_nginx(settings):
    settings.HTTPS = True


@pytest.mark.usefixtures("behind_nginx")
def test_an_owner_is_not_locked_out_from_elsewhere(ada):
    for _ in range(10):
        last = tries(HERE, WRONG)
    assert (last, tries(HERE, RIGHT)) == (429, 429)
    assert tries(f"{HERE}, {ELSEWHERE}", RIGHT) == 302  # what a browser claims stands before what the server says
    assert tries(HERE, RIGHT, HTTP_USER_AGENT="another") == 429


@pytest.mark.usefixtures("behind_nginx")
def test_one_password_is_not_tried_on_many_names(ada):
    for number in range(FAILURES_OF_ADDRESS):
        assert tries(HERE, WRONG | {"username": f"name-{number}"}) == 200
    assert (tries(HERE, RIGHT), tries(ELSEWHERE, RIGHT)) == (429, 302)
    call_command("axes_reset_ip", HERE)
    assert tries(HERE, RIGHT) == 302


def test_without_a_server_in_front_the_header_is_a_claim_of_the_browser(ada):
    for number in range(10):
        last = tries(f"192.0.2.{number}", WRONG)
    assert last == 429
    assert tries("not an address", RIGHT) == 429
