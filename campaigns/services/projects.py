"""Projects: made, renamed and deleted; who belongs to them; what is put into them."""

from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.models import AbstractBaseUser
from django.db import transaction

from campaigns.enums import Role
from campaigns.models import Membership, Project
from campaigns.services import activity, texts
from campaigns.services.errors import BadInput, WrongState

MAX_NAME = 200
LAST_OWNER = "A project needs an owner: make somebody else an owner first."


def _checked_name(name: str) -> str:
    name = texts.plain(name, "name")
    if not name:
        raise BadInput("Give the project a name.", {"name": "give the project a name"})
    if len(name) > MAX_NAME:
        text = f"The name has {len(name)} characters; at most {MAX_NAME} are possible."
        raise BadInput(text, {"name": text})
    return name


@transaction.atomic
def create(owner: AbstractBaseUser, name: str) -> Project:
    """A project with its first owner. Raises BadInput."""
    project = Project.objects.create(name=_checked_name(name))
    Membership.objects.create(project=project, user=owner, role=Role.OWNER)
    activity.record(owner, "created", project)
    return project


@transaction.atomic
def rename(project: Project, name: str, by: AbstractBaseUser) -> None:
    before, project.name = project.name, _checked_name(name)
    project.save(update_fields=["name"])
    activity.record(by, "renamed", project, f"before: {before}")


def delete(project: Project, by: AbstractBaseUser) -> None:
    """The project alone: what was in it stays, and is seen by its owners alone again."""
    with transaction.atomic():
        activity.record(by, "deleted", project)
        project.delete()


@transaction.atomic
def set_member(project: Project, username: str, role: str, by: AbstractBaseUser) -> Membership:
    """Let somebody in, or change his role. Raises BadInput and, where the last owner would go, WrongState."""
    user = get_user_model().objects.filter(username=texts.plain(username, "username"), is_active=True).first()
    if user is None:
        text = f"There is no account called “{username.strip()[:150]}”. Accounts are made by an administrator."
        raise BadInput(text, {"username": text})
    if role not in Role.values:
        raise BadInput(f"The role must be one of {', '.join(Role.values)}.", {"role": f"must be one of {', '.join(Role.values)}"})
    if role != Role.OWNER:
        _refuse_the_last_owner(project, user)
    member, _ = Membership.objects.update_or_create(project=project, user=user, defaults={"role": role})
    activity.record(by, "added a person", project, f"{user.get_username()}, {Role(role).label}")
    return member


@transaction.atomic
def remove_member(member: Membership, by: AbstractBaseUser) -> None:
    """What he put into the project stays in it, and stays his. Raises WrongState for the last owner."""
    _refuse_the_last_owner(member.project, member.user)
    member.delete()
    activity.record(by, "removed a person", member.project, member.user.get_username())


def _refuse_the_last_owner(project: Project, user: AbstractBaseUser) -> None:
    owners = project.memberships.filter(role=Role.OWNER)
    if owners.filter(user=user.pk).exists() and owners.count() == 1:
        raise WrongState(LAST_OWNER)


def move(subject: Any, project: Project | None, by: AbstractBaseUser) -> None:
    """Put a campaign, a material or an analysis into a project, or take it out: private again. Says so in the logs of both."""
    if subject.project_id == (project.pk if project else None):
        return
    with transaction.atomic():
        if subject.project:
            activity.record(by, "made private" if project is None else "moved", subject, f"out of {subject.project}")
        subject.project = project
        subject.save(update_fields=["project"])
        if project:
            activity.record(by, "shared", subject, f"put into {project}")
