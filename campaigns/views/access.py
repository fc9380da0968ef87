"""What a page is about, if the user may see it: 404 otherwise, which says no more than that there is nothing here for him.

Who may look at a thing but not change it is told so (403), with whom to ask.
"""

from typing import Any

from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest
from django.shortcuts import get_object_or_404

from campaigns.enums import Role
from campaigns.models import Campaign, Cell, Frame, Material, Project, Stage, TrainedModel
from campaigns.models.project import User


def require_edit(user: User, row: Any) -> None:
    """Raises PermissionDenied, with the reason, for who may only look at `row`."""
    if not type(row).objects.editable_by(user).filter(pk=row.pk).exists():
        raise PermissionDenied(
            f"You may look at “{row.name}”, but not change it: in its project you are a viewer. {_whom_to_ask(row, 'a member')}"
        )


def require_manage(user: User, row: Any) -> None:
    """Raises PermissionDenied for who may not delete, move or share `row`."""
    if not type(row).objects.manageable_by(user).filter(pk=row.pk).exists():
        raise PermissionDenied(
            f"“{row.name}” can be deleted, moved and shared by its owner and by owners of its project. {_whom_to_ask(row, 'an owner')}"
        )


def _whom_to_ask(row: Any, role: str) -> str:
    project = row if isinstance(row, Project) else row.project
    if project is None:  # seen because a campaign is made of it
        return f"It belongs to {row.owner.get_username()}."
    owners = project.memberships.filter(role=Role.OWNER).values_list("user__username", flat=True)
    return f"To become {role}, ask {' or '.join(owners) or 'an administrator'}."


def with_rights(request: HttpRequest, campaign: Campaign) -> Campaign:
    """With `may_edit` and `may_manage`, by which its page offers what can be done; one query."""
    rights = Campaign.objects.with_rights(request.user).values("may_edit", "may_manage").get(pk=campaign.pk)
    campaign.may_edit, campaign.may_manage = rights["may_edit"], rights["may_manage"]
    return campaign


def campaigns(request: HttpRequest) -> QuerySet[Campaign]:
    return Campaign.objects.visible_to(request.user)


def campaign(request: HttpRequest, pk: int) -> Campaign:
    return get_object_or_404(campaigns(request).with_rights(request.user).select_related("owner", "project"), pk=pk)


def editable_campaign(request: HttpRequest, pk: int) -> Campaign:
    found = campaign(request, pk)
    require_edit(request.user, found)
    return found


def managed_campaign(request: HttpRequest, pk: int) -> Campaign:
    found = campaign(request, pk)
    require_manage(request.user, found)
    return found


def material(request: HttpRequest, pk: int) -> Material:
    return get_object_or_404(Material.objects.visible_to(request.user).with_rights(request.user).select_related("owner", "project"), pk=pk)


def managed_material(request: HttpRequest, pk: int) -> Material:
    found = material(request, pk)
    require_manage(request.user, found)
    return found


def project(request: HttpRequest, pk: int) -> Project:
    return get_object_or_404(Project.objects.visible_to(request.user), pk=pk)


def managed_project(request: HttpRequest, pk: int) -> Project:
    found = project(request, pk)
    if not Project.objects.manageable_by(request.user).filter(pk=pk).exists():
        raise PermissionDenied(f"The name and the people of “{found.name}” are changed by its owners. {_whom_to_ask(found, 'an owner')}")
    return found


def target_project(request: HttpRequest, wanted: str) -> Project | None:
    """The project that something is to be put into, by its number; none for an empty text."""
    if not wanted:
        return None
    found = project(request, int(wanted) if wanted.isdigit() and len(wanted) < 16 else 0)
    require_edit(request.user, found)
    return found


def stage(request: HttpRequest, pk: int) -> Stage:
    found = Stage.objects.select_related("campaign", "cell__material")
    row = get_object_or_404(found.filter(campaign__in=campaigns(request)), pk=pk)
    with_rights(request, row.campaign)
    return row


def frame(request: HttpRequest, pk: int) -> Frame:
    found = Frame.objects.select_related("campaign", "stage__campaign", "cell__material", "artefact")
    row = get_object_or_404(found.filter(campaign__in=campaigns(request)), pk=pk)
    with_rights(request, row.campaign)
    return row


def trained_model(request: HttpRequest, pk: int) -> TrainedModel:
    found = TrainedModel.objects.select_related("campaign", "stage__campaign", "frozen", "compressed", "learning_curve", "input_json")
    row = get_object_or_404(found.filter(campaign__in=campaigns(request)), pk=pk)
    with_rights(request, row.campaign)
    return row


def cell(request: HttpRequest, pk: int) -> Cell:
    found = Cell.objects.select_related("campaign", "material", "structure")
    return get_object_or_404(found.filter(campaign__in=campaigns(request)), pk=pk)
