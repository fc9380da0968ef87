"""Clusters on the pages: chosen by name where there are any, and a job's state shown as it is."""

import json

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from campaigns.enums import JobState, StageKind, StageState
from campaigns.models import Campaign
from campaigns.services import resources
from tests import factories
from tests.web.typed import as_typed, typed_campaign

DOCUMENT = {
    "machine": {"batch_type": "Slurm", "context_type": "LocalContext", "local_root": "./"},
    "resources": {"cpu_per_node": 16, "gpu_per_node": 1, "queue_name": "gpu", "group_size": 1, "custom_flags": ["#SBATCH --time=24:00:00"]},
}


@pytest.fixture
def gpu(db):
    resources.add("gpu-queue", DOCUMENT)


def _with_job(row, job_state, **record):
    stage = factories.stage(row, StageKind.TRAIN, StageState.RUNNING, resource="gpu-queue", job_state=job_state, cores=16)
    known = {"resource": "gpu-queue", "name": "sse-0123456789", "job_id": "4711", "state": "queued", "detail": ""}
    (stage.folder / "job.json").write_text(json.dumps(known | record))
    return stage


def test_nothing_is_to_choose_without_a_resource(as_ada, ada):
    factories.material(ada)
    text = as_ada.get(reverse("campaign-new")).content.decode()
    assert "Where it runs" not in text
    assert "4. Review" in text


def test_a_campaign_is_sent_to_a_resource_and_keeps_it_when_it_is_edited(as_ada, ada, gpu):
    material = factories.material(ada)
    sent = typed_campaign(material) | {"resource-train": "gpu-queue", "resource-label": ""}
    as_ada.post(reverse("campaign-new"), sent)
    made = Campaign.objects.get()
    assert made.resources == {"train": "gpu-queue"}
    address = reverse("campaign-edit", args=[made.pk])
    shown = as_ada.get(address)
    assert "Where it runs" in shown.content.decode()
    as_ada.post(address, as_typed(shown.context["setup"]) | {"resource-train": "gpu-queue", "resource-evaluate": "gpu-queue"})
    made.refresh_from_db()
    assert made.resources == {"train": "gpu-queue", "evaluate": "gpu-queue"}
    assert "gpu-queue" in as_ada.get(reverse("campaign-settings", args=[made.pk])).content.decode()


def test_a_resource_that_was_removed_is_refused_at_its_field(as_ada, ada, gpu):
    resources.add("other", DOCUMENT)
    as_ada.post(reverse("campaign-new"), typed_campaign(factories.material(ada)) | {"resource-train": "gpu-queue"})
    made = Campaign.objects.get()
    resources.remove("gpu-queue", force=True)
    address = reverse("campaign-edit", args=[made.pk])
    shown = as_ada.get(address)
    assert "gpu-queue (gone)" in shown.content.decode()
    refused = as_ada.post(address, as_typed(shown.context["setup"]) | {"resource-train": "gpu-queue"})
    assert refused.status_code == 422
    assert refused.context["setup"].resources.errors["train"]


@pytest.mark.parametrize(
    ("job_state", "record", "words"),
    [
        (JobState.QUEUED, {}, "queued on gpu-queue as job 4711"),
        (JobState.UNKNOWN, {"detail": "Unable to contact slurm controller"}, "is not known: Unable to contact slurm controller"),
        (JobState.SUBMITTING, {"job_id": "", "detail": "The queue takes no more jobs"}, "being submitted to gpu-queue: The queue takes"),
        (JobState.RUNNING, {"state": "running"}, "4711"),
    ],
)
def test_a_stage_says_how_its_job_stands(as_ada, ada, gpu, job_state, record, words):
    row = factories.campaign(ada)
    stage = _with_job(row, job_state, **record)
    text = as_ada.get(reverse("stage", args=[stage.pk])).content.decode()
    assert words in text
    assert ("badge-run" in text) == (job_state == JobState.RUNNING)  # a job that waits does not look as if it ran
    assert "gpu-queue" in as_ada.get(reverse("campaign-stages", args=[row.pk])).content.decode()
    assert as_ada.get(reverse("campaign-overview", args=[row.pk])).status_code == 200


