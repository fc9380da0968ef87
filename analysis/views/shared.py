"""What a read-only link opens, without an account: the results of one campaign with their plots, and nothing else."""

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from analysis.views import plots
from analysis.views.results import results_context
from campaigns.models import Campaign, MdRun
from campaigns.services import sharing


def _campaign(token: str) -> Campaign:
    found = sharing.campaign_of(token)
    if found is None:
        raise Http404("no such link")
    return found


@never_cache
@require_safe
def page(request: HttpRequest, token: str) -> HttpResponse:
    campaign = sharing.campaign_of(token)
    if campaign is None:
        message = "This link was withdrawn, or it is not complete. Ask whoever gave it to you for another."
        return render(request, "404.html", {"message": message}, status=404)
    context = {"campaign": campaign, "shared": token, "frame": "analysis/shared.html"} | results_context(request, campaign)
    answer = render(request, "analysis/results.html", context)
    answer.headers["X-Robots-Tag"] = "noindex"
    answer.headers["Referrer-Policy"] = "no-referrer"  # the address is the key
    return answer


@never_cache
@require_safe
def arrhenius(request: HttpRequest, token: str) -> HttpResponse:
    return plots.arrhenius_of(request, _campaign(token))


@never_cache
@require_safe
def against_step(request: HttpRequest, token: str, quantity: str) -> HttpResponse:
    return plots.steps_of(request, _campaign(token), quantity)


@never_cache
@require_safe
def msd(request: HttpRequest, token: str, pk: int) -> HttpResponse:
    runs = MdRun.objects.select_related("campaign", "diffusion", "cell__material").filter(campaign=_campaign(token))
    return plots.msd_of(request, get_object_or_404(runs, pk=pk))
