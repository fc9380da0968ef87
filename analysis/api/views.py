"""Trajectories that users bring, the fits and runs of a campaign, and campaigns side by side."""

import math
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db.models import QuerySet
from django.http import Http404, QueryDict
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_view
from rest_framework import mixins, status
from rest_framework.decorators import action
from rest_framework.parsers import MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import Serializer

from analysis.api import serializers
from analysis.forms import CorrectionForm, TrajectoryForm
from analysis.models import ArrheniusFit, TrajectoryAnalysis
from analysis.services import trajectories
from analysis.services.parity import UNITS, compared
from analysis.services.trajectories import AnalysisRequest
from analysis.views import plots, results
from analysis.views import trajectories as judged
from campaigns.api.base import REFUSED, WHOSE, OfOneCampaign, View
from campaigns.api.parts import OfAnyCampaign
from campaigns.api.serializers import MoveSerializer
from campaigns.api.views import DELETED
from campaigns.models import Campaign, MdRun, TrainedModel
from campaigns.services import projects
from campaigns.services.errors import BadInput, sentence
from campaigns.views import access

CURVES = extend_schema(responses={200: serializers.CurveSerializer(many=True)}, filters=False)


def _curves(found: list[Any]) -> Response:
    """What is not a number is null."""
    rows = [
        {
            "species": curve.species,
            "t_ps": [float(value) for value in curve.t_ps],
            "msd_A2": list(map(_number, curve.msd_A2)),
            "msd_error_A2": list(map(_number, curve.error_A2)),
        }
        for curve in found
    ]
    return Response(rows)


STRUCTURE = extend_schema(
    responses={200: serializers.StructureCurveSerializer(many=True)},
    parameters=[OpenApiParameter("kind", str, OpenApiParameter.PATH, enum=["rdf", "van-hove-self", "van-hove-distinct"])],
    filters=False,
)


def _structure(path: Path | None, run_id: int, kind: str, mobile_ion: str) -> Response:
    from analysis.views import figures

    if kind not in figures.STRUCTURE:
        raise Http404
    curves = figures.structure_curves(path, run_id, kind, mobile_ion) if path else []
    return Response([{"label": one.label, "r_A": one.r_A.tolist(), "values": [_number(value) for value in one.values]} for one in curves])


