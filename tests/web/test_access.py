"""Who may do what: one table of every address, method and role, complete by test."""

import re

import pytest
from django.core.management import call_command
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver, reverse

from analysis.models import TrajectoryAnalysis
from campaigns.models import Activity, Campaign, Cell, Frame, Material, MdRun, Membership, Project, Stage, TrainedModel
from campaigns.services import projects, sharing
from tests import factories
from tests.web.addresses import (
    ADMINISTRATOR,
    ANYBODY_SIGNED_IN,
    ANYBODY_SIGNED_IN_POST,
    CHANGES_PASSWORD,
    EDIT,
    LINK,
    LOOK,
    MANAGE,
    OPEN,
    ROLES,
    SHOWN_AGAIN,
)


@pytest.fixture
def people(ada, bob, root):
    """Clients by role; what is ada's is in a project. Nobody has none."""
    project = projects.create(ada, "solid electrolytes")
    for name, role in (("head", "owner"), ("member", "member"), ("viewer", "viewer")):
        factories.user(name)
        projects.set_member(project, name, role, by=ada)
    users = {"owner": ada, "root": root, "stranger": bob} | {name: factories.user(name) for name in ("head", "member", "viewer")}
    return {role: _signed_in(user) for role, user in users.items()} | {"nobody": Client()}


@pytest.fixture
def places(full, people):
    project = Project.objects.get()
    Campaign.objects.update(project=project)
    Material.objects.update(project=project)
    link, token = sharing.make_link(full, full.owner)
    run = MdRun.objects.filter(campaign=full).first()
    return {
        "campaign": full.pk,
        "cell": Cell.objects.filter(campaign=full).first().pk,
        "frame": Frame.objects.filter(campaign=full).first().pk,
        "model": TrainedModel.objects.filter(campaign=full).last().pk,
        "stage": Stage.objects.filter(campaign=full, state="done").first().pk,
        "label stage": Stage.objects.filter(campaign=full, kind="label").first().pk,
        "material": full.cells.first().material_id,
        "run": run.pk,
        "evaluation": MdRun.objects.filter(campaign=full, purpose="evaluate").first().pk,
        "trajectory": TrajectoryAnalysis.objects.create(
            owner=full.owner,
            project=project,
            name="run",
            file_names=["run.xyz"],
            mobile_ion="Li",
            temperature_K=600,
            spec={},
            state="failed",
        ).pk,
        "project": project.pk,
        "seat": Membership.objects.get(user__username="viewer").pk,
        "link": link.pk,
        "token": token,
        "user": factories.user("eve").pk,
    }


def _address(name, arguments, places):
    return reverse(name, args=[places.get(argument, argument) for argument in arguments])


def _status(response):
    if response.streaming:
        list(response.streaming_content)  # a download holds its file open until it is read
    return response.status_code


def _signed_in(user):
    client = Client()
    client.force_login(user)
    return client


def test_every_address_is_in_the_table():
    def names(patterns):
        for pattern in patterns:
            if isinstance(pattern, URLResolver):
                if pattern.namespace not in ("admin", "api", "results-api"):  # the API has a table of its own
                    yield from names(pattern.url_patterns)
            elif isinstance(pattern, URLPattern):
                yield pattern.name

    forms = {"campaign-edit", "campaign-change-settings"}
    parts = (LOOK, EDIT, MANAGE, LINK, ADMINISTRATOR, ANYBODY_SIGNED_IN, ANYBODY_SIGNED_IN_POST, OPEN, forms)
    assert set(names(get_resolver().url_patterns)) == {name for part in parts for name in part}
    assert sum(map(len, parts)) == len({name for part in parts for name in part})  # each once


def test_what_is_in_a_project_is_seen_by_its_people(places, people):
    for name, (arguments, status) in LOOK.items():
        address = _address(name, arguments, places)
        for role in ("owner", "root", "head", "member", "viewer"):
            assert (name, role, _status(people[role].get(address))) == (name, role, status)
        assert (name, _status(people["stranger"].get(address))) == (name, 404)
        assert (name, _status(people["owner"].post(address))) == (name, 405)
        assert (name, _status(people["owner"].head(address))) == (name, status)
        turned_away = people["nobody"].get(address)
        assert (name, turned_away.status_code, turned_away.url.startswith(reverse("login"))) == (name, 302, True)


