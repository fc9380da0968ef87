"""A file that is not what its row says is named."""

import io

import pytest
from django.core.management import call_command

from campaigns.models import Artefact, Campaign
from campaigns.services import check_data, deletion
from tests import factories

pytestmark = pytest.mark.django_db


@pytest.fixture
def campaign():
    row = factories.full_campaign(factories.user(), n_steps=1)
    for stage in row.stages.filter(state="done"):
        (stage.folder / "result.json").write_text("{}")
    return row


def said():
    out = io.StringIO()
    try:
        call_command("check_data", stdout=out)
    except SystemExit as end:
        return end.code, out.getvalue()
    return 0, out.getvalue()


def test_whole_data_are_said_to_be_whole(campaign):
    status, text = said()
    assert status == 0
    assert f"{Artefact.objects.count()} files" in text


def test_what_is_damaged_lost_or_cut_is_named(campaign):
    one, two, three = Artefact.objects.order_by("path")[:3]
    one.file.unlink()
    content = bytearray(two.file.read_bytes())
    content[0] ^= 1
    two.file.write_bytes(content)
    three.file.write_bytes(three.file.read_bytes()[:-1])
    stage = campaign.stages.filter(state="done").last()
    (stage.folder / "result.json").unlink()
    status, text = said()
    assert status == 1
    for words in (f"{one.path}: is missing", f"{two.path}: its content has changed", f"{three.path}: has", f"stage {stage.pk} "):
        assert words in text
    assert "4 problems" in text


def test_a_folder_in_the_place_of_a_file_is_a_problem_and_no_traceback(campaign):
    one = Artefact.objects.first()
    one.file.unlink()
    one.file.mkdir()
    assert any(problem for _, problem in check_data.damaged_artefacts())


def test_files_that_have_no_row_of_their_own_are_looked_at_too(campaign, settings):
    Campaign.objects.update(s0_upload="uploads/1/set.xyz")
    row = campaign.owner.trajectory_analyses.create(
        name="run", file_names=["run.xyz"], mobile_ion="Li", temperature_K=600, spec={"files": ["00-run.extxyz"]}
    )
    row.folder.mkdir(parents=True)
    (row.folder / "00-run.extxyz").touch()
    for name in ("campaigns/99", "analyses/nobody", "campaigns/98"):
        (settings.DATA_DIR / name).mkdir()
    deletion.leave(settings.DATA_DIR / "campaigns/98")
    status, text = said()
    assert status == 1
    for words in ("its data set for S0 is missing", "00-run.extxyz is missing or empty", "campaigns/99: no row", "analyses/nobody: no row"):
        assert words in text
    assert "4 problems" in text
