"""How large a request a page takes; `sseweb.bodies` refuses a larger one before a byte of it is read."""

from collections.abc import Callable
from typing import TypeVar

from django.http import HttpResponse

View = TypeVar("View", bound=Callable[..., HttpResponse])


def at_most(max_bytes: int, problem_target: str = "") -> Callable[[View], View]:
    """For a view that takes files. What is too large is answered with a page, or for a part of a page with a line at `problem_target`
    (a CSS selector).
    """

    def decorate(view: View) -> View:
        view.max_upload_bytes, view.problem_target = max_bytes, problem_target
        return view

    return decorate
