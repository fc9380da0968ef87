"""One trained model: what it was trained on, how well, and its files."""

from django.contrib.auth.decorators import login_required
from django.http import FileResponse, Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.views.decorators.http import require_safe

from campaigns.models import TrainedModel
from campaigns.services import activity
from campaigns.services import exports as services
from campaigns.views import access, exports, refusals
from campaigns.views.campaigns import page_context
from campaigns.views.stages import attachment

# Files of a model by their name in the address, with what they are for.
FILES = {
    "frozen": "frozen model, for LAMMPS (pair_style deepmd) and dp test",
    "compressed": "compressed model: the same, faster",
    "input_json": "training input of DeePMD-kit",
    "learning_curve": "learning curve (lcurve.out)",
}


@login_required
@require_safe
def model_page(request: HttpRequest, pk: int) -> HttpResponse:
    model = access.trained_model(request, pk)
    runs = model.md_runs.select_related("cell__material", "stage", "diffusion").defer("cell__material__cif", "cell__material__facts")
    runs = runs.order_by("-purpose", "cell", "temperature_K", "replica", "pk")  # not in the order in which they ended
    files = [(name, text, getattr(model, name)) for name, text in FILES.items() if getattr(model, name)]
    context = {"model": model, "runs": runs, "files": files, "launches": model.launches.select_related("cell__material")}
    return render(request, "campaigns/model.html", page_context(model.campaign, "models") | context)


@login_required
@require_safe
def model_file(request: HttpRequest, pk: int, name: str) -> FileResponse:
    model: TrainedModel = access.trained_model(request, pk)
    artefact = getattr(model, name) if name in FILES else None
    if artefact is None:
        raise Http404
    suffix = "".join(artefact.file.suffixes)
    answer = attachment(artefact.file, f"campaign-{model.campaign_id}-model-{model.loop}.{model.step}-{name}{suffix}")
    activity.record(request.user, "exported", model.campaign, f"model {model.loop}.{model.step}, {name}")
    return answer


@login_required
@require_safe
def model_package(request: HttpRequest, pk: int) -> HttpResponseBase:
    """All that is needed to run the model elsewhere and to train it again."""
    model = access.trained_model(request, pk)
    with refusals.as_message(request):
        package = services.model_package(model)
        activity.record(request.user, "exported", model.campaign, f"model {model.loop}.{model.step}")
        return exports.zip_file(package, f"campaign-{model.campaign_id}-model-{model.loop}.{model.step}")
    return redirect("model", pk)