def _number(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def _checked(form: TrajectoryForm) -> AnalysisRequest:
    if not form.is_valid():
        problems = {name: " ".join(map(str, texts)) for name, texts in form.errors.items()}
        raise BadInput("; ".join(f"{name}: {text}" for name, text in problems.items()), problems)
    return form.request()


@extend_schema_view(list=extend_schema(parameters=[WHOSE]))
class TrajectoryView(mixins.ListModelMixin, mixins.RetrieveModelMixin, View):
    queryset = TrajectoryAnalysis.objects.all()
    parser_classes = (MultiPartParser, *View.parser_classes)
    filterset_fields = ("state", "mobile_ion")
    more_parameters = ("whose",)
    max_upload_bytes = settings.MAX_TRAJECTORY_BYTES

    def get_queryset(self) -> QuerySet[TrajectoryAnalysis]:
        return self.chosen(TrajectoryAnalysis.objects.select_related("owner", "project"))

    def get_serializer_class(self) -> type[Serializer]:
        return serializers.TrajectorySerializer if self.action == "list" else serializers.TrajectoryDetailSerializer

    @extend_schema(
        request={"multipart/form-data": serializers.NewTrajectorySerializer},
        responses={201: serializers.TrajectoryDetailSerializer} | REFUSED,
    )
    def create(self, request: Request) -> Response:
        """Have a trajectory judged; ask for it again until its state is `done` or `failed`."""
        if not isinstance(request.data, QueryDict):
            raise BadInput("Send a form with files (multipart/form-data).", {"files": "send a form with files"})
        form = TrajectoryForm(request.data, request.FILES)
        asked = _checked(form)
        row = trajectories.create(request.user, trajectories.in_order(form.cleaned_data["files"]), asked)
        return Response(self.get_serializer(row).data, status=status.HTTP_201_CREATED)

    @extend_schema(responses=DELETED)
    def destroy(self, request: Request, pk: int) -> Response:
        """With its files and its result."""
        trajectories.delete(self.managed(), request.user)
        return Response(status=status.HTTP_204_NO_CONTENT)

    @extend_schema(request={"application/json": MoveSerializer}, responses={200: serializers.TrajectoryDetailSerializer} | REFUSED)
    @action(detail=True, methods=["post"])
    def move(self, request: Request, pk: int) -> Response:
        """Put it into a project, or make it private."""
        row = self.managed()
        projects.move(row, self.target(MoveSerializer.project_of(request)), request.user)
        return Response(self.get_serializer(row).data)

    @extend_schema(
        request={"application/json": serializers.CorrectedTrajectorySerializer},
        responses={200: serializers.TrajectoryDetailSerializer} | REFUSED,
    )
    @action(detail=True, methods=["post"])
    def again(self, request: Request, pk: int) -> Response:
        """Have the files that are kept judged again, with what is said of them corrected."""
        row = self.editable()
        if not isinstance(request.data, dict):
            raise BadInput("Send the fields to be corrected, as keys and values.")
        form = CorrectionForm(CorrectionForm.said_of(row) | {name: request.data[name] for name in request.data})
        trajectories.again(row, _checked(form))
        return Response(self.get_serializer(self.get_object()).data)

    @CURVES
    @action(detail=True, pagination_class=None)
    def msd(self, request: Request, pk: int) -> Response:
        """Mean square displacement of every species; empty until there is one."""
        return _curves(judged.curves_of(self.get_object()))

    @STRUCTURE
    @action(detail=True, pagination_class=None, url_path="structure/<slug:kind>")
    def structure(self, request: Request, pk: int, kind: str) -> Response:
        """Radial distribution functions, or the van Hove functions of the mobile ion; empty until there are some."""
        row = self.get_object()
        return _structure(judged.judged_file(row), judged.RUN_ID, kind, row.mobile_ion)


class FitView(OfOneCampaign):
    """The Arrhenius fit of every judged model."""

    queryset = ArrheniusFit.objects.all()
    serializer_class = serializers.FitSerializer

    def get_queryset(self) -> QuerySet[ArrheniusFit]:
        models = self.of_campaign(TrainedModel.objects.all())
        return ArrheniusFit.objects.filter(model__in=models).select_related("model").order_by("model__loop", "model__step", "model__repeat")


class RunView(OfOneCampaign):
    """Every dynamics of the campaign, with D and the verdict where it was judged."""

    queryset = MdRun.objects.all()
    serializer_class = serializers.RunSerializer
    filterset_fields = ("purpose", "outcome", "model")

    def get_queryset(self) -> QuerySet[MdRun]:
        return self.of_campaign(MdRun.objects.select_related("model", "diffusion"))


class OneRunView(mixins.RetrieveModelMixin, OfAnyCampaign):
    queryset = MdRun.objects.all()
    serializer_class = serializers.RunSerializer

    def get_queryset(self) -> QuerySet[MdRun]:
        return self.of_visible(MdRun.objects.select_related("model", "diffusion", "campaign"))

    @CURVES
    @action(detail=True, pagination_class=None)
    def msd(self, request: Request, pk: int) -> Response:
        """Mean square displacement of every species; empty for a run that was not judged."""
        from analysis.views import figures

        return _curves(figures.msd_curves(self.get_object()))

    @STRUCTURE
    @action(detail=True, pagination_class=None, url_path="structure/<slug:kind>")
    def structure(self, request: Request, pk: int, kind: str) -> Response:
        """Radial distribution functions, or the van Hove functions of the mobile ion; empty for a run that was not judged."""
        run = self.get_object()
        return _structure(plots.judged_file(run), run.number, kind, run.campaign.mobile_ion)


class ParityView(View):
    queryset = Campaign.objects.none()
    serializer_class = serializers.ParitySerializer

    @extend_schema(operation_id="parity", parameters=[OpenApiParameter("quantity", str, OpenApiParameter.PATH, enum=list(UNITS))])
    def parity(self, request: Request, campaign: int, loop: int, step: int, quantity: str) -> Response:
        """A step's model against labels that it had not been trained on yet."""
        found = compared(access.campaign(request, campaign), loop, step).get(quantity)
        if found is None:
            raise Http404
        return Response(self.get_serializer(found).data)


class CompareView(View):
    queryset = Campaign.objects.none()
    serializer_class = serializers.ComparisonSerializer

    @extend_schema(
        operation_id="compare",
        parameters=[
            OpenApiParameter("campaign", OpenApiTypes.INT, many=True, description="at most 50; those that you may not see are left out"),
            OpenApiParameter("temperature_K", OpenApiTypes.FLOAT, description="between 1 and 5000; left out: 300"),
        ],
        responses={200: serializers.ComparisonSerializer},
    )
    def compare(self, request: Request) -> Response:
        """Ea, D and conductivity of the last judged model of each campaign, and what is published of the same elements."""
        for name, limit in (("campaign", "a number"), ("temperature_K", "a number between 1 and 5000")):
            for word in request.query_params.getlist(name):
                if not _is_number(word) or (name == "temperature_K" and not 1 <= float(word) <= 5000):
                    raise BadInput(sentence(f"{name} must be {limit}, not {word[:50]!r}"), {name: f"must be {limit}"})
        return Response(results.comparison_document(request))


def _is_number(word: str) -> bool:
    try:
        return math.isfinite(float(word))
    except ValueError:
        return False