def test_a_stage_that_has_no_place_says_so(as_ada, ada, gpu):
    resources.limit("gpu-queue", 1)
    row = factories.campaign(ada)
    _with_job(row, JobState.QUEUED)
    waits = factories.stage(row, StageKind.LABEL, StageState.PENDING, resource="gpu-queue")
    words = "aiting for a place on gpu-queue: 1 of 1 job"
    assert words in as_ada.get(reverse("stage", args=[waits.pk])).content.decode()
    assert words in as_ada.get(reverse("campaign-overview", args=[row.pk])).content.decode()


def test_administrators_see_resources_and_jobs_with_as_many_queries_for_one_as_for_three(client, root, ada, gpu):
    client.force_login(root)
    counts = []
    for n in (1, 2):
        row = factories.campaign(ada)
        for _ in range(n):
            _with_job(row, JobState.QUEUED)
        with CaptureQueriesContext(connection) as queries:
            text = client.get(reverse("resource-list")).content.decode()
        counts.append(len(queries))
    assert counts[0] == counts[1]
    for words in ("gpu-queue", "--time=24:00:00", "4711", "Slurm"):
        assert words in text


def test_the_api_takes_and_tells_resources(as_ada, ada, gpu):
    material = factories.material(ada)
    sent = {"material": material.pk, "resources": {"train": "gpu-queue"}}
    made = as_ada.post("/api/v1/campaigns/", sent, content_type="application/json")
    assert (made.status_code, made.json()["resources"]) == (201, {"train": "gpu-queue"})
    refused = as_ada.post("/api/v1/campaigns/", sent | {"resources": {"train": "tpu"}}, content_type="application/json")
    assert refused.status_code == 400
    assert "there is: gpu-queue" in json.dumps(refused.json())
    stage = _with_job(Campaign.objects.get(), JobState.QUEUED)
    (told,) = as_ada.get(f"/api/v1/campaigns/{stage.campaign_id}/stages/").json()["results"]
    assert (told["resource"], told["job_state"]) == ("gpu-queue", "queued")


def test_the_api_lists_resources_without_what_concerns_administrators_alone(as_ada, gpu):
    remote = {"hostname": "login.cluster.org", "username": "marie", "key_filename": "/home/marie/key"}
    ssh = DOCUMENT["machine"] | {"context_type": "SSHContext", "remote_profile": remote}
    resources.add("far", DOCUMENT | {"machine": ssh, "python": "/secret/python", "backend": "pytorch"})
    answer = as_ada.get("/api/v1/resources/")
    far, near = answer.json()["results"]
    assert {name: far[name] for name in far if name != "created_at"} == {
        "name": "far", "queueing_system": "Slurm", "queue": "gpu", "cores": 16, "gpus": 1, "max_jobs": None, "backend": "pytorch",
    }  # fmt: skip
    assert (near["name"], near["backend"]) == ("gpu-queue", "tensorflow")
    assert not any(word in answer.content.decode() for word in ("login", "marie", "secret", "--time"))
    assert as_ada.post("/api/v1/resources/", {"name": "x"}, content_type="application/json").status_code == 405


def test_a_resource_of_the_other_backend_says_so_where_it_is_chosen(as_ada, ada, root, gpu, client):
    resources.add("new", DOCUMENT, backend="pytorch")
    factories.material(ada)
    text = as_ada.get(reverse("campaign-new")).content.decode()
    assert "new (PyTorch)" in text
    assert "gpu-queue (" not in text
    client.force_login(root)
    shown = client.get(reverse("resource-list")).content.decode()
    assert "<td>PyTorch</td>" in shown
    assert "<td>TensorFlow</td>" in shown
