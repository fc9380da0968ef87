"""Who may do what: one table of every address, method and role, complete by test."""

import pytest
from django.core.management import call_command
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver, reverse

from analysis.models import TrajectoryAnalysis
from campaigns.models import Cell, Frame, MdRun, Stage, TrainedModel

# name: (arguments, method, data, status for the owner and for an administrator, status for another user). Nobody: sign in first (302).
OWN = {
    "campaign-overview": (["campaign"], 200),
    "campaign-training-set": (["campaign"], 200),
    "campaign-models": (["campaign"], 200),
    "campaign-training-set-download": (["campaign"], 200),
    "campaign-stages": (["campaign"], 200),
    "campaign-settings": (["campaign"], 200),
    "campaign-setup": (["campaign"], 200),
    "campaign-deletion": (["campaign"], 200),
    "campaign-archive": (["campaign"], 200),
    "campaign-dpgen": (["campaign"], 200),
    "campaign-results": (["campaign"], 200),
    "cell-structure": (["cell"], 200),
    "configuration": (["frame"], 200),
    "configuration-structure": (["frame"], 200),
    "configuration-download": (["frame"], 200),
    "model": (["model"], 200),
    "stage": (["stage"], 200),
    "stage-live": (["stage"], 286),
    "stage-labels": (["label stage"], 286),
    "stage-label": (["label stage", 0], 200),
    "campaign-cost": (["campaign"], 286),
    "material-page": (["material"], 200),
    "material-structure": (["material"], 200),
    "material-cif": (["material"], 200),
    "campaign-live": (["campaign", "ramp"], 200),
    "model-file": (["model", "frozen"], 200),
    "model-package": (["model"], 200),
    "stage-file": (["stage", "log"], 200),
    "plot-arrhenius": (["campaign"], 200),
    "plot-steps": (["campaign", "diffusivity"], 200),
    "plot-training-set": (["campaign", "energy"], 200),
    "plot-histogram": (["campaign", "force"], 200),
    "campaign-parity": (["campaign"], 200),
    "campaign-report": (["campaign"], 200),
    "campaign-result-rows": (["campaign", "csv"], 200),
    "plot-parity": (["campaign", 1, 1, "force"], 200),
    "plot-msd": (["run"], 200),
    "run": (["evaluation"], 200),
    "plot-structure": (["evaluation", "rdf"], 200),
    "plot-density": (["evaluation", 2], 200),
    "plot-learning-curve": (["model"], 200),
    "trajectory": (["trajectory"], 200),
    "trajectory-live": (["trajectory"], 286),
    "trajectory-json": (["trajectory"], 200),
    "plot-trajectory-msd": (["trajectory"], 200),
}
OWN_POST = {
    "campaign-start": ["campaign"],
    "campaign-pause": ["campaign"],
    "campaign-resume": ["campaign"],
    "campaign-cancel": ["campaign"],
    "campaign-retry": ["campaign"],
    "campaign-delete": ["campaign"],
    "campaign-check": ["campaign"],
    "campaign-check-stop": ["campaign"],
    "stage-relabel": ["label stage"],
    "material-delete": ["material"],
    "configuration-overrule": ["frame"],
    "trajectory-delete": ["trajectory"],
}
ANYBODY_SIGNED_IN = {
    "campaign-list": ([], 200),
    "archive-import": ([], 403),  # administrators alone: a frozen model is code
    "campaign-new": ([], 200),
    "campaign-new-cells": ([], 200),
    "campaign-new-cell": ([], 200),
    "campaign-new-labeller": ([], 200),
    "campaign-new-settings": ([], 200),
    "material-list": ([], 200),
    "material-new": ([], 200),
    "compare": ([], 200),
    "trajectory-list": ([], 200),
    "token-list": ([], 200),
    "plot-compare": ([], 200),
    "plot-compare-energies": ([], 200),
    "compare-rows": (["csv"], 200),
}
CHANGES_PASSWORD = "password"  # shows a form to anybody who is signed in
ANYBODY_SIGNED_IN_POST = {
    "campaign-new-estimate": ([], 200),
    "campaign-new-upload": ([], 200),
    "campaign-new-potential": ([], 200),
    "material-example": (["nothing"], 404),
    "token-withdraw": (["nothing"], 404),
}
OPEN = {"login": 200, "home": 302, "healthz": None, "metrics": None, "logout": None}
ADMINISTRATORS = {"resource-list": ([], 200)}


@pytest.fixture
def places(full):
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
            owner=full.owner, name="run", file_names=["run.xyz"], mobile_ion="Li", temperature_K=600, spec={}, state="failed"
        ).pk,
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
                if pattern.namespace not in ("admin", "api"):  # the API has a table of its own
                    yield from names(pattern.url_patterns)
            elif isinstance(pattern, URLPattern):
                yield pattern.name

    assert set(names(get_resolver().url_patterns)) == {
        *OWN,
        *OWN_POST,
        *ANYBODY_SIGNED_IN,
        *ANYBODY_SIGNED_IN_POST,
        *ADMINISTRATORS,
        *OPEN,
        "campaign-edit",
        CHANGES_PASSWORD,
    }


def test_pages_of_one_owner(places, ada, bob, root):
    owner, administrator, other, nobody = _signed_in(ada), _signed_in(root), _signed_in(bob), Client()
    for name, (arguments, status) in OWN.items():
        address = _address(name, arguments, places)
        assert (name, _status(owner.get(address))) == (name, status)
        assert (name, _status(administrator.get(address))) == (name, status)
        assert (name, _status(other.get(address))) == (name, 404)
        assert (name, _status(owner.post(address))) == (name, 405)
        turned_away = nobody.get(address)
        assert (name, turned_away.status_code, turned_away.url.startswith(reverse("login"))) == (name, 302, True)


def test_a_draft_is_edited_by_its_owner_alone(places, full, ada, bob, root):
    address = reverse("campaign-edit", args=[full.pk])
    type(full).objects.filter(pk=full.pk).update(state="draft")
    for user, status in ((ada, 200), (root, 302), (bob, 404)):
        assert _status(_signed_in(user).get(address)) == status
    for user, status in ((ada, 422), (root, 302), (bob, 404)):
        assert _status(_signed_in(user).post(address)) == status
    assert Client().get(address).url.startswith(reverse("login"))


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


def test_actions_of_one_owner(places, bob):
    other, nobody = _signed_in(bob), Client()
    for name, arguments in OWN_POST.items():
        address = _address(name, arguments, places)
        assert (name, _status(other.post(address))) == (name, 404)
        assert (name, _status(other.get(address))) == (name, 405)
        assert (name, _status(nobody.post(address))) == (name, 302)


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


def test_pages_of_administrators(places, ada, root):
    administrator, somebody, nobody = _signed_in(root), _signed_in(ada), Client()
    for name, (arguments, status) in ADMINISTRATORS.items():
        address = _address(name, arguments, places)
        assert (name, _status(administrator.get(address))) == (name, status)
        assert (name, _status(administrator.post(address))) == (name, 405)
        assert (name, _status(somebody.get(address))) == (name, 404)
        assert (name, _status(nobody.get(address))) == (name, 302)
    assert b"Clusters" not in somebody.get(reverse("campaign-list")).content


def test_a_form_without_its_token_is_refused(places, ada):
    client = Client(enforce_csrf_checks=True)
    client.force_login(ada)
    for name in ("campaign-cancel", "material-delete"):
        assert client.post(_address(name, OWN_POST[name], places)).status_code == 403
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
