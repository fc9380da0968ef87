"""The API against its own description: requests made up from the OpenAPI schema, good ones and bad ones, get only documented answers.

Seeded: the same requests each time. Two thirds of them name rows that are there.
"""

import re

import pytest
from django.core.signals import request_finished, request_started
from django.core.wsgi import get_wsgi_application
from django.db import close_old_connections
from drf_spectacular.generators import SchemaGenerator
from knox.models import AuthToken

from analysis.models import TrajectoryAnalysis
from campaigns.models import Frame, MdRun, Stage, TrainedModel
from campaigns.services import projects, sharing
from tests import factories

pytest.importorskip("schemathesis", reason="needs schemathesis: pip install -e '.[test]'")

import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import FailureGroup
from schemathesis.specs.openapi.checks import content_type_conformance, response_schema_conformance, status_code_conformance

CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
EXAMPLES = 8
SLOW_EXAMPLES = 2
SLOW = ("/api/v1/materials/", "/api/v1/data-sets/", "package/", "data-set/", "setup/", "from-file/")  # a child process for each request
UNLIKELY = {  # a name made up is no file, and numbers made up are no step
    "get /api/v1/stages/{id}/files/{name}/",
    "get /api/v1/campaigns/{campaign}/parity/{loop}/{step}/{quantity}/",
}
ORDER = {"get": 0, "post": 1, "put": 2, "delete": 3}


@pytest.fixture(autouse=True)
def one_connection():
    """As Django's own test client: the end of a request does not close the connection that holds the test's transaction."""
    for signal in (request_started, request_finished):
        signal.disconnect(close_old_connections)
    yield
    for signal in (request_started, request_finished):
        signal.connect(close_old_connections)


@pytest.fixture
def there(ada):
    """Numbers of rows by the part of an address that stands before them."""
    full = factories.full_campaign(ada, frames_per_step=4)
    project = projects.create(ada, "solid electrolytes")
    return {
        "campaigns": full.pk,
        "materials": factories.material(ada).pk,
        "cells": full.cells.first().pk,
        "models": TrainedModel.objects.last().pk,
        "stages": Stage.objects.filter(state="done").first().pk,
        "configurations": Frame.objects.first().pk,
        "runs": MdRun.objects.filter(diffusion__isnull=False).first().pk,
        "trajectories": TrajectoryAnalysis.objects.create(
            owner=ada, name="run", file_names=["run.xyz"], mobile_ion="Li", temperature_K=600, spec={"files": []}, state="failed"
        ).pk,
        "projects": project.pk,
        "links": sharing.make_link(full, ada)[0].pk,
        "members": projects.set_member(project, factories.user("eve").username, "viewer", ada).pk,
    }


def _operations():
    document = SchemaGenerator().get_schema(request=None, public=True)
    schema = schemathesis.openapi.from_dict(document)
    schema.app = _whole_answers(get_wsgi_application())
    found = [result.ok() for result in schema.get_all_operations()]
    return sorted(found, key=lambda operation: (ORDER[operation.method], operation.path))


def _whole_answers(application):
    """As a web server does: a download is read to its end, and its file closed."""

    def served(environ, start_response):
        answer = application(environ, start_response)
        try:
            return [b"".join(answer)]
        finally:
            answer.close()

    return served


def _problems(operation, mode, header, there, answers):
    """What is wrong with the answers to some requests, whose statuses go into `answers`; empty where nothing is."""
    slow = any(operation.path.endswith(end) for end in SLOW)
    names = dict(re.findall(r"(\w[\w-]*)/\{(\w+)\}", operation.path))

    @settings(
        max_examples=SLOW_EXAMPLES if slow else EXAMPLES,
        derandomize=True,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=mode), how=st.sampled_from(("made up", "there", "there, all of it")))
    def ask(case, how):
        if slow or how != "made up":
            case.path_parameters = dict(case.path_parameters) | {name: there[part] for part, name in names.items() if part in there}
        if slow or how == "there, all of it":
            case.query = {}
        response = case.call(headers=header)
        answers.add(response.status_code)
        case.validate_response(response, checks=CHECKS)

    try:
        ask()
    except (Exception, FailureGroup) as error:  # of every operation, so that one run says all that is wrong
        return "".join(map(str, getattr(error, "exceptions", [error])))
    return ""


@pytest.mark.parametrize("mode", list(schemathesis.GenerationMode), ids=lambda mode: mode.name.lower())
def test_the_api_is_as_it_describes_itself(ada, there, mode):
    header = {"Authorization": f"Token {AuthToken.objects.create(ada)[1]}"}
    operations = _operations()
    if mode == schemathesis.GenerationMode.NEGATIVE:  # only where there is something to be wrong
        operations = [one for one in operations if one.body or one.query]
    answers = {f"{one.method} {one.path}": set() for one in operations}
    found = {f"{one.method} {one.path}": _problems(one, mode, header, there, answers[f"{one.method} {one.path}"]) for one in operations}
    assert len(found) > 20
    assert {name: problem for name, problem in found.items() if problem} == {}
    if mode == schemathesis.GenerationMode.POSITIVE:  # what can be read was read, not only not found
        assert {name for name, statuses in answers.items() if name.startswith("get") and 200 not in statuses} <= UNLIKELY
