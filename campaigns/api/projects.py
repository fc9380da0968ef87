"""Projects and their people; read-only links to a campaign; who did what when."""

from django.db.models import QuerySet
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import mixins, status, viewsets
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.reverse import reverse

from campaigns.api import serializers
from campaigns.api.base import REFUSED, OfOneCampaign, View
from campaigns.models import Activity, Campaign, Project, SharedLink
from campaigns.services import projects, sharing
from campaigns.views import access

DELETED = {204: OpenApiResponse(description="Deleted.")} | REFUSED


class ProjectView(mixins.ListModelMixin, mixins.RetrieveModelMixin, View):
    queryset = Project.objects.all()
    serializer_class = serializers.ProjectSerializer

    def get_queryset(self) -> QuerySet[Project]:
        return Project.objects.visible_to(self.request.user).prefetch_related("memberships__user")

    def managed(self) -> Project:
        return access.managed_project(self.request, self.get_object().pk)

    def _name(self, request: Request) -> str:
        given = self.get_serializer(data=request.data)
        given.is_valid(raise_exception=True)
        return given.validated_data["name"]

    @extend_schema(responses={201: serializers.ProjectSerializer} | REFUSED)
    def create(self, request: Request) -> Response:
        """A project with you as its owner."""
        project = projects.create(request.user, self._name(request))
        return Response(self.get_serializer(project).data, status=status.HTTP_201_CREATED)

    @extend_schema(responses={200: serializers.ProjectSerializer} | REFUSED)
    def update(self, request: Request, pk: int) -> Response:
        """Give it another name."""
        project = self.managed()
        projects.rename(project, self._name(request), request.user)
        return Response(self.get_serializer(project).data)

    @extend_schema(responses=DELETED)
    def destroy(self, request: Request, pk: int) -> Response:
        """The project alone: what was in it is private to its owners again."""
        projects.delete(self.managed(), request.user)
        return Response(status=status.HTTP_204_NO_CONTENT)

    @extend_schema(request=serializers.MemberSerializer, responses={200: serializers.ProjectSerializer} | REFUSED)
    @action(detail=True, methods=["put"])
    def members(self, request: Request, pk: int) -> Response:
        """Let somebody in, or give him another role."""
        project = self.managed()
        given = serializers.MemberSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        projects.set_member(project, given.validated_data["user"]["username"], given.validated_data["role"], request.user)
        return Response(self.get_serializer(self.get_object()).data)

    @extend_schema(responses=DELETED)
    @action(detail=True, methods=["delete"], url_path="members/<int:member>", url_name="member")
    def member(self, request: Request, pk: int, member: int) -> Response:
        """Take somebody out, or leave."""
        project = self.get_object()
        row = viewsets.generics.get_object_or_404(project.memberships.select_related("user"), pk=member)
        if row.user_id != request.user.pk:
            self.managed()
        projects.remove_member(row, request.user)
        return Response(status=status.HTTP_204_NO_CONTENT)


class ProjectActivityView(mixins.ListModelMixin, View):
    queryset = Activity.objects.all()
    serializer_class = serializers.ActivitySerializer
    filterset_fields = ("what", "who", "kind")

    def get_queryset(self) -> QuerySet[Activity]:
        if getattr(self, "swagger_fake_view", False):
            return Activity.objects.none()
        seen = Project.objects.visible_to(self.request.user)
        return viewsets.generics.get_object_or_404(seen, pk=self.kwargs["project"]).activities.all()


class ActivityView(OfOneCampaign):
    queryset = Activity.objects.all()
    serializer_class = serializers.ActivitySerializer
    filterset_fields = ("what", "who")

    def get_queryset(self) -> QuerySet[Activity]:
        return self.of_campaign(Activity.objects.all())


class LinkView(OfOneCampaign):
    """Read-only links: the results of the campaign without an account."""

    queryset = SharedLink.objects.all()
    told_once = ("address",)
    serializer_class = serializers.LinkSerializer

    def get_queryset(self) -> QuerySet[SharedLink]:
        return self.of_campaign(SharedLink.objects.select_related("made_by"))

    def _campaign(self) -> Campaign:
        return access.managed_campaign(self.request, self.kwargs["campaign"])

    @extend_schema(responses={201: serializers.NewLinkSerializer} | REFUSED)
    def create(self, request: Request, campaign: int) -> Response:
        """The answer holds the address, this once: only a digest of it is kept."""
        row = self._campaign()
        given = self.get_serializer(data=request.data)
        given.is_valid(raise_exception=True)
        link, token = sharing.make_link(row, request.user, given.validated_data.get("note", ""))
        link.address = reverse("shared", args=[token], request=request)
        return Response(serializers.NewLinkSerializer(link).data, status=status.HTTP_201_CREATED)

    @extend_schema(responses=DELETED)
    def destroy(self, request: Request, campaign: int, pk: int) -> Response:
        """Withdraw it: it opens nothing from now on, and stays in the list as withdrawn."""
        self._campaign()
        sharing.withdraw(self.get_object(), request.user)
        return Response(status=status.HTTP_204_NO_CONTENT)
