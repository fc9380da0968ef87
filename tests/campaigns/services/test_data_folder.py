"""A database beside the data folder of another one starts nothing and removes nothing."""

import os

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from campaigns.models import Campaign, Installation
from campaigns.services import data_folder, deletion
from tests import factories

pytestmark = pytest.mark.django_db


@pytest.fixture
def labels(settings):
    """What campaign 7 has paid for, long ago."""
    path = settings.DATA_DIR / "campaigns" / "7" / "labels.jsonl"
    path.parent.mkdir(parents=True)
    path.write_text("{}\n")
    os.utime(path.parent, (0, 0))
    return path


def test_an_empty_database_beside_an_old_folder_is_refused_and_sweeps_nothing(labels):
    for _ in range(2):
        with pytest.raises(CommandError, match="is not the data folder of this database"):
            call_command("reconcile", "--once")
    with pytest.raises(data_folder.WrongFolder):
        deletion.sweep()
    assert labels.exists()


def test_the_database_of_another_installation_is_refused(settings):
    data_folder.check()
    Installation.objects.update(key="other")
    factories.campaign(factories.user("ada"))
    with pytest.raises(data_folder.WrongFolder, match="echo other > "):
        data_folder.check()
    (settings.DATA_DIR / "installation").write_text("other\n")
    data_folder.check()


def test_a_folder_that_is_not_mounted_is_no_first_start(settings):
    data_folder.check()
    (settings.DATA_DIR / "installation").unlink()
    with pytest.raises(data_folder.WrongFolder, match="mounted"):
        data_folder.check()


def test_data_of_an_earlier_release_are_taken_on(settings, labels):
    factories.campaign(factories.user("ada"), pk=7)
    data_folder.check()
    key = (settings.DATA_DIR / "installation").read_text().strip()
    assert Installation.objects.get().key == key
    Installation.objects.all().delete()  # a snapshot that is older still is put back
    data_folder.check()
    assert Installation.objects.get().key == key
    Installation.objects.all().delete()
    Campaign.objects.all().delete()  # and a database that knows nothing
    with pytest.raises(data_folder.WrongFolder):
        data_folder.check()
