"""Server time of the campaign pages: 3 loops of 15 steps with 100 configurations each, beside the same pages with one step."""

import time
from statistics import median

import pytest
from django.contrib.auth import get_user_model
from django.db import connection
from django.test.utils import CaptureQueriesContext

from tests import factories

PAGES = ("", "results/", "training-set/", "models/", "stages/", "settings/")
REPEATS = 7
LIMIT_S = 0.1
COMPARED = ("activation-energy", "diffusivity", "conductivity")


def server_seconds(client, url):
    client.get(url)
    times = []
    for _ in range(REPEATS):
        began = time.perf_counter()
        assert client.get(url).status_code == 200
        times.append(time.perf_counter() - began)
    return median(times)


@pytest.mark.django_db
def test_a_large_campaign_is_browsed_like_a_small_one(client):
    owner = get_user_model().objects.create_user("marie")
    client.force_login(owner)
    small = factories.full_campaign(owner, "small", n_loops=1, n_steps=1, frames_per_step=10, preset="paper")
    large = factories.full_campaign(owner, "large", n_loops=3, n_steps=15, frames_per_step=100, preset="paper")
    assert large.frames.count() >= 4500
    print(f"\n{'page':<16}{'one step':>12}{'45 steps':>12}  seconds of server time, median of {REPEATS}")
    slower = {}
    for page in PAGES:
        few, many = (server_seconds(client, f"/campaigns/{row.pk}/{page}") for row in (small, large))
        print(f"{page or 'overview':<16}{few:>12.3f}{many:>12.3f}")
        slower[page] = many - few
    assert max(slower.values()) < LIMIT_S, slower


@pytest.mark.django_db
def test_fifty_campaigns_are_compared(client):
    """Less than a megabyte for page and plots together, and as many queries as for one campaign."""
    owner = get_user_model().objects.create_user("marie")
    client.force_login(owner)
    made = [factories.full_campaign(owner, f"campaign {number}", n_loops=1, n_steps=2, frames_per_step=2) for number in range(50)]
    one, many = f"?campaign={made[0].pk}", "?" + "&".join(f"campaign={row.pk}" for row in made)
    sent, seconds = 0, 0.0
    for address in ("/compare/", "/plots/compare/", *(f"/plots/compare/{quantity}/" for quantity in COMPARED)):
        assert client.get(address + one).status_code == 200
        with CaptureQueriesContext(connection) as few:
            client.get(address + one)
        began = time.perf_counter()
        with CaptureQueriesContext(connection) as found:
            sent += len(client.get(address + many).content)
        seconds += time.perf_counter() - began
        assert len(found) == len(few)
    print(f"\n50 campaigns compared: {sent / 1e6:.2f} MB, {seconds:.2f} s of server time")
    assert sent < 1e6
