"""Which campaign and stage a line of the log is about."""

from contextvars import ContextVar
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # settings, which name the formatter that asks here, are read before models may be
    from campaigns.models import Stage

about: ContextVar[dict[str, object] | None] = ContextVar("about", default=None)


def is_about(stage: "Stage | None") -> None:
    """From here on this thread works on this stage, or on none."""
    about.set(None if stage is None else {"campaign": stage.campaign_id, "stage": stage.pk, "kind": stage.kind, "attempt": stage.attempt})