def test_a_password_is_changed_by_who_knows_the_old_one(ada):
    address = reverse(CHANGES_PASSWORD)
    here, elsewhere = _signed_in(ada), _signed_in(ada)
    assert Client().get(address).url.startswith(reverse("login"))
    new = {"new_password1": "grain boundaries 7", "new_password2": "grain boundaries 7"}
    assert "old_password" in here.post(address, new | {"old_password": "wrong"}).context["form"].errors
    weak = {"old_password": "an interstitial ion", "new_password1": "password", "new_password2": "password"}
    assert "too common" in str(here.post(address, weak).context["form"].errors)
    assert here.post(address, new | {"old_password": "an interstitial ion"}).status_code == 302
    assert here.get(reverse("campaign-list")).status_code == 200
    assert elsewhere.get(reverse("campaign-list")).status_code == 302


def test_what_is_private_is_seen_by_its_owner(places, people):
    Campaign.objects.update(project=None)
    Material.objects.update(project=None)
    TrajectoryAnalysis.objects.update(project=None)
    for name, (arguments, status) in LOOK.items():
        if name == "project":
            continue  # it stays what it is
        address = _address(name, arguments, places)
        for role in ROLES:
            expected = status if role in ("owner", "root") else 404
            assert (name, role, _status(people[role].get(address))) == (name, role, expected)


@pytest.mark.parametrize(("name", "state"), [("campaign-edit", "draft"), ("campaign-change-settings", "paused")])
def test_the_set_up_is_edited_by_who_may_change_it(places, people, name, state):
    address = reverse(name, args=[places["campaign"]])
    Campaign.objects.filter(pk=places["campaign"]).update(state=state)
    for role, looked, sent in (
        ("owner", 200, 422),
        ("root", 200, 422),
        ("head", 200, 422),
        ("member", 200, 422),
        ("viewer", 403, 403),
        ("stranger", 404, 404),
        ("nobody", 302, 302),
    ):
        assert (role, _status(people[role].get(address)), _status(people[role].post(address))) == (role, looked, sent)


def test_actions_are_for_members_and_what_cannot_be_undone_is_for_owners(places, people):
    for part, refused in ((EDIT, ("viewer",)), (MANAGE, ("viewer", "member"))):
        for name, arguments in part.items():
            address = _address(name, arguments, places)
            for role in refused:
                if (name, role) == ("project-member-remove", "viewer"):
                    continue  # it is his own seat: see below
                answer = people[role].post(address)
                assert (name, role, answer.status_code) == (name, role, 403)
                assert any(word in answer.content.decode() for word in ("ask ada or head", "ask head or ada"))
            assert (name, _status(people["stranger"].post(address))) == (name, 404)
            assert (name, _status(people["owner"].get(address))) == (name, 200 if name in SHOWN_AGAIN else 405)
            assert (name, _status(people["nobody"].post(address))) == (name, 302)
    assert not Activity.objects.filter(what__in=("started", "deleted", "withdrew a link")).exists()


@pytest.mark.parametrize("role", ["root", "head", "member"])
def test_members_run_what_is_in_the_project(places, people, role):
    for name in ("campaign-pause", "campaign-resume", "campaign-cancel"):
        assert people[role].post(_address(name, EDIT[name], places)).status_code == 302
    done = Activity.objects.filter(campaign=places["campaign"], who=role)
    assert list(done.values_list("what", flat=True)) == ["cancelled", "resumed", "paused"]
    assert Campaign.objects.get(pk=places["campaign"]).reason == f"Cancelled by {role}."


@pytest.mark.parametrize("role", ["owner", "root", "head"])
def test_owners_delete_move_and_share(places, people, role):
    Campaign.objects.update(state="cancelled")
    typed = {"username": "bob", "role": "viewer", "name": "garnets", "project": places["project"]}
    for name, arguments in MANAGE.items():
        answer = people[role].post(_address(name, arguments, places), typed)
        assert (name, answer.status_code) == (name, 200 if name == "campaign-link-new" else 302)
    assert not Campaign.objects.filter(pk=places["campaign"]).exists()
    assert not Project.objects.filter(pk=places["project"]).exists()


def test_who_leaves_a_project_needs_nobody_s_leave(places, people):
    address = _address("project-member-remove", ["project", "seat"], places)
    assert people["viewer"].post(address).url == reverse("project-list")
    assert people["viewer"].get(_address("campaign-overview", ["campaign"], places)).status_code == 404


