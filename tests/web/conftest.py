"""Two users and a campaign with everything in it."""

import pytest
from django.conf import settings

from tests import factories
from tests.web.programs import program


@pytest.fixture(scope="session", autouse=True)
def static_files():
    """Looked up when asked for: WhiteNoise else reads all of BokehJS for every test's client."""
    settings.WHITENOISE_AUTOREFRESH = True


@pytest.fixture
def ada(db):
    return factories.user("ada")


@pytest.fixture
def bob(db):
    return factories.user("bob")


@pytest.fixture
def root(db):
    return factories.user("root", is_superuser=True, is_staff=True)


@pytest.fixture
def full(ada):
    return factories.full_campaign(ada, frames_per_step=6)


@pytest.fixture
def as_ada(client, ada):
    client.force_login(ada)
    return client


@pytest.fixture
def api(ada):
    return program(ada)
