"""What belongs to a campaign: cells, stages, configurations, models; and data sets that are to become one's S0."""

from math import isfinite
from typing import Any

from django.conf import settings
from django.db.models import QuerySet
from django.http import Http404, HttpResponse
from django.http.response import HttpResponseBase
from django_filters.rest_framework import DjangoFilterBackend
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework import mixins, status
from rest_framework.decorators import action
from rest_framework.filters import OrderingFilter
from rest_framework.parsers import MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response

from campaigns import queries
from campaigns.api import serializers
from campaigns.api.base import REFUSED, ZIP, OfOneCampaign, View
from campaigns.models import Campaign, Cell, Frame, MethodCheck, Resource, SettingChange, Stage, TrainedModel
from campaigns.services import activity, data_sets, exports, method_checks, overruling, relabelling
from campaigns.services.errors import WrongState
from campaigns.services.setting_changes import change_settings
from campaigns.views import access, stages
from campaigns.views.configurations import SORTABLE
from campaigns.views.exports import extended_xyz, zip_file
from campaigns.views.models import FILES

XYZ = {(200, "chemical/x-xyz"): OpenApiTypes.STR} | REFUSED
FILE = {(200, "application/octet-stream"): OpenApiTypes.BINARY} | REFUSED


def _xyz(text: str) -> HttpResponse:
    return HttpResponse(text, content_type="chemical/x-xyz")


class OfAnyCampaign(View):
    """One row of a campaign by its own number."""

    def of_visible(self, rows: QuerySet) -> QuerySet:
        return rows.filter(campaign__in=Campaign.objects.visible_to(self.request.user))


class StageView(OfOneCampaign):
    queryset = Stage.objects.all()
    serializer_class = serializers.StageSerializer
    filterset_fields = ("kind", "state", "loop", "step")

    def get_queryset(self) -> QuerySet[Stage]:
        return self.of_campaign(Stage.objects.all())


class OneStageView(mixins.RetrieveModelMixin, OfAnyCampaign):
    queryset = Stage.objects.all()
    serializer_class = serializers.StageSerializer

    def get_queryset(self) -> QuerySet[Stage]:
        return self.of_visible(Stage.objects.select_related("campaign"))

    @extend_schema(request=None, responses={201: serializers.StageSerializer} | REFUSED)
    @action(detail=True, methods=["post"])
    def relabel(self, request: Request, pk: int) -> Response:
        """Ask again for the labels that are missing of it; the answer is the stage that computes them."""
        stage = self.get_object()
        access.require_edit(request.user, stage.campaign)
        return Response(self.get_serializer(relabelling.start(stage, request.user)).data, status=status.HTTP_201_CREATED)

    @extend_schema(responses={(200, "text/plain"): OpenApiTypes.STR})
    @action(detail=True)
    def log(self, request: Request, pk: int) -> HttpResponse:
        """The last lines that its engine has printed."""
        return HttpResponse(queries.stage_log_tail(self.get_object()), content_type="text/plain; charset=utf-8")

    @extend_schema(responses={200: serializers.FileSerializer(many=True)}, filters=False)
    @action(detail=True, pagination_class=None)
    def files(self, request: Request, pk: int) -> Response:
        """What lies in its folder."""
        return Response([{"name": name, "n_bytes": n_bytes} for name, n_bytes in stages.files_of(self.get_object())])

    @extend_schema(responses=FILE, parameters=[OpenApiParameter("name", str, OpenApiParameter.PATH)])
    @action(detail=True, url_path="files/<path:name>", url_name="file")
    def file(self, request: Request, pk: int, name: str) -> HttpResponseBase:
        return stages.file_of(self.get_object(), name)


