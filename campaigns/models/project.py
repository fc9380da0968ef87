"""Groups of people who work on the same things, and the one place where it is decided who may see and who may change a row."""

from collections.abc import Sequence
from typing import Self

from django.conf import settings
from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.db import models
from django.db.models import Q

from campaigns.enums import Role

User = AbstractBaseUser | AnonymousUser
EDITORS = (Role.OWNER, Role.MEMBER)


class ProjectQuerySet(models.QuerySet):
    def visible_to(self, user: User) -> Self:
        return self._with_role(user, Role.values)

    def editable_by(self, user: User) -> Self:
        """Projects in which this user may change things and put new ones."""
        return self._with_role(user, EDITORS)

    def manageable_by(self, user: User) -> Self:
        """Projects whose name and members this user may change."""
        return self._with_role(user, (Role.OWNER,))

    def _with_role(self, user: User, roles: Sequence[str]) -> Self:
        if getattr(user, "is_superuser", False):
            return self
        return self.filter(pk__in=Membership.objects.filter(user=user.pk, role__in=roles).values("project"))


class Project(models.Model):
    """What is put into it is seen by all of its people, and changed by those who are more than viewers."""

    name = models.CharField(max_length=200)
    created_at = models.DateTimeField(auto_now_add=True)

    objects = ProjectQuerySet.as_manager()

    class Meta:
        ordering = ["name", "id"]

    def __str__(self) -> str:
        return self.name


class Membership(models.Model):
    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="memberships")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="memberships")
    role = models.CharField(max_length=10, choices=Role)
    added_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["user__username"]
        constraints = [models.UniqueConstraint(fields=["project", "user"], name="member_once")]

    def __str__(self) -> str:
        return f"{self.user} is {self.role} of {self.project}"


class OwnedQuerySet(models.QuerySet):
    """Rows with an `owner` and perhaps a `project`. Private means: no project. Administrators may everything."""

    def visible_to(self, user: User) -> Self:
        """What this user may see: his own, and what is in his projects."""
        return self._within_reach(user, Role.values)

    def editable_by(self, user: User) -> Self:
        """What this user may change and run: his own, and what is in projects where he is more than a viewer."""
        return self._within_reach(user, EDITORS)

    def manageable_by(self, user: User) -> Self:
        """What this user may delete, move and share: his own, and what is in projects that he owns."""
        return self._within_reach(user, (Role.OWNER,))

    def _within_reach(self, user: User, roles: Sequence[str]) -> Self:
        if getattr(user, "is_superuser", False):
            return self
        projects = Membership.objects.filter(user=user.pk, role__in=roles).values("project")
        return self.filter(Q(owner=user.pk) | Q(project__in=projects)) if user.pk else self.none()

    def with_rights(self, user: User) -> Self:
        """Each row with `may_edit` and `may_manage`, for the page that shows it."""
        rows = self.model._default_manager.filter(pk=models.OuterRef("pk"))
        return self.annotate(
            may_edit=models.Exists(rows.editable_by(user)),
            may_manage=models.Exists(rows.manageable_by(user)),
        )

    def chosen(self, user: User, whose: str) -> Self:
        """`mine`, `shared` (by others with me) or the number of a project; anything else leaves all."""
        if whose == "mine":
            return self.filter(owner=user.pk)
        if whose == "shared":
            return self.exclude(owner=user.pk)
        return self.filter(project=whose) if whose.isdigit() and len(whose) < 16 else self


class MaterialQuerySet(OwnedQuerySet):
    def visible_to(self, user: User) -> Self:
        """Also what a campaign is made of that this user may see."""
        if getattr(user, "is_superuser", False) or not user.pk:
            return super().visible_to(user)
        projects = Membership.objects.filter(user=user.pk).values("project")
        used = self.model._default_manager.filter(Q(cells__campaign__owner=user.pk) | Q(cells__campaign__project__in=projects))
        return self.filter(Q(owner=user.pk) | Q(project__in=projects) | Q(pk__in=used.values("pk")))
