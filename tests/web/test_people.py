"""Accounts by administrators, projects and their people on the pages, lists by whose."""

import re

import pytest
from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.test import Client
from django.urls import reverse
from knox.models import AuthToken

from campaigns.models import Activity, Campaign, Project
from campaigns.services import projects
from tests import factories

GOOD = "a mobile lithium ion"


def _choose_a_password(address: str):
    """As the owner of the link does."""
    client = Client()
    form = client.get(address.replace("http://testserver", ""), follow=True)
    sent = client.post(form.request["PATH_INFO"], {"new_password1": GOOD, "new_password2": GOOD})
    return form, sent


def test_an_administrator_makes_an_account_and_its_owner_the_password(client, root):
    client.force_login(root)
    page = client.post(reverse("account-list"), {"username": "eve", "email": "eve@example.org"})
    link = page.context["link"]
    assert link in page.content.decode()
    assert not get_user_model().objects.get(username="eve").has_usable_password()
    assert link not in client.get(reverse("account-list")).content.decode()
    form, sent = _choose_a_password(link)
    assert (form.status_code, sent.url) == (200, reverse("login"))
    eve = Client()
    assert eve.post(reverse("login"), {"username": "eve", "password": GOOD}).url == reverse("campaign-list")
    assert b"This link is used up" in _choose_a_password(link)[0].content
    assert not get_user_model().objects.get(username="eve").is_superuser


@pytest.mark.parametrize("name", ["", "ada", "a b", "x" * 151, "<b>"])
def test_an_account_that_cannot_be_made_says_why(client, root, ada, name):
    client.force_login(root)
    page = client.post(reverse("account-list"), {"username": name})
    assert page.status_code == 422
    assert page.context["form"].errors["username"]
    assert get_user_model().objects.count() == 2


def test_the_same_from_a_shell(db, capsys):
    call_command("account", "eve", "--administrator", "--address", "https://sse.example.org/")
    link = capsys.readouterr().out.strip()
    assert link.startswith("https://sse.example.org/account/set-password/")
    assert _choose_a_password(link.removeprefix("https://sse.example.org"))[1].status_code == 302
    account = get_user_model().objects.get(username="eve")
    assert account.is_superuser
    assert account.check_password(GOOD)
    call_command("account", "eve")  # forgotten: another link, the same account
    assert get_user_model().objects.get().pk == account.pk


def test_a_closed_account_signs_in_nowhere(client, root, ada):
    token = AuthToken.objects.create(ada)[1]
    program, browser = Client(headers={"Authorization": f"Token {token}"}), Client()
    browser.force_login(ada)
    client.force_login(root)
    client.post(reverse("account-active", args=[ada.pk]))
    assert program.get(reverse("api:campaign-list")).status_code == 401
    assert browser.get(reverse("campaign-list")).status_code == 302
    assert b"ask another administrator" in client.post(reverse("account-active", args=[root.pk]), follow=True).content
    client.post(reverse("account-active", args=[ada.pk]))
    ada.refresh_from_db()
    assert ada.is_active


def test_a_password_is_changed_by_who_knows_it(as_ada, ada):
    sent = {"old_password": "an interstitial ion", "new_password1": GOOD, "new_password2": GOOD}
    assert as_ada.post(reverse("change-password"), sent | {"old_password": "wrong"}).status_code == 200
    assert as_ada.post(reverse("change-password"), sent).url == reverse("account")
    ada.refresh_from_db()
    assert ada.check_password(GOOD)
    assert as_ada.get(reverse("account")).status_code == 200  # still signed in


def test_somebody_is_let_in_sees_and_leaves(as_ada, ada, bob, full):
    as_bob = Client()
    as_bob.force_login(bob)
    as_ada.post(reverse("project-list"), {"name": "garnets"})
    project = Project.objects.get()
    as_ada.post(reverse("campaign-move", args=[full.pk]), {"project": project.pk})
    overview = reverse("campaign-overview", args=[full.pk])
    assert as_bob.get(overview).status_code == 404
    refused = as_ada.post(reverse("project-member", args=[project.pk]), {"username": "nobody at all", "role": "viewer"})
    assert (refused.status_code, "There is no account called" in refused.content.decode()) == (422, True)
    as_ada.post(reverse("project-member", args=[project.pk]), {"username": "bob", "role": "viewer"})
    page = as_bob.get(overview).content.decode()
    assert "Pause</button>" not in page
    assert "Copy</a>" in page
    material = full.cells.first().material_id
    assert as_bob.get(reverse("material-page", args=[material])).status_code == 200  # what the campaign is made of
    as_ada.post(reverse("project-member", args=[project.pk]), {"username": "bob", "role": "member"})
    assert "Pause</button>" in as_bob.get(overview).content.decode()
    assert "Delete</button>" not in as_bob.get(overview).content.decode()
    as_ada.post(reverse("project-member-remove", args=[project.pk, project.memberships.get(user=bob).pk]))
    assert as_bob.get(overview).status_code == 404
    assert as_bob.get(reverse("material-page", args=[material])).status_code == 404
    told = list(Activity.objects.filter(project=project).order_by("id").values_list("what", flat=True))
    assert told == ["created", "shared", "added a person", "added a person", "removed a person"]


