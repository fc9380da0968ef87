"""Materials, campaigns and what came out of them. Everybody sees what is his own; what he may not see is 404."""

import hashlib

from django.db.models import QuerySet
from django.http import HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.utils.decorators import method_decorator
from django.views.decorators.http import conditional_page
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework import mixins, status, viewsets
from rest_framework.decorators import action
from rest_framework.pagination import PageNumberPagination
from rest_framework.request import Request
from rest_framework.response import Response

from campaigns import queries
from campaigns.api import serializers
from campaigns.api.errors import RefusalSerializer
from campaigns.enums import Verdict
from campaigns.models import Campaign, Frame, Material, Stage, TrainedModel
from campaigns.services import archives, campaigns, exports, materials, settings_file
from campaigns.services.errors import BadInput
from campaigns.views.exports import zip_file

REFUSED = {400: RefusalSerializer, 409: RefusalSerializer}
ZIP = {(200, "application/zip"): OpenApiTypes.BINARY} | REFUSED
CHANGES_STATE = extend_schema(request=None, responses={200: serializers.CampaignDetailSerializer} | REFUSED)
KEY = OpenApiParameter("Idempotency-Key", str, OpenApiParameter.HEADER, description="the same key twice makes one campaign")

DATA_SET_PARAMETERS = [OpenApiParameter("format", enum=list(exports.FORMATS)), OpenApiParameter("with_rejected", bool)]


class Pages(PageNumberPagination):
    page_size = 100
    page_size_query_param = "page_size"
    max_page_size = 1000


@method_decorator(conditional_page, name="dispatch")
class View(viewsets.GenericViewSet):
    """Answers carry an ETag: what has not changed is 304."""

    pagination_class = Pages
    lookup_value_converter = "int"


class OfOneCampaign(mixins.ListModelMixin, View):
    """Rows of a campaign, at /campaigns/<campaign>/..."""

    def of_campaign(self, rows: QuerySet) -> QuerySet:
        if getattr(self, "swagger_fake_view", False):
            return rows.none()
        campaign = viewsets.generics.get_object_or_404(Campaign.objects.visible_to(self.request.user), pk=self.kwargs["campaign"])
        return rows.filter(campaign=campaign)


class MaterialView(mixins.ListModelMixin, mixins.RetrieveModelMixin, View):
    queryset = Material.objects.all()
    filterset_fields = ("mobile_ion", "reduced_formula")

    def get_queryset(self) -> QuerySet[Material]:
        rows = Material.objects.visible_to(self.request.user).defer("cif")
        return rows if self.action == "retrieve" else rows.defer("facts")

    def get_serializer_class(self) -> type[serializers.MaterialSerializer]:
        return serializers.MaterialSerializer if self.action == "list" else serializers.MaterialDetailSerializer

    @extend_schema(responses={201: serializers.MaterialDetailSerializer} | REFUSED)
    def create(self, request: Request) -> Response:
        """Read a CIF. The same CIF twice gives the material that is there."""
        given = self.get_serializer(data=request.data)
        given.is_valid(raise_exception=True)
        text = given.validated_data["cif"].encode()
        material = materials.create_material(request.user, text, "structure.cif", given.validated_data.get("name", ""))
        return Response(self.get_serializer(material).data, status=status.HTTP_201_CREATED)

    @extend_schema(responses={(200, "chemical/x-cif"): OpenApiTypes.STR})
    @action(detail=True)
    def cif(self, request: Request, pk: int) -> HttpResponse:
        """The CIF as it was given."""
        return HttpResponse(self.get_object().cif, content_type="chemical/x-cif")


