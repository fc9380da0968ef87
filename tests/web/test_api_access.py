"""Who may do what over the API: one table of every address and method, complete by test."""

import pytest
from django.test import Client

from analysis.models import TrajectoryAnalysis
from campaigns.models import Campaign, Frame, Material, MdRun, Project, Stage, TrainedModel
from campaigns.services import projects, sharing
from tests import factories
from tests.web.programs import at, post, program

# name: method, arguments; GET is 200 for who may look. Owner and administrator may everything, what is in a project is looked at by its
# viewers, changed by its members, deleted, moved and shared by its owners (else 403). Somebody else: 404, nobody: 401.
LOOK = {
    "methodcheck-list": ("get", ["campaign"]),
    "parity": ("get", ["campaign", 1, 1, "force"]),
    "trajectoryanalysis-structure": ("get", ["trajectory", "rdf"]),
    "one-run-structure": ("get", ["run", "rdf"]),
    "campaign-cost": ("get", ["campaign"]),
    "campaign-document": ("get", ["campaign"]),
    "campaign-dpgen": ("get", ["campaign"]),
    "configuration-history": ("get", ["frame"]),
    "model-learning-curve": ("get", ["model"]),
    "material-detail": ("get", ["material"]),
    "material-cif": ("get", ["material"]),
    "campaign-detail": ("get", ["campaign"]),
    "campaign-result": ("get", ["campaign"]),
    "campaign-data-set": ("get", ["campaign"]),
    "campaign-archive": ("get", ["campaign"]),
    "stage-list": ("get", ["campaign"]),
    "frame-list": ("get", ["campaign"]),
    "campaign-model-list": ("get", ["campaign"]),
    "model-detail": ("get", ["model"]),
    "model-package": ("get", ["model"]),
    "model-file": ("get", ["model", "frozen"]),
    "campaign-setup": ("get", ["campaign"]),
    "cell-detail": ("get", ["cell"]),
    "cell-structure": ("get", ["cell"]),
    "one-stage-detail": ("get", ["stage"]),
    "one-stage-log": ("get", ["stage"]),
    "one-stage-files": ("get", ["stage"]),
    "one-stage-file": ("get", ["stage", "log"]),
    "configuration-detail": ("get", ["frame"]),
    "configuration-structure": ("get", ["frame"]),
    "link-list": ("get", ["campaign"]),
    "activity-list": ("get", ["campaign"]),
    "settingchange-list": ("get", ["campaign"]),
    "project-detail": ("get", ["project"]),
    "project-activity-list": ("get", ["project"]),
    "trajectoryanalysis-detail": ("get", ["trajectory"]),
    "trajectoryanalysis-msd": ("get", ["trajectory"]),
    "fit-list": ("get", ["campaign"]),
    "run-list": ("get", ["campaign"]),
    "one-run-detail": ("get", ["run"]),
    "one-run-msd": ("get", ["run"]),
}
EDIT = {
    "methodcheck-list": ("post", ["campaign"]),
    "methodcheck-stop": ("post", ["campaign"]),
    "trajectoryanalysis-again": ("post", ["trajectory"]),
    "configuration-overrule": ("post", ["frame"]),
    "one-stage-relabel": ("post", ["stage"]),
    "campaign-go-on": ("post", ["campaign"]),
    "settingchange-list": ("post", ["campaign"]),
    "campaign-start": ("post", ["campaign"]),
    "campaign-pause": ("post", ["campaign"]),
    "campaign-resume": ("post", ["campaign"]),
    "campaign-retry": ("post", ["campaign"]),
    "campaign-cancel": ("post", ["campaign"]),
    "campaign-detail": ("put", ["campaign"]),
}
MANAGE = {
    "campaign-move": ("post", ["campaign"]),
    "material-move": ("post", ["material"]),
    "trajectoryanalysis-move": ("post", ["trajectory"]),
    "link-list": ("post", ["campaign"]),
    "link-detail": ("delete", ["campaign", "link"]),
    "project-members": ("put", ["project"]),
    "project-member": ("delete", ["project", "seat"]),
    "trajectoryanalysis-detail": ("delete", ["trajectory"]),
    "campaign-detail": ("delete", ["campaign"]),
    "material-detail": ("delete", ["material"]),
    "project-detail": ("delete", ["project"]),
}
ANYBODY_SIGNED_IN = {
    "material-list",
    "campaign-list",
    "project-list",
    "resource-list",
    "trajectoryanalysis-list",
    "compare",
    "schema",
    "docs",
}
ANYBODY_SIGNED_IN_POST = {"data-set-list", "campaign-from-file", "campaign-estimate"}


def test_every_address_is_in_the_table():
    from analysis.api import urls as results
    from campaigns.api import urls

    found = {pattern.name for pattern in (*urls.urlpatterns, *results.urlpatterns)}
    assert found == {*LOOK, *EDIT, *MANAGE, *ANYBODY_SIGNED_IN, *ANYBODY_SIGNED_IN_POST}