class SettingChangeView(OfOneCampaign):
    """Thresholds that were changed when the campaign was under way."""

    queryset = SettingChange.objects.all()
    serializer_class = serializers.SettingChangeSerializer
    filterset_fields = ("setting",)

    def get_queryset(self) -> QuerySet[SettingChange]:
        return self.of_campaign(SettingChange.objects.all())

    @extend_schema(
        request=serializers.ChangedSettingsSerializer,
        responses={201: serializers.SettingChangeSerializer(many=True)} | REFUSED,
        filters=False,
    )
    def create(self, request: Request, campaign: int) -> Response:
        """Change some, for every stage that begins from now on. The answer has a row for each."""
        row = access.editable_campaign(request, campaign)
        given = serializers.ChangedSettingsSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        wanted = given.validated_data
        made = change_settings(row, wanted["changes"], request.user, wanted["reason"], wanted.get("version"))
        return Response(self.get_serializer(made, many=True).data, status=status.HTTP_201_CREATED)


class MethodCheckView(OfOneCampaign):
    """What checks of the reference method have found; one that is under way is a stage of the kind `check`."""

    queryset = MethodCheck.objects.all()
    serializer_class = serializers.MethodCheckSerializer

    def get_queryset(self) -> QuerySet[MethodCheck]:
        return self.of_campaign(MethodCheck.objects.all())

    @extend_schema(request=serializers.NewMethodCheckSerializer, responses={201: serializers.StageSerializer} | REFUSED, filters=False)
    def create(self, request: Request, campaign: int) -> Response:
        """Check that of a draft; the answer is the stage that does it."""
        row = access.editable_campaign(request, campaign)
        given = serializers.NewMethodCheckSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        stage = method_checks.start(row, given.validated_data.get("options"), request.user)
        return Response(serializers.StageSerializer(stage).data, status=status.HTTP_201_CREATED)

    @extend_schema(request=None, responses={200: serializers.StageSerializer} | REFUSED, filters=False)
    @action(detail=False, methods=["post"])
    def stop(self, request: Request, campaign: int) -> Response:
        """End the one that is under way; the answer is its stage."""
        row = access.editable_campaign(request, campaign)
        stage = method_checks.under_way(row)
        if stage is None:
            raise WrongState("The reference method is not being checked: there is nothing to stop.")
        method_checks.stop(row)
        stage.refresh_from_db()
        return Response(serializers.StageSerializer(stage).data)


class ConfigurationView(OfOneCampaign):
    queryset = Frame.objects.all()
    serializer_class = serializers.ConfigurationSerializer
    filter_backends = (DjangoFilterBackend, OrderingFilter)
    filterset_fields = ("verdict", "overruled", "rule", "source", "loop", "step")
    ordering_fields = SORTABLE

    def get_queryset(self) -> QuerySet[Frame]:
        return self.of_campaign(Frame.objects.all())


class OneConfigurationView(mixins.RetrieveModelMixin, OfAnyCampaign):
    queryset = Frame.objects.all()
    serializer_class = serializers.ConfigurationSerializer

    def get_queryset(self) -> QuerySet[Frame]:
        return self.of_visible(Frame.objects.select_related("campaign", "artefact"))

    @extend_schema(request=serializers.OverruleSerializer, responses={201: serializers.OverrulingSerializer} | REFUSED)
    @action(detail=True, methods=["post"])
    def overrule(self, request: Request, pk: int) -> Response:
        """Keep or reject it whatever cleaning says, or, without a verdict, let cleaning decide again."""
        frame = self.get_object()
        access.require_edit(request.user, frame.campaign)
        given = serializers.OverruleSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        verdict, reason = given.validated_data["verdict"], given.validated_data["reason"]
        made = overruling.overrule(frame, request.user, verdict, reason) if verdict else overruling.withdraw(frame, request.user, reason)
        return Response(serializers.OverrulingSerializer(made).data, status=status.HTTP_201_CREATED)

    @extend_schema(responses={200: serializers.HistorySerializer})
    @action(detail=True)
    def history(self, request: Request, pk: int) -> Response:
        """The verdicts that cleaning gave it, set after set, and what persons said."""
        frame = self.get_object()
        found = {"verdicts": frame.history.select_related("training_set"), "overrulings": frame.overrulings.all()}
        return Response(serializers.HistorySerializer(found).data)

    @extend_schema(responses=XYZ)
    @action(detail=True)
    def structure(self, request: Request, pk: int) -> HttpResponse:
        """As extended XYZ, with its labels where it has them."""
        return _xyz(extended_xyz(self.get_object()))


