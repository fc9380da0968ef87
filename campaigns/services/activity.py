"""The log of who did what when: one line for each thing that was done, in the transaction that did it."""

from typing import Any

from django.contrib.auth.models import AbstractBaseUser

from campaigns.models import Activity, Campaign, Project

COMMAND_LINE = "the command line"


def record(by: AbstractBaseUser | None, what: str, subject: Any, detail: str = "") -> None:
    """`subject` is a row with a name: a campaign, or what else belongs to a project. Nobody in `by`: the command line."""
    project = subject if isinstance(subject, Project) else subject.project
    Activity.objects.create(
        user=by,
        who=by.get_username() if by else COMMAND_LINE,
        what=what,
        kind=str(subject._meta.verbose_name),
        subject=subject.name[:200],
        subject_id=subject.pk,
        detail=detail,
        campaign=subject if isinstance(subject, Campaign) else None,
        project=project,
    )