def test_a_link_opens_the_results_and_nothing_else(places, people):
    nobody = people["nobody"]
    for name, (arguments, status) in LINK.items():
        address = _address(name, arguments, places)
        assert (name, _status(nobody.get(address))) == (name, status)
        assert (name, _status(nobody.post(address))) == (name, 405)
        assert (name, _status(nobody.get(address.replace(places["token"], places["token"][:-1])))) == (name, 404)
    page = nobody.get(_address("shared", ["token"], places)).content.decode()
    inside = {link for link in re.findall(r'(?:href|data-plot-url|action)="(/[^"]*)"', page) if not link.startswith("/static/")}
    assert inside
    assert {link for link in inside if not link.startswith("/shared/")} == {"/campaigns/"}  # the mark at the top
    people["owner"].post(_address("campaign-link-withdraw", ["campaign", "link"], places))
    for name, (arguments, _) in LINK.items():
        for role in ("nobody", "owner"):
            assert (name, people[role].get(_address(name, arguments, places)).status_code) == (name, 404)


def test_a_link_opens_no_run_of_another_campaign(places, people, bob):
    factories.full_campaign(bob, frames_per_step=4)
    run = MdRun.objects.filter(campaign__owner=bob).first()
    assert people["nobody"].get(reverse("shared-msd", args=[places["token"], run.pk])).status_code == 404


def test_accounts_are_made_by_administrators(places, people):
    for name, (method, arguments, status) in ADMINISTRATOR.items():
        address = _address(name, arguments, places)
        for role in ROLES:
            expected = status if role == "root" else 404
            assert (name, role, getattr(people[role], method)(address).status_code) == (name, role, expected)
        assert (name, getattr(people["nobody"], method)(address).status_code) == (name, 302)


def test_pages_of_everybody(places, bob):
    somebody, nobody = _signed_in(bob), Client()
    for name, (arguments, status) in ANYBODY_SIGNED_IN.items():
        address = _address(name, arguments, places)
        assert (name, _status(somebody.get(address))) == (name, status)
        assert (name, _status(nobody.get(address))) == (name, 302)
    for name, (arguments, status) in ANYBODY_SIGNED_IN_POST.items():
        address = _address(name, arguments, places)
        assert (name, _status(somebody.post(address))) == (name, status)
        assert (name, _status(somebody.get(address))) == (name, 405)
        assert (name, _status(nobody.post(address))) == (name, 302)


def test_a_form_without_its_token_is_refused(places, ada):
    client = Client(enforce_csrf_checks=True)
    client.force_login(ada)
    for name, arguments in (EDIT | MANAGE).items():
        assert (name, client.post(_address(name, arguments, places)).status_code) == (name, 403)
    assert client.post(reverse("material-new")).status_code == 403
    assert client.post(reverse("campaign-new-upload")).status_code == 403


def test_somebody_elses_material_cannot_be_chosen(places, bob):
    page = _signed_in(bob).get(reverse("campaign-new"), {"material": places["material"]})
    assert b"First, a material" in page.content


def test_no_file_outside_the_stage_folder(places, ada, full):
    (full.folder.parent / "secret").write_text("secret")
    stage = Stage.objects.get(pk=places["stage"])
    (stage.folder / "link").symlink_to(full.folder.parent / "secret")
    owner = _signed_in(ada)
    for name in ("../../../../../secret", "link", "nothing", "."):
        address = reverse("stage-file", args=[stage.pk, "x"])[:-1] + name
        assert (name, _status(owner.get(address))) == (name, 404)


def test_passwords_cannot_be_guessed_for_ever(client, ada, bob):
    address = reverse("login")
    for _ in range(9):
        assert client.post(address, {"username": "ada", "password": "wrong"}).status_code == 200
    locked = client.post(address, {"username": "ada", "password": "wrong"})
    assert locked.status_code == 429
    assert b"Wait a quarter of an hour" in locked.content
    right = {"username": "ada", "password": "an interstitial ion"}
    assert client.post(address, right).status_code == 429
    assert client.post(address, right | {"username": "bob"}).status_code == 302  # another account is not locked out
    call_command("axes_reset_username", "ada")
    assert Client().post(address, right).status_code == 302