class CellView(mixins.RetrieveModelMixin, OfAnyCampaign):
    queryset = Cell.objects.all()
    serializer_class = serializers.CellSerializer

    def get_queryset(self) -> QuerySet[Cell]:
        return self.of_visible(Cell.objects.select_related("structure"))

    @extend_schema(responses=XYZ)
    @action(detail=True)
    def structure(self, request: Request, pk: int) -> HttpResponse:
        """Ordered and relaxed, as extended XYZ."""
        cell = self.get_object()
        if cell.structure is None:
            raise WrongState("This cell has not been ordered yet: start its campaign, and ask again.")
        return _xyz(cell.structure.file.read_text())


class CampaignModelView(OfOneCampaign):
    queryset = TrainedModel.objects.all()
    serializer_class = serializers.TrainedModelSerializer
    filterset_fields = ("loop", "step")

    def get_queryset(self) -> QuerySet[TrainedModel]:
        return self.of_campaign(TrainedModel.objects.select_related("frozen"))


class ModelView(mixins.RetrieveModelMixin, OfAnyCampaign):
    queryset = TrainedModel.objects.all()
    serializer_class = serializers.TrainedModelSerializer

    def get_queryset(self) -> QuerySet[TrainedModel]:
        return self.of_visible(TrainedModel.objects.select_related("frozen", "campaign"))

    @extend_schema(responses={200: OpenApiResponse(OpenApiTypes.OBJECT, "columns of lcurve.out by their names, null where not a number")})
    @action(detail=True, url_path="learning-curve")
    def learning_curve(self, request: Request, pk: int) -> Response:
        """How its errors fell while it was trained, as DeePMD-kit wrote them."""
        columns = queries.learning_curve(self.get_object())
        return Response({name: [value if isfinite(value) else None for value in map(float, column)] for name, column in columns.items()})

    @extend_schema(responses=ZIP)
    @action(detail=True)
    def package(self, request: Request, pk: int) -> HttpResponseBase:
        """All that is needed to run the model elsewhere and to train it again, as a zip file."""
        model = self.get_object()
        package = exports.model_package(model)
        activity.record(request.user, "exported", model.campaign, f"model {model.loop}.{model.step}")
        return zip_file(package, f"campaign-{model.campaign_id}-model-{model.loop}.{model.step}")

    @extend_schema(responses=FILE, parameters=[OpenApiParameter("name", str, OpenApiParameter.PATH, enum=list(FILES))])
    @action(detail=True, url_path="files/<slug:name>", url_name="file")
    def file(self, request: Request, pk: int, name: str) -> HttpResponseBase:
        """One of its files alone."""
        model = self.get_object()
        artefact = getattr(model, name) if name in FILES else None
        if artefact is None:
            raise Http404
        answer = stages.attachment(artefact.file)
        activity.record(request.user, "exported", model.campaign, f"model {model.loop}.{model.step}, {name}")
        return answer


class ResourceView(mixins.ListModelMixin, View):
    """Where stages can run: names for `resources` of a campaign's document. Administrators define them in a shell."""

    queryset = Resource.objects.all()
    serializer_class = serializers.ResourceSerializer


class DataSetView(View):
    """Data sets for S0."""

    parser_classes = (MultiPartParser,)
    serializer_class = serializers.DataSetSerializer
    max_upload_bytes = settings.MAX_DATA_SET_BYTES

    @extend_schema(responses={201: serializers.DataSetFoundSerializer} | REFUSED)
    def create(self, request: Request) -> Response:
        """Keep a data set and say what is in it. Its token goes into a campaign's document: `s0: {upload: TOKEN, format: ...}`."""
        given = self.get_serializer(data=request.data)
        given.is_valid(raise_exception=True)
        wanted: dict[str, Any] = given.validated_data
        token = data_sets.store_upload(request.user, wanted["file"])
        elements = wanted["elements"].replace(",", " ").split()
        found = data_sets.inspect_upload(request.user, token, wanted["format"], elements, wanted["file"].name)
        return Response({"token": token, "found": found}, status=status.HTTP_201_CREATED)
