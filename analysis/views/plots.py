"""Bokeh documents as JSON, for static/js/plots.js to embed: one address for each plot."""

import json
from pathlib import Path
from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404
from django.views.decorators.http import require_safe

from analysis import queries
from analysis.models import ArrheniusFit
from analysis.science import summary
from analysis.services.comparison import compared
from analysis.views.selection import chosen_campaigns, chosen_temperature_K, published_of
from campaigns.models import Campaign, MdRun
from campaigns.queries import learning_curve
from campaigns.views import access


def theme(request: HttpRequest) -> Any:
    from analysis.plots.theme import Theme

    return Theme(dark=request.GET.get("theme") == "dark", narrow=request.GET.get("narrow") == "1", vector=request.GET.get("vector") == "1")


def document(plot: Any, said: str = "", table: dict[str, Any] | None = None) -> HttpResponse:
    """The plot, one sentence of what it shows, and its numbers where the page has none; static/js/plots.js writes them below."""
    from bokeh.embed import json_item

    return HttpResponse(json.dumps(json_item(plot) | {"said": said, "table": table}), content_type="application/json")


def nothing(message: str) -> JsonResponse:
    """No plot, and why; the page shows the sentence in its place."""
    return JsonResponse({"doc": None, "message": message})


@login_required
@require_safe
def arrhenius(request: HttpRequest, pk: int) -> HttpResponse:
    return arrhenius_of(request, access.campaign(request, pk))


def arrhenius_of(request: HttpRequest, campaign: Campaign) -> HttpResponse:
    from analysis.plots.arrhenius import arrhenius_figure
    from analysis.views import figures

    series = figures.by_training_step(queries.judged_models(campaign.trained_models.all()))
    if not any(one.temperature_K for one in series):
        return nothing("No run has given a diffusion coefficient yet.")
    return document(arrhenius_figure(series, theme(request)), figures.said_of_lines(series))


@login_required
@require_safe
def against_step(request: HttpRequest, pk: int, quantity: str) -> HttpResponse:
    return steps_of(request, access.campaign(request, pk), quantity)


def steps_of(request: HttpRequest, campaign: Campaign, quantity: str) -> HttpResponse:
    from analysis.plots.series import series_figure
    from analysis.views import figures

    titles = {"activation-energy": ("activation_energy", "Ea (eV)", "eV"), "diffusivity": ("diffusivity", "D (cm²/s)", "cm²/s")}
    if quantity not in (*titles, "force-error"):
        raise Http404
    if quantity == "force-error":
        errors = figures.error_series(campaign)
        title = "force error, new snapshots (eV/Å)"
        if not errors:
            return nothing("No model has met new snapshots yet.")
        return document(series_figure(errors, theme(request), title, "eV/Å"), figures.said_of_steps(errors, "eV/Å"))
    name, title, unit = titles[quantity]
    temperature_K = chosen_temperature_K(request, campaign)
    series = figures.step_series(queries.judged_models(campaign.trained_models.all()), name, temperature_K)
    if not series:
        return nothing("No model has an Arrhenius line yet: it takes at least three diffusive runs.")
    if name == "diffusivity":
        title = f"D at {temperature_K:g} K (cm²/s)"
    return document(
        series_figure(series, theme(request), title, unit, logarithmic=name == "diffusivity"), figures.said_of_steps(series, unit)
    )


@login_required
@require_safe
def msd(request: HttpRequest, pk: int) -> HttpResponse:
    return msd_of(request, _run(request, pk))


def msd_of(request: HttpRequest, run: MdRun) -> HttpResponse:
    from analysis.plots.msd import msd_figure
    from analysis.views import figures

    curves = figures.msd_curves(run)
    if not curves:
        return nothing("This run has no mean square displacement.")
    fit = figures.msd_fit(run.diffusion.details) if hasattr(run, "diffusion") else None
    return document(
        msd_figure(curves, theme(request), fit, logarithmic=is_logarithmic(request)),
        figures.said_of_msd(curves),
        figures.table_of_msd(curves),
    )


def is_logarithmic(request: HttpRequest) -> bool:
    return request.GET.get("axes") == "log"


def _run(request: HttpRequest, pk: int) -> MdRun:
    found = MdRun.objects.select_related("campaign", "diffusion", "cell__material").filter(campaign__in=access.campaigns(request))
    return get_object_or_404(found, pk=pk)


def judged_file(run: MdRun) -> Path | None:
    fit = ArrheniusFit.objects.select_related("msd").filter(model=run.model_id).first()
    return fit.msd.file if fit and fit.msd.file.exists() else None


CONDUCTIVITY_AXIS = "sigmaT"  # ?axis=
MOST_BANDS = 12  # more cover one another, and cost the server milliseconds each
NO_STRUCTURE = "This run was judged by an earlier release, which did not keep this."


@login_required
@require_safe
def structure(request: HttpRequest, pk: int, kind: str) -> HttpResponse:
    run = _run(request, pk)
    return structure_of(request, judged_file(run), run.number, kind, run.campaign.mobile_ion)


def structure_of(request: HttpRequest, path: Path | None, run_id: int, kind: str, mobile_ion: str) -> HttpResponse:
    """One of figures.STRUCTURE, from the file that a judge has kept."""
    from analysis.plots.structure import curves_figure
    from analysis.views import figures

    if kind not in figures.STRUCTURE:
        raise Http404
    curves = figures.structure_curves(path, run_id, kind, mobile_ion) if path else []
    if not curves:
        return nothing(NO_STRUCTURE)
    title, level = figures.STRUCTURE[kind]
    found = curves_figure(curves, theme(request), title, level=level)
    return document(found, figures.said_of_structure(kind, curves), figures.table_of_curves(curves))