def test_nobody_puts_things_where_he_only_looks(as_ada, ada, bob, full):
    theirs = projects.create(bob, "theirs")
    move = reverse("campaign-move", args=[full.pk])
    assert as_ada.post(move, {"project": theirs.pk}).status_code == 404
    projects.set_member(theirs, "ada", "viewer", bob)
    assert as_ada.post(move, {"project": theirs.pk}).status_code == 403
    projects.set_member(theirs, "ada", "member", bob)
    assert as_ada.post(move, {"project": theirs.pk}).status_code == 302
    assert Campaign.objects.get(pk=full.pk).project == theirs


def test_the_last_owner_of_a_project_stays(as_ada, ada):
    project = projects.create(ada, "mine")
    seat = project.memberships.get()
    page = as_ada.post(reverse("project-member-remove", args=[project.pk, seat.pk]), follow=True)
    assert "A project needs an owner" in page.content.decode()
    as_ada.post(reverse("project-member", args=[project.pk]), {"username": "ada", "role": "viewer"})
    assert project.memberships.get().role == "owner"


def test_a_deleted_project_makes_nothing_lost(as_ada, ada, full):
    project = projects.create(ada, "mine")
    projects.move(full, project, ada)
    as_ada.post(reverse("project-delete", args=[project.pk]))
    full.refresh_from_db()
    assert full.project is None
    assert as_ada.get(reverse("campaign-people", args=[full.pk])).status_code == 200


@pytest.mark.parametrize("name", ["campaign-list", "material-list"])
def test_lists_by_whose(as_ada, ada, bob, name):
    project = projects.create(bob, "garnets")
    projects.set_member(project, "ada", "viewer", bob)
    factories.campaign(ada, name="of ada", made_of=factories.material(ada, name="of ada"))
    shared = factories.campaign(bob, name="of bob", made_of=factories.material(bob, name="of bob", project=project), project=project)
    factories.campaign(bob, name="hidden", made_of=factories.material(bob, name="hidden"))

    def names(whose):
        page = as_ada.get(reverse(name), {"whose": whose}).content.decode()
        return set(re.findall(r'<th scope="row"><a [^>]*>([^<]*)</a>', page))

    assert names("") == {"of ada", "of bob"}
    assert names("mine") == {"of ada"}
    assert names("shared") == names(str(project.pk)) == {"of bob"}
    assert names("999") == set()
    assert names("x" * 400) == {"of ada", "of bob"}
    assert as_ada.get(reverse("campaign-overview", args=[shared.pk])).status_code == 200


def test_a_material_tells_of_no_campaign_that_is_not_for_one_s_eyes(as_ada, ada, bob):
    project = projects.create(bob, "garnets")
    projects.set_member(project, "ada", "viewer", bob)
    material = factories.material(bob, project=project)
    factories.campaign(bob, name="a private question", made_of=material)
    assert "a private question" not in as_ada.get(reverse("material-page", args=[material.pk])).content.decode()
    (row,) = as_ada.get(reverse("material-list")).context["page"].object_list
    assert row.n_campaigns == 0


def test_what_is_exported_is_in_the_log(as_ada, ada, full):
    model = full.trained_models.last()
    for address in (
        reverse("campaign-setup", args=[full.pk]),
        reverse("campaign-training-set-download", args=[full.pk]) + "?format=extxyz",
        reverse("model-package", args=[model.pk]),
        reverse("model-file", args=[model.pk, "frozen"]),
    ):
        list(as_ada.get(address).streaming_content)
    told = Activity.objects.filter(campaign=full, what="exported").order_by("id").values_list("detail", flat=True)
    name = f"model {model.loop}.{model.step}"
    assert list(told) == ["set-up", "configurations as extxyz", name, f"{name}, frozen"]
    page = as_ada.get(reverse("campaign-people", args=[full.pk])).content.decode()
    assert "configurations as extxyz" in page
