"""The log of who did what when: one line for each thing that was done, in the transaction that did it."""

from typing import Any

from django.contrib.auth.models import AbstractBaseUser

from campaigns.models import Activity, Campaign, Project

COMMAND_LINE = "the command line"
PROTOCOL = "the protocol"


def record(by: AbstractBaseUser | None, what: str, subject: Any, detail: str = "", nobody: str = COMMAND_LINE) -> None:
    """`subject` is a row with a name: a campaign, or what else belongs to a project. `nobody`: who did it where `by` is None."""
    project = subject if isinstance(subject, Project) else subject.project
    Activity.objects.create(
        user=by,
        who=by.get_username() if by else nobody,
        what=what,
        kind=str(subject._meta.verbose_name),
        subject=subject.name[:200],
        subject_id=subject.pk,
        detail=detail,
        campaign=subject if isinstance(subject, Campaign) else None,
        project=project,
    )