@login_required
@require_safe
def density(request: HttpRequest, pk: int, axis: int) -> HttpResponse:
    run = _run(request, pk)
    return density_of(request, judged_file(run), run.number, axis)


def density_of(request: HttpRequest, path: Path | None, run_id: int, axis: int) -> HttpResponse:
    """The density of the mobile ion seen along axis 0, 1 or 2."""
    from analysis.plots.structure import density_figure
    from analysis.views import figures

    if axis > 2:
        raise Http404
    found = figures.density_of(path, run_id) if path else None
    if found is None:
        return nothing(NO_STRUCTURE)
    projections, cell_A = found
    return document(density_figure(projections[axis], cell_A, axis, theme(request)), summary.of_density(projections[axis]))


@login_required
@require_safe
def learning(request: HttpRequest, pk: int) -> HttpResponse:
    from analysis.plots.learning import learning_figure
    from analysis.views import figures

    model = access.trained_model(request, pk)
    if not model.learning_curve.file.exists():
        return nothing("The file of the learning curve is not there any more.")
    curve = learning_curve(model)
    return document(learning_figure(curve, theme(request)), figures.said_of_learning(curve))


@login_required
@require_safe
def training_set(request: HttpRequest, pk: int, quantity: str) -> HttpResponse:
    from analysis.plots.training_set import thinned, training_set_figure

    points = _training_set_points(request, pk, quantity)
    if not len(points.order):
        return nothing(NO_LABEL)
    return document(training_set_figure(thinned(points), theme(request), TITLES[quantity]))


@login_required
@require_safe
def histogram(request: HttpRequest, pk: int, quantity: str) -> HttpResponse:
    from analysis.plots.histogram import histogram_figure

    points = _training_set_points(request, pk, quantity)
    if not len(points.order):
        return nothing(NO_LABEL)
    return document(histogram_figure(points, theme(request), TITLES[quantity]))


TITLES = {"energy": "energy (eV/atom)", "force": "largest force (eV/Å)"}
NO_LABEL = "No configuration has a label yet."


def _training_set_points(request: HttpRequest, pk: int, quantity: str) -> Any:
    from analysis.views import figures

    if quantity not in figures.QUANTITIES:
        raise Http404
    return figures.training_set_points(access.campaign(request, pk), quantity)


@login_required
@require_safe
def comparison(request: HttpRequest) -> HttpResponse:
    from analysis.plots.arrhenius import MOST_IN_LEGEND, arrhenius_figure
    from analysis.views import figures

    campaigns, temperature_K = chosen_campaigns(request), chosen_temperature_K(request)
    rows = [row for row in compared(campaigns, temperature_K) if row.judged]
    is_conductivity = request.GET.get("axis") == CONDUCTIVITY_AXIS
    with_band = len(rows) <= MOST_BANDS
    places = figures.places([row.campaign.pk for row in rows])
    series = [
        figures.arrhenius_series(row.judged, row.label, marker=place, colour=place % figures.PUBLISHED_COLOUR, with_band=with_band)
        for row, place in zip(rows, places, strict=True)
    ]
    if not any(one.temperature_K for one in series):
        return nothing("None of these campaigns has a diffusion coefficient yet.")
    if is_conductivity:
        series = [figures.as_sigma_T(one, row.judged) for one, row in zip(series, rows, strict=True)]
    series = [figures.as_far_as_known(one, row) for one, row in zip(series, rows, strict=True)]
    series += figures.of_references(published_of(campaigns), "conductivity" if is_conductivity else "diffusivity")
    axis = ("σT (S cm⁻¹ K)", "S cm⁻¹ K") if is_conductivity else ("D (cm²/s)", "cm²/s")
    said = figures.said_of_lines(series)
    if len(series) > MOST_IN_LEGEND:
        said += f" The legend names the first {MOST_IN_LEGEND} of {len(series)}; point at a mark to see whose it is."
    return document(arrhenius_figure(series, theme(request), extend_to_K=temperature_K, axis=axis), said)


@login_required
@require_safe
def comparison_bars(request: HttpRequest, quantity: str) -> HttpResponse:
    """Ea, or D or the conductivity at the chosen temperature, of every line."""
    from analysis.plots.bars import bars_figure
    from analysis.views import figures

    if quantity not in BARS:
        raise Http404
    title, unit = BARS[quantity]
    campaigns, temperature_K = chosen_campaigns(request), chosen_temperature_K(request)
    rows, published = compared(campaigns, temperature_K), published_of(campaigns)
    is_energy = quantity == "activation-energy"
    found = figures.energy_bars(rows, published) if is_energy else figures.quantity_bars(rows, published, quantity, temperature_K)
    if not found:
        return nothing(f"None of these campaigns has {'an activation energy' if is_energy else 'a number that is known well enough'} yet.")
    title = title if is_energy else f"{title} at {temperature_K:g} K"
    said = summary.of_bars([(one.label, one.value) for one in found], unit)
    return document(bars_figure(found, theme(request), title, unit, logarithmic=not is_energy), said)


BARS = {"activation-energy": ("Ea", "eV"), "diffusivity": ("D", "cm²/s"), "conductivity": ("conductivity", "mS/cm")}
