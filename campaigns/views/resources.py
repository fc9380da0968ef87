"""Clusters, for administrators: what is defined, and the jobs that stages have there now."""

from collections.abc import Iterable

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from campaigns import queries
from campaigns.models import Resource


@login_required
@require_safe
def resource_list(request: HttpRequest) -> HttpResponse:
    """Defining one is left to the command line: who may write job scripts may do anything on the cluster."""
    if not request.user.is_superuser:
        raise Http404
    stages = queries.stages_with_jobs()
    context = {"section": "clusters", "resources": list(_rows(Resource.objects.all())), "jobs": stages}
    return render(request, "campaigns/resources.html", context)


def _rows(resources: Iterable[Resource]) -> Iterable[dict[str, object]]:
    for resource in resources:
        chosen = resource.profile
        limits = [flag.partition(" ")[2] for flag in chosen.resources["custom_flags"]]
        yield {"resource": resource, "profile": chosen, "limits": limits}
