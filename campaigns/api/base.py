"""What all addresses of the API share: pages, ETags, and who may change what."""

from copy import copy
from typing import Any

from django.db.models import QuerySet
from django.utils.decorators import method_decorator
from django.utils.http import parse_etags
from django.views.decorators.http import conditional_page
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter
from rest_framework import mixins, status, viewsets
from rest_framework.exceptions import APIException
from rest_framework.pagination import PageNumberPagination
from rest_framework.request import Request
from rest_framework.response import Response

from campaigns.api import once
from campaigns.api.errors import RefusalSerializer
from campaigns.models import Campaign, Project, RequestKey
from campaigns.services.errors import BadInput
from campaigns.views import access

REFUSED = {400: RefusalSerializer, 409: RefusalSerializer}
ZIP = {(200, "application/zip"): OpenApiTypes.BINARY} | REFUSED
WHOSE = OpenApiParameter("whose", str, description="`mine`, `shared` (by others with me), or the number of a project")


CONDITIONS = ("HTTP_IF_MATCH", "HTTP_IF_NONE_MATCH", "HTTP_IF_MODIFIED_SINCE", "HTTP_IF_UNMODIFIED_SINCE")


class Changed(APIException):
    status_code = status.HTTP_412_PRECONDITION_FAILED
    default_code = "changed"
    default_detail = "It is not (any more) what the ETag of If-Match names: read it again, and decide again."


class Pages(PageNumberPagination):
    page_size = 100
    page_size_query_param = "page_size"
    max_page_size = 1000


@method_decorator(conditional_page, name="dispatch")
class View(viewsets.GenericViewSet):
    """Answers carry an ETag: what has not changed is 304; what has changed is not replaced where If-Match says of what a change is meant
    (412). A POST with an Idempotency-Key is carried out once.
    """

    pagination_class = Pages
    lookup_value_converter = "int"
    max_upload_bytes: int | None = None  # where files are taken: `sseweb.bodies` refuses what is larger
    more_parameters: tuple[str, ...] = ()  # of a list, besides pages and filters
    told_once: tuple[str, ...] = ()  # of an answer, what is not kept under an idempotency key
    key: RequestKey | None = None

    def initial(self, request: Request, *arguments: Any, **options: Any) -> None:
        super().initial(request, *arguments, **options)
        if self.action == "list":
            self._refuse_unknown_parameters(request)
        if "If-Match" in request.headers and request.method not in ("GET", "HEAD", "OPTIONS"):
            self._require_match(request)
        self.key = once.begin(request)
        if self.key and self.key.status:
            setattr(self, request.method.lower(), lambda *_, **__: once.answer_of(self.key))

    def handle_exception(self, error: Exception) -> Response:
        """A key is free again after an error of ours."""
        try:
            return super().handle_exception(error)
        except Exception:
            if self.key:
                self.key.delete()
            raise

    def finalize_response(self, request: Request, response: Any, *arguments: Any, **options: Any) -> Any:
        if self.key and not self.key.status:
            once.end(self.key, response, self.told_once)
        return super().finalize_response(request, response, *arguments, **options)

    def _refuse_unknown_parameters(self, request: Request) -> None:
        """One that is not read would give everything for what was asked."""
        ordering = ("ordering",) if getattr(self, "ordering_fields", ()) else ()
        known = {*getattr(self, "filterset_fields", ()), *self.more_parameters, *ordering, "page", "page_size"}
        if unknown := sorted(set(request.query_params) - known):
            problems = dict.fromkeys(unknown, "is no parameter of this list")
            raise BadInput(f"{', '.join(unknown)}: no parameter of this list. Known are {', '.join(sorted(known))}.", problems)

    def _require_match(self, request: Request) -> None:
        """412 where what the address shows now has another ETag than the one that the change is meant for; of weak ones the text counts."""
        asked = copy(request._request)
        asked.method, asked.META = "GET", {name: value for name, value in request.META.items() if name not in CONDITIONS}
        asked.__dict__.pop("headers", None)  # made of META, and kept
        now = ""
        if hasattr(self, "retrieve"):
            shown = type(self).as_view({"get": "retrieve"})(asked, *self.args, **self.kwargs).render()
            if shown.status_code != status.HTTP_200_OK:
                return  # the change itself is refused for the same reason
            now = shown.headers["ETag"]
        wanted = {tag.removeprefix("W/") for tag in parse_etags(request.headers["If-Match"])}
        if wanted != {"*"} and now.removeprefix("W/") not in wanted:
            raise Changed

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
