"""Errors whose text a user may read: what happened, why, what to do."""

from collections.abc import Mapping


def sentence(problem: str) -> str:
    return problem[:1].upper() + problem[1:] + ("" if problem.endswith((".", "!", "?")) else ".")


class ServiceError(Exception):
    """A use-case that cannot be carried out. `code` is for programs; `fields` are problems by form field."""

    code = "refused"

    def __init__(self, message: str, fields: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.fields = dict(fields or {})


class BadInput(ServiceError):
    code = "bad_input"


class Busy(BadInput):
    """What was given could not be read in time: it may be right, and is to be sent again."""

    code = "busy"


class WrongState(ServiceError):
    code = "wrong_state"


class AlreadyDone(WrongState):
    """What was asked for is so already: a second click, or a request that was sent again."""


class Outdated(WrongState):
    """Somebody else's change came first."""

    code = "outdated"
