"""The body of a request is bounded before it is read, at every address, and a stranger can have no file written."""

import io

import pytest
from django.conf import settings
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver, reverse

from campaigns.api.parts import DataSetView
from sseweb.bodies import FORM_BYTES
from tests.web.programs import program

TAKES_FILES = ("archive-import", "campaign-new-upload", "trajectory-list")


class Unread(io.RawIOBase):
    def read(self, *_):
        raise AssertionError("the body was read")

    readline = readinto = read


def says(n_bytes, address, client=None, **headers):
    """The answer to a form that says it is so large, and whose body must not be read."""
    client = client or Client(enforce_csrf_checks=True)
    return client.request(**{
        "PATH_INFO": address, "REQUEST_METHOD": "POST", "CONTENT_TYPE": "multipart/form-data; boundary=x", "CONTENT_LENGTH": str(n_bytes),
        "wsgi.input": Unread()} | headers)  # fmt: skip


def addresses(patterns, before="/"):
    """Every address of the site, with something in the place of each argument."""
    for pattern in patterns:
        here = before + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            yield from addresses(pattern.url_patterns, here)
        elif isinstance(pattern, URLPattern) and "(?P" not in here:
            for kind, value in (("int", "1"), ("slug", "x"), ("path", "x"), ("str", "x"), ("uidb64", "x"), ("token", "x")):
                while f"<{kind}" in here:
                    begin = here.index(f"<{kind}")
                    here = here[:begin] + value + here[here.index(">", begin) + 1 :]
            yield here


def test_no_address_reads_60_MB_of_a_stranger(db):
    found = list(addresses(get_resolver().url_patterns))
    assert len(found) > 130
    for address in found:
        status = says(60_000_000, address).status_code
        assert (address, status) in {(address, code) for code in (301, 302, 401, 403, 404, 413)}


@pytest.mark.parametrize("name", TAKES_FILES)
def test_a_stranger_signs_in_before_what_does_not_fit_into_memory_is_read(db, name):
    answer = says(settings.DATA_UPLOAD_MAX_MEMORY_SIZE + 1, reverse(name))
    assert (answer.status_code, answer.url.split("?")[0]) == (302, reverse("login"))


def test_a_program_shows_its_token_before_its_file_is_read(ada):
    address = reverse("api:data-set-list")
    assert says(60_000_000, address).status_code == 401
    with pytest.raises(AssertionError, match="the body was read"):
        says(60_000_000, address, program(ada))
    assert says(DataSetView.max_upload_bytes + FORM_BYTES + 1, address, program(ada)).json()["code"] == "too_large"


def test_who_has_signed_in_sends_large_files_where_files_are_taken_alone(as_ada):
    for name in ("campaign-list", "material-new", "login", "change-password", "api:campaign-list"):
        assert says(60_000_000, reverse(name), as_ada).status_code == 413
    with pytest.raises(AssertionError, match="the body was read"):
        says(60_000_000, reverse("campaign-new-upload"), as_ada)


def test_a_length_that_is_no_number_is_none(db):
    assert Client().generic("POST", reverse("login"), b"x" * 10, CONTENT_LENGTH="many").status_code == 200
