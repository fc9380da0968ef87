"""Materials, campaigns and what came out of them. Everybody sees what is his own or his projects'; what he may not see is 404."""

from dataclasses import asdict
from typing import Any

from django.conf import settings
from django.contrib.auth.models import AbstractBaseUser
from django.db.models import QuerySet
from django.http import HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema, extend_schema_view
from rest_framework import mixins, status
from rest_framework.decorators import action
from rest_framework.parsers import MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response

from campaigns import queries
from campaigns.api import serializers
from campaigns.api.base import REFUSED, WHOSE, ZIP, View
from campaigns.enums import Verdict
from campaigns.models import Campaign, Material, Project
from campaigns.services import (
    activity,
    archives,
    campaigns,
    continuation,
    deletion,
    dpgen_export,
    estimates,
    exports,
    materials,
    projects,
    settings_file,
    setup_upload,
)
from campaigns.services.errors import BadInput
from campaigns.services.requests import CampaignRequest
from campaigns.views.configurations import FILTERS, filtered
from campaigns.views.exports import zip_file

CHANGES_STATE = extend_schema(request=None, responses={200: serializers.CampaignDetailSerializer} | REFUSED)
VERSION = OpenApiParameter("version", int, description="the draft's `version` that the change is meant for: 409 where another came first")
DATA_SET_PARAMETERS = [
    OpenApiParameter("format", enum=list(exports.FORMATS)),
    OpenApiParameter("with_rejected", bool),
    *(OpenApiParameter(name, enum=list(values), description="only these") for name, values in FILTERS.items() if name != "verdict"),
    *(OpenApiParameter(name, int, description="only those that came in with it") for name in ("loop", "step")),
]
DELETED = {204: OpenApiResponse(description="Deleted.")} | REFUSED


@extend_schema_view(list=extend_schema(parameters=[WHOSE]))
class MaterialView(mixins.ListModelMixin, mixins.RetrieveModelMixin, View):
    queryset = Material.objects.all()
    filterset_fields = ("mobile_ion", "reduced_formula")
    more_parameters = ("whose",)

    def get_queryset(self) -> QuerySet[Material]:
        rows = self.chosen(Material.objects.select_related("owner", "project")).defer("cif")
        return rows if self.action == "retrieve" else rows.defer("facts")

    def get_serializer_class(self) -> type[serializers.MaterialSerializer]:
        return serializers.MaterialSerializer if self.action == "list" else serializers.MaterialDetailSerializer

    @extend_schema(responses={201: serializers.MaterialDetailSerializer} | REFUSED)
    def create(self, request: Request) -> Response:
        """Read a CIF, or take an example. The same CIF twice gives the material that is there."""
        given = self.get_serializer(data=request.data)
        given.is_valid(raise_exception=True)
        wanted = given.validated_data
        if "example" in wanted:
            material = materials.create_example(request.user, wanted["example"])
        else:
            material = materials.create_material(request.user, wanted["cif"].encode(), "structure.cif", wanted.get("name", ""))
        return Response(self.get_serializer(material).data, status=status.HTTP_201_CREATED)

    @extend_schema(responses=DELETED)
    def destroy(self, request: Request, pk: int) -> Response:
        """Only a material that no campaign is made of."""
        materials.delete_material(self.managed(), request.user)
        return Response(status=status.HTTP_204_NO_CONTENT)

    @extend_schema(responses={(200, "chemical/x-cif"): OpenApiTypes.STR})
    @action(detail=True)
    def cif(self, request: Request, pk: int) -> HttpResponse:
        """The CIF as it was given."""
        return HttpResponse(self.get_object().cif, content_type="chemical/x-cif")

    @extend_schema(request=serializers.MoveSerializer, responses={200: serializers.MaterialDetailSerializer} | REFUSED)
    @action(detail=True, methods=["post"])
    def move(self, request: Request, pk: int) -> Response:
        """Put it into a project, or make it private."""
        material = self.managed()
        projects.move(material, self.target(serializers.MoveSerializer.project_of(request)), request.user)
        return Response(self.get_serializer(material).data)


