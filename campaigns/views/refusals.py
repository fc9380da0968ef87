"""The one place where pages catch what a service refuses: its text becomes a message or an error in the form."""

from collections.abc import Iterator
from contextlib import contextmanager

from django import forms
from django.contrib import messages
from django.http import HttpRequest

from campaigns.services.errors import AlreadyDone, ServiceError


@contextmanager
def as_message(request: HttpRequest) -> Iterator[None]:
    """A refusal stands at the top of the next page. What is done already is none: the page shows how things stand."""
    try:
        yield
    except AlreadyDone:
        return
    except ServiceError as error:
        messages.error(request, str(error))


@contextmanager
def as_form_error(form: forms.Form) -> Iterator[None]:
    """A refusal stands at the field it is about, or above the form; afterwards `form.is_valid()` is false."""
    try:
        yield
    except ServiceError as error:
        named = {name: problem for name, problem in error.fields.items() if name in form.fields}
        for name, problem in named.items():
            form.add_error(name, problem)
        if not named:
            form.add_error(None, str(error))