class CampaignView(mixins.ListModelMixin, mixins.RetrieveModelMixin, View):
    queryset = Campaign.objects.all()
    filterset_fields = ("state", "mobile_ion", "labeller", "preset")

    def get_queryset(self) -> QuerySet[Campaign]:
        return Campaign.objects.visible_to(self.request.user).prefetch_related("cells")

    def get_serializer_class(self) -> type[serializers.CampaignSerializer]:
        return serializers.CampaignSerializer if self.action == "list" else serializers.CampaignDetailSerializer

    @extend_schema(
        request=serializers.CampaignDocumentSerializer,
        parameters=[KEY],
        responses={200: serializers.CampaignDetailSerializer, 201: serializers.CampaignDetailSerializer} | REFUSED,
    )
    def create(self, request: Request) -> Response:
        """A campaign from the document that a settings file holds; it is a draft until it is started."""
        settings_file.check_keys(request.data, "The document")
        wanted = settings_file.to_request(request.user, dict(request.data), self._key(request), None)
        campaign, is_new = campaigns.create_once(request.user, wanted)
        return Response(self.get_serializer(campaign).data, status=status.HTTP_201_CREATED if is_new else status.HTTP_200_OK)

    def _key(self, request: Request) -> str:
        given = request.headers.get("Idempotency-Key", "")
        if len(given) > 200:
            raise BadInput("The Idempotency-Key is longer than 200 characters.")
        return hashlib.sha256(f"api {given}".encode()).hexdigest() if given else ""

    def _act(self, verb: str) -> Response:
        campaign = self.get_object()
        getattr(campaigns, verb)(campaign)
        campaign.refresh_from_db()
        return Response(self.get_serializer(campaign).data)

    @CHANGES_STATE
    @action(detail=True, methods=["post"])
    def start(self, request: Request, pk: int) -> Response:
        return self._act("start")

    @CHANGES_STATE
    @action(detail=True, methods=["post"])
    def pause(self, request: Request, pk: int) -> Response:
        """Nothing new starts; what runs is stopped and goes on from its checkpoint later."""
        return self._act("pause")

    @CHANGES_STATE
    @action(detail=True, methods=["post"])
    def resume(self, request: Request, pk: int) -> Response:
        return self._act("resume")

    @CHANGES_STATE
    @action(detail=True, methods=["post"])
    def retry(self, request: Request, pk: int) -> Response:
        """Repeat what failed, from its checkpoints."""
        return self._act("retry")

    @CHANGES_STATE
    @action(detail=True, methods=["post"])
    def cancel(self, request: Request, pk: int) -> Response:
        """For good; what was computed stays."""
        return self._act("cancel")

    @extend_schema(responses={200: OpenApiResponse(OpenApiTypes.OBJECT, "as `manage.py campaign status ID --json` prints it")})
    @action(detail=True)
    def result(self, request: Request, pk: int) -> Response:
        """D(T) and Ea of the last judged model with their errors, the verdict of every run, the cost."""
        return Response(queries.result(self.get_object()))

    @extend_schema(responses=ZIP)
    @action(detail=True)
    def archive(self, request: Request, pk: int) -> HttpResponseBase:
        """Everything of the campaign, rows and files with their checksums, for `manage.py import_archive` of another installation."""
        campaign = self.get_object()
        name = f'attachment; filename="campaign-{campaign.pk}-archive.zip"'
        return StreamingHttpResponse(archives.archive(campaign), content_type="application/zip", headers={"Content-Disposition": name})

    @extend_schema(parameters=DATA_SET_PARAMETERS, responses=ZIP)
    @action(detail=True, url_path="data-set")
    def data_set(self, request: Request, pk: int) -> HttpResponseBase:
        """The configurations that models are trained on, as a zip file; with_rejected: also those that cleaning has rejected."""
        campaign = self.get_object()
        frames = campaign.frames.select_related("artefact").order_by("artefact_id", "row")
        if request.query_params.get("with_rejected", "").lower() not in ("1", "true"):
            frames = frames.filter(verdict=Verdict.KEPT)
        package = exports.data_set(campaign, frames, request.query_params.get("format", "deepmd/npy"))
        return zip_file(package, f"campaign-{campaign.pk}-configurations")


class StageView(OfOneCampaign):
    queryset = Stage.objects.all()
    serializer_class = serializers.StageSerializer
    filterset_fields = ("kind", "state", "loop", "step")

    def get_queryset(self) -> QuerySet[Stage]:
        return self.of_campaign(Stage.objects.all())


class ConfigurationView(OfOneCampaign):
    queryset = Frame.objects.all()
    serializer_class = serializers.ConfigurationSerializer
    filterset_fields = ("verdict", "rule", "source", "loop", "step")

    def get_queryset(self) -> QuerySet[Frame]:
        return self.of_campaign(Frame.objects.all())


class CampaignModelView(OfOneCampaign):
    queryset = TrainedModel.objects.all()
    serializer_class = serializers.TrainedModelSerializer
    filterset_fields = ("loop", "step")

    def get_queryset(self) -> QuerySet[TrainedModel]:
        return self.of_campaign(TrainedModel.objects.select_related("frozen"))


class ModelView(mixins.RetrieveModelMixin, View):
    queryset = TrainedModel.objects.all()
    serializer_class = serializers.TrainedModelSerializer

    def get_queryset(self) -> QuerySet[TrainedModel]:
        return TrainedModel.objects.filter(campaign__in=Campaign.objects.visible_to(self.request.user)).select_related("frozen", "campaign")

    @extend_schema(responses=ZIP)
    @action(detail=True)
    def package(self, request: Request, pk: int) -> HttpResponseBase:
        """All that is needed to run the model elsewhere and to train it again, as a zip file."""
        model = self.get_object()
        return zip_file(exports.model_package(model), f"campaign-{model.campaign_id}-model-{model.loop}.{model.step}")