@extend_schema_view(list=extend_schema(parameters=[WHOSE]))
class CampaignView(mixins.ListModelMixin, mixins.RetrieveModelMixin, View):
    queryset = Campaign.objects.all()
    filterset_fields = ("state", "mobile_ion", "labeller", "preset")
    more_parameters = ("whose",)

    def get_queryset(self) -> QuerySet[Campaign]:
        return self.chosen(Campaign.objects.select_related("owner", "project")).prefetch_related("cells")

    def get_serializer_class(self) -> type[serializers.CampaignSerializer]:
        return serializers.CampaignSerializer if self.action == "list" else serializers.CampaignDetailSerializer

    @extend_schema(
        request=serializers.NewCampaignSerializer,
        responses={201: serializers.CampaignDetailSerializer} | REFUSED,
    )
    def create(self, request: Request) -> Response:
        """A campaign from the document that a settings file holds; it is a draft until it is started."""
        given = dict(request.data) if isinstance(request.data, dict) else request.data
        project = self._project(given)
        campaign = campaigns.create(request.user, self._wanted(request.user, given), project)
        return Response(self.get_serializer(campaign).data, status=status.HTTP_201_CREATED)

    @extend_schema(
        request={"multipart/form-data": serializers.SetupFileSerializer},
        responses={201: serializers.CampaignDetailSerializer} | REFUSED,
    )
    @action(
        detail=False, methods=["post"], url_path="from-file", parser_classes=[MultiPartParser], max_upload_bytes=settings.MAX_DATA_SET_BYTES
    )
    def from_file(self, request: Request) -> Response:
        """A draft from a set-up that was downloaded or written."""
        given = serializers.SetupFileSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        campaign = setup_upload.create_draft(request.user, given.validated_data["file"])
        return Response(self.get_serializer(campaign).data, status=status.HTTP_201_CREATED)

    @extend_schema(
        request=serializers.CampaignDocumentSerializer,
        parameters=[VERSION],
        responses={200: serializers.CampaignDetailSerializer} | REFUSED,
    )
    def update(self, request: Request, pk: int) -> Response:
        """Replace a draft by what the document says."""
        campaign = self.editable()
        version = request.query_params.get("version", "")
        if version and not (version.isdigit() and len(version) < 10):
            raise BadInput("version must be a whole number.", {"version": "must be a whole number"})
        campaigns.update(campaign, self._wanted(request.user, request.data), request.user, int(version) if version else None)
        return Response(self.get_serializer(self.get_object()).data)

    @extend_schema(responses=DELETED)
    def destroy(self, request: Request, pk: int) -> Response:
        """With its models, configurations and trajectories. Only a campaign that does not run."""
        deletion.delete(self.managed(), request.user)
        return Response(status=status.HTTP_204_NO_CONTENT)

    @extend_schema(request=serializers.CampaignDocumentSerializer, responses={200: serializers.EstimateSerializer} | REFUSED)
    @action(detail=False, methods=["post"])
    def estimate(self, request: Request) -> Response:
        """What a campaign would cost; no campaign is made."""
        return Response(asdict(estimates.estimate(request.user, self._wanted(request.user, request.data))))

    def _wanted(self, user: AbstractBaseUser, given: Any) -> CampaignRequest:
        settings_file.check_keys(given, "The document")
        return settings_file.to_request(user, dict(given), "", None)

    def _project(self, given: Any) -> Project | None:
        """Taken out of what was given: it is no part of a set-up."""
        if not isinstance(given, dict) or "project" not in given:
            return None
        return self.target(serializers.MoveSerializer.project_in({"project": given.pop("project")}))

    def _act(self, verb: str) -> Response:
        campaign = self.editable()
        getattr(campaigns, verb)(campaign, self.request.user)
        return Response(self.get_serializer(self.get_object()).data)

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

    @extend_schema(request=None, responses={201: serializers.StartingSetSerializer} | REFUSED)
    @action(detail=True, methods=["post"], url_path="go-on")
    def go_on(self, request: Request, pk: int) -> Response:
        """Pack what it has kept as the starting set of a new campaign: the answer goes into the document that makes one."""
        token = continuation.pack_kept(self.editable(), request.user)
        return Response({"s0": {"upload": token, "format": continuation.FORMAT}}, status=status.HTTP_201_CREATED)

    @extend_schema(request=serializers.MoveSerializer, responses={200: serializers.CampaignDetailSerializer} | REFUSED)
    @action(detail=True, methods=["post"])
    def move(self, request: Request, pk: int) -> Response:
        """Put it into a project, or make it private."""
        campaign = self.managed()
        projects.move(campaign, self.target(serializers.MoveSerializer.project_of(request)), request.user)
        return Response(self.get_serializer(campaign).data)

    @extend_schema(responses={200: OpenApiResponse(OpenApiTypes.OBJECT, "as `manage.py campaign status ID --json` prints it")})
    @action(detail=True)
    def result(self, request: Request, pk: int) -> Response:
        """D(T) and Ea of the last judged model with their errors, the verdict of every run, the cost."""
        return Response(queries.result(self.get_object()))

    @extend_schema(responses={200: serializers.CampaignDocumentSerializer})
    @action(detail=True)
    def document(self, request: Request, pk: int) -> Response:
        """Its set-up as a document that makes the same campaign again, or, changed, another one."""
        return Response(settings_file.document_here(self.get_object()))

    @extend_schema(responses={200: serializers.LedgerRowSerializer(many=True)}, filters=False)
    @action(detail=True, pagination_class=None)
    def cost(self, request: Request, pk: int) -> Response:
        """What it has cost so far, by kind of stage."""
        return Response(serializers.LedgerRowSerializer(queries.cost_ledger(self.get_object()), many=True).data)

    @extend_schema(responses=ZIP)
    @action(detail=True)
    def archive(self, request: Request, pk: int) -> HttpResponseBase:
        """Everything of the campaign, rows and files with their checksums, for `manage.py import_archive` of another installation."""
        campaign = self.get_object()
        name = f'attachment; filename="campaign-{campaign.pk}-archive.zip"'
        chunks = archives.archive(campaign)
        activity.record(request.user, "exported", campaign, "archive")
        return StreamingHttpResponse(chunks, content_type="application/zip", headers={"Content-Disposition": name})

    @extend_schema(responses=ZIP)
    @action(detail=True)
    def dpgen(self, request: Request, pk: int) -> HttpResponseBase:
        """A run folder with which `dpgen run` goes on, as a zip file."""
        campaign = self.get_object()
        package = dpgen_export.run_folder(campaign)
        activity.record(request.user, "exported", campaign, "run folder of DP-GEN")
        return zip_file(package, f"campaign-{campaign.pk}-dpgen")

    @extend_schema(responses=ZIP)
    @action(detail=True)
    def setup(self, request: Request, pk: int) -> HttpResponseBase:
        """The set-up as a settings file, with the CIFs and the data set that it names, as a zip file."""
        campaign = self.get_object()
        package = exports.setup(campaign)
        activity.record(request.user, "exported", campaign, "set-up")
        return zip_file(package, f"campaign-{campaign.pk}-setup")

    @extend_schema(parameters=DATA_SET_PARAMETERS, responses=ZIP)
    @action(detail=True, url_path="data-set")
    def data_set(self, request: Request, pk: int) -> HttpResponseBase:
        """The configurations that models are trained on, as a zip file; with_rejected: also those that cleaning has rejected."""
        campaign, format_name = self.get_object(), request.query_params.get("format", "deepmd/npy")
        chosen, read = filtered(request, campaign)
        if ignored := sorted(set(request.query_params) - {*read, "format", "with_rejected"}):
            problems = dict.fromkeys(ignored, "is no filter, or has no such value")
            raise BadInput(f"{', '.join(ignored)}: no filter of a data set, or without such a value.", problems)
        frames = chosen.exclude(verdict=Verdict.UNLABELLED).select_related("artefact").order_by("artefact_id", "row")
        if request.query_params.get("with_rejected", "").lower() not in ("1", "true"):
            frames = frames.filter(verdict=Verdict.KEPT)
        package = exports.data_set(campaign, frames, format_name)
        activity.record(request.user, "exported", campaign, f"configurations as {format_name}")
        return zip_file(package, f"campaign-{campaign.pk}-configurations")