@pytest.fixture
def places(full, bob):
    project = projects.create(full.owner, "solid electrolytes")
    for name in ("member", "viewer"):
        factories.user(name)
        seat = projects.set_member(project, name, name, by=full.owner)
    Campaign.objects.update(project=project)
    Material.objects.update(project=project)
    trajectory = TrajectoryAnalysis.objects.create(
        owner=full.owner, project=project, name="run", file_names=["run.xyz"], mobile_ion="Li", temperature_K=600, spec={}, state="failed"
    )
    return {
        "campaign": full.pk,
        "material": full.cells.first().material_id,
        "cell": full.cells.first().pk,
        "model": TrainedModel.objects.last().pk,
        "stage": Stage.objects.filter(state="done").first().pk,
        "frame": Frame.objects.first().pk,
        "run": MdRun.objects.filter(diffusion__isnull=False).first().pk,
        "trajectory": trajectory.pk,
        "project": project.pk,
        "link": sharing.make_link(full, full.owner)[0].pk,
        "seat": seat.pk,
    }


def _ask(client, method, name, arguments, places):
    response = getattr(client, method)(at(name, *[places.get(argument, argument) for argument in arguments]))
    if response.streaming:
        list(response.streaming_content)  # a download holds its file open until it is read
    return name, response.status_code


def test_who_may_do_what(places, ada, bob, root):
    users = {"ada": ada, "root": root, "bob": bob} | {name: factories.user(name) for name in ("member", "viewer")}
    clients, nobody = {name: program(user) for name, user in users.items()}, Client()
    for name, (method, arguments) in LOOK.items():
        for role in ("ada", "root", "member", "viewer"):
            assert _ask(clients[role], method, name, arguments, places) == (name, 200)
        assert _ask(clients["bob"], method, name, arguments, places) == (name, 404)
        assert _ask(nobody, method, name, arguments, places) == (name, 401)
        assert _ask(clients["ada"], "patch", name, arguments, places) == (name, 405)
    for part, refused in ((EDIT, ("viewer",)), (MANAGE, ("viewer", "member"))):
        for name, (method, arguments) in part.items():
            for role in refused:
                if (name, role) != ("project-member", "viewer"):  # it is his own seat
                    assert (role, *_ask(clients[role], method, name, arguments, places)) == (role, name, 403)
            assert _ask(clients["bob"], method, name, arguments, places) == (name, 404)
            assert _ask(nobody, method, name, arguments, places) == (name, 401)
    for name in ANYBODY_SIGNED_IN:
        assert _ask(nobody, "get", name, [], places) == (name, 401)
        assert _ask(clients["bob"], "get", name, [], places) == (name, 200)
    for name in ANYBODY_SIGNED_IN_POST:
        assert _ask(nobody, "post", name, [], places) == (name, 401)
        assert _ask(clients["bob"], "post", name, [], places)[1] in (400, 415)
    assert clients["bob"].get(at("campaign-list")).json()["count"] == 0


def test_what_a_viewer_is_refused_says_whom_to_ask(places):
    refused = post(program(factories.user("viewer")), "campaign-pause", None, places["campaign"])
    assert (refused.status_code, refused.json()["code"]) == (403, "permission_denied")
    assert "ask ada" in refused.json()["detail"]


def test_owners_may_everything(places, api):
    Campaign.objects.update(state="cancelled")
    assert post(api, "campaign-move", {"project": None}, places["campaign"]).json()["project"] is None
    made = post(api, "link-list", {"note": "for the meeting"}, places["campaign"])
    assert Client().get(made.json()["address"]).status_code == 200
    assert api.delete(at("link-detail", places["campaign"], made.json()["id"])).status_code == 204
    assert Client().get(made.json()["address"]).status_code == 404
    let_in = api.put(at("project-members", places["project"]), {"username": "bob", "role": "viewer"}, content_type="application/json")
    assert {member["username"]: member["role"] for member in let_in.json()["members"]}["bob"] == "viewer"
    for name in ("project-member", "trajectoryanalysis-detail", "campaign-detail", "material-detail", "project-detail"):
        assert _ask(api, "delete", name, MANAGE[name][1], places) == (name, 204)


def test_a_project_s_campaigns_and_those_of_others(places, api):
    viewer = program(factories.user("viewer"))
    counts = {
        whose: viewer.get(at("campaign-list"), {"whose": whose}).json()["count"] for whose in ("mine", "shared", places["project"], "")
    }
    assert counts == {"mine": 0, "shared": 1, places["project"]: 1, "": 1}
    assert api.get(at("campaign-list"), {"whose": "mine"}).json()["count"] == 1


def test_an_owner_of_the_project_manages_what_he_has_not_made(places):
    head = factories.user("head")
    projects.set_member(Project.objects.get(pk=places["project"]), head.username, "owner", by=Campaign.objects.get().owner)
    client = program(head)
    for name, (method, arguments) in LOOK.items():
        assert _ask(client, method, name, arguments, places) == (name, 200)
    for name, (method, arguments) in (EDIT | MANAGE).items():
        status = _ask(client, method, name, arguments, places)[1]
        assert status not in (401, 403, 405), name
        if name in EDIT:
            assert status != 404, name


def test_what_is_made_is_made_by_who_has_an_account(places):
    for name in ("material-list", "campaign-list", "project-list", "trajectoryanalysis-list"):
        assert _ask(Client(), "post", name, [], places) == (name, 401)
        assert _ask(program(factories.user("bob")), "post", name, [], places)[1] in (400, 415)
