"""What all addresses of the API share: pages, ETags, a bound for uploads, and who may change what."""

from typing import Any

from django.db.models import QuerySet
from django.utils.decorators import method_decorator
from django.views.decorators.http import conditional_page
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter
from rest_framework import mixins, viewsets
from rest_framework.pagination import PageNumberPagination
from rest_framework.request import Request

from campaigns.api.errors import RefusalSerializer, UploadTooLarge
from campaigns.models import Campaign, Project
from campaigns.views import access
from campaigns.views.uploads import FORM_BYTES

REFUSED = {400: RefusalSerializer, 409: RefusalSerializer}
ZIP = {(200, "application/zip"): OpenApiTypes.BINARY} | REFUSED
WHOSE = OpenApiParameter("whose", str, description="`mine`, `shared` (by others with me), or the number of a project")


class Pages(PageNumberPagination):
    page_size = 100
    page_size_query_param = "page_size"
    max_page_size = 1000


@method_decorator(conditional_page, name="dispatch")
class View(viewsets.GenericViewSet):
    """Answers carry an ETag: what has not changed is 304."""

    pagination_class = Pages
    lookup_value_converter = "int"
    max_upload_bytes: int | None = None

    def initial(self, request: Request, *arguments: Any, **options: Any) -> None:
        """A larger upload is refused by what the request says of its size, before a byte of it is read."""
        if self.max_upload_bytes and int(request.META.get("CONTENT_LENGTH") or 0) > self.max_upload_bytes + FORM_BYTES:
            raise UploadTooLarge(self.max_upload_bytes)
        super().initial(request, *arguments, **options)

    def chosen(self, rows: QuerySet) -> QuerySet:
        """What the user may see of these rows; in a list those that ?whose= asks for."""
        seen = rows.visible_to(self.request.user)
        return seen.chosen(self.request.user, self.request.query_params.get("whose", "")) if self.action == "list" else seen

    def editable(self) -> Any:
        """The row that the address names: 404 for who may not see it, 403 for who may only look."""
        row = self.get_object()
        access.require_edit(self.request.user, row)
        return row

    def managed(self) -> Any:
        """As `editable`, for what owners alone may do."""
        row = self.get_object()
        access.require_manage(self.request.user, row)
        return row

    def target(self, pk: int | None) -> Project | None:
        return access.target_project(self.request, "" if pk is None else str(pk))


class OfOneCampaign(mixins.ListModelMixin, View):
    """Rows of a campaign, at /campaigns/<campaign>/..."""

    def of_campaign(self, rows: QuerySet) -> QuerySet:
        if getattr(self, "swagger_fake_view", False):
            return rows.none()
        campaign = viewsets.generics.get_object_or_404(Campaign.objects.visible_to(self.request.user), pk=self.kwargs["campaign"])
        return rows.filter(campaign=campaign)
