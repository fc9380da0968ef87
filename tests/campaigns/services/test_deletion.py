"""A deletion says what goes, keeps what others need, and a kill in the middle of it leaves nothing for ever."""

import os

import pytest
from django.urls import reverse

from campaigns.enums import CampaignState
from campaigns.models import Artefact, Campaign, Frame, Leftover
from campaigns.services import data_folder, deletion
from campaigns.services.errors import WrongState
from tests import factories

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def campaign():
    row = factories.full_campaign(factories.user("ada"), n_steps=1)
    Campaign.objects.filter(pk=row.pk).update(state=CampaignState.CONVERGED)
    row.refresh_from_db()
    return row


def bytes_in(folder):
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def test_what_goes_is_counted_and_goes(campaign, client):
    loss = deletion.what_goes(campaign)
    assert loss.configurations == campaign.frames.count() > 0
    assert loss.models == campaign.trained_models.count() > 0
    assert loss.n_bytes == bytes_in(campaign.folder) > 0
    client.force_login(campaign.owner)
    page = client.get(reverse("campaign-deletion", args=[campaign.pk])).content.decode()
    assert f"Delete {loss.files} files and all results" in page
    assert loss.labels_stay
    assert "labels --free" in page
    folder = campaign.folder
    assert client.post(reverse("campaign-delete", args=[campaign.pk])).status_code == 302
    assert not folder.exists()
    assert not Artefact.objects.exists()
    assert not Frame.objects.exists()
    assert list((folder.parent.parent / "trash").iterdir()) == []


def test_a_method_that_keeps_no_labels_leaves_none(campaign, client):
    Campaign.objects.update(labeller="lammps")
    client.force_login(campaign.owner)
    assert "labels --free" not in client.get(reverse("campaign-deletion", args=[campaign.pk])).content.decode()


def test_a_running_one_is_not_deleted(campaign, client):
    Campaign.objects.update(state=CampaignState.RUNNING)
    with pytest.raises(WrongState, match="cancel it first"):
        deletion.delete(campaign)
    client.force_login(campaign.owner)
    assert "Cancel it first" in client.get(reverse("campaign-deletion", args=[campaign.pk])).content.decode()


def test_a_file_that_another_campaign_refers_to_stays(campaign):
    shared = campaign.frames.first().artefact
    other = factories.campaign(campaign.owner, "other", state=CampaignState.CONVERGED)
    stage = factories.stage(other, "label")
    Frame.objects.create(campaign=other, stage=stage, artefact=shared, row=999, source="explore", loop=1, step=1, n_atoms=8,
                         composition="x", verdict="kept")  # fmt: skip
    assert deletion.what_goes(campaign).kept_files == 1
    deletion.delete(campaign)
    assert shared.file.exists()
    assert bytes_in(shared.file.parents[3]) == shared.n_bytes
    assert Artefact.objects.filter(pk=shared.pk).exists()
    deletion.sweep()
    assert shared.file.exists()
    deletion.delete(other)
    deletion.sweep()
    assert not shared.file.exists()
    assert not Artefact.objects.filter(pk=shared.pk).exists()


def test_an_upload_goes_with_its_last_campaign(campaign, settings):
    upload = settings.DATA_DIR / "uploads" / str(campaign.owner_id) / f"{'a' * 32}.xyz"
    upload.parent.mkdir(parents=True)
    upload.write_text("set")
    copy = factories.campaign(campaign.owner, "copy", state=CampaignState.CONVERGED)
    Campaign.objects.update(s0_upload=str(upload.relative_to(settings.DATA_DIR)))
    campaign.refresh_from_db()
    deletion.delete(campaign)
    assert upload.exists()
    copy.refresh_from_db()
    deletion.delete(copy)
    assert not upload.exists()


@pytest.mark.parametrize("moment", ["before the files are moved", "before the trash is emptied"])
def test_killed_in_the_middle(campaign, settings, monkeypatch, moment):
    def killed(*arguments, **options):
        raise SystemExit

    folder = campaign.folder
    place = (deletion, "remove_folder") if moment == "before the files are moved" else (deletion.shutil, "rmtree")
    with monkeypatch.context() as patched:
        patched.setattr(*place, killed)
        with pytest.raises(SystemExit):
            deletion.delete(campaign)
    assert not Campaign.objects.exists()
    assert deletion.sweep() == 1
    assert not folder.exists()
    assert list((settings.DATA_DIR / "trash").iterdir()) == []
    assert not Leftover.objects.exists()


def test_a_folder_whose_row_was_lost_and_not_deleted_stays(campaign):
    """An older snapshot of the database was put back by hand."""
    data_folder.check()
    folder = campaign.folder
    campaign.delete()
    os.utime(folder, (0, 0))
    assert deletion.sweep() == 0
    assert bytes_in(folder) > 0


def test_files_stay_while_a_backup_reads_them(campaign):
    folder = campaign.folder
    with deletion.deletions_wait():
        deletion.delete(campaign)
        assert folder.exists()
        assert deletion.sweep() == 0
    assert deletion.sweep() == 1
    assert not folder.exists()


def test_uploads_that_nobody_took_up_go_to_the_trash_after_a_week_and_for_good_after_a_month(settings, db):
    data_folder.check()
    folder = settings.DATA_DIR / "uploads" / "1"
    folder.mkdir(parents=True)
    old, new = folder / "old.xyz", folder / "new.xyz"
    for path in (old, new):
        path.write_text("set")
    os.utime(old, (0, 0))
    assert deletion.sweep() == 1
    assert (old.exists(), new.exists()) == (False, True)
    (away,) = (settings.DATA_DIR / "trash").iterdir()
    assert (deletion.sweep(), away.read_text()) == (0, "set")
    os.utime(away, (0, 0))
    assert deletion.sweep() == 1
    assert not away.exists()
