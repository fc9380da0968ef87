"""Projects: list, page with people, things and log; what their owners can do."""

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.db.models import Count, Model, OuterRef, Subquery
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from campaigns.enums import Role
from campaigns.forms.project import MemberForm, ProjectForm
from campaigns.models import Campaign, Material, Membership, Project
from campaigns.services import projects
from campaigns.services.errors import ServiceError
from campaigns.views import access, refusals

PER_PAGE = 50
SHOWN = 100


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def project_list(request: HttpRequest) -> HttpResponse:
    """Those of the user, and the form for another."""
    form = ProjectForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        with refusals.as_form_error(form):
            return redirect("project", projects.create(request.user, form.cleaned_data["name"]).pk)
    counts = {f"n_{name}": _count(model) for name, model in (("people", Membership), ("campaigns", Campaign), ("materials", Material))}
    found = Project.objects.visible_to(request.user).annotate(**counts)
    roles = dict(Membership.objects.filter(user=request.user).values_list("project_id", "role"))
    page = Paginator(found, PER_PAGE).get_page(request.GET.get("page"))
    for project in page:
        project.my_role = Role(roles[project.pk]).label if project.pk in roles else "administrator"
    context = {"section": "projects", "form": form, "page": page}
    return render(request, "projects/list.html", context, status=422 if request.method == "POST" else 200)


def _count(model: type[Model]) -> Subquery:
    """Rows of `model` in each project; nothing where there are none."""
    rows = model.objects.filter(project=OuterRef("pk")).order_by().values("project").annotate(n=Count("pk"))
    return Subquery(rows.values("n"))


@login_required
@require_safe
def project_page(request: HttpRequest, pk: int) -> HttpResponse:
    return _page(request, access.project(request, pk))


def _page(request: HttpRequest, project: Project, form: MemberForm | None = None) -> HttpResponse:
    context = {
        "section": "projects",
        "project": project,
        "form": form or MemberForm(),
        "roles": Role.choices,
        "members": project.memberships.select_related("user"),
        "may_manage": Project.objects.manageable_by(request.user).filter(pk=project.pk).exists(),
        "campaigns": project.campaigns.select_related("owner")[:SHOWN],
        "materials": project.materials.select_related("owner").defer("cif", "facts")[:SHOWN],
        "page": Paginator(project.activities.all(), PER_PAGE).get_page(request.GET.get("page")),
    }
    return render(request, "projects/page.html", context, status=422 if form else 200)


@login_required
@require_POST
def project_rename(request: HttpRequest, pk: int) -> HttpResponse:
    project = access.managed_project(request, pk)
    with refusals.as_message(request):
        projects.rename(project, request.POST.get("name", ""), request.user)
        messages.success(request, f"The project is called “{project.name}” now.")
    return redirect("project", pk)


@login_required
@require_POST
def project_delete(request: HttpRequest, pk: int) -> HttpResponse:
    project = access.managed_project(request, pk)
    projects.delete(project, request.user)
    messages.success(request, f"The project “{project.name}” is deleted. What was in it is private to its owners again.")
    return redirect("project-list")


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def project_member(request: HttpRequest, pk: int) -> HttpResponse:
    """Let somebody in, or give him another role; GET, after signing in again: the page alone."""
    project = access.managed_project(request, pk)
    if request.method != "POST":
        return _page(request, project)
    form = MemberForm(request.POST)
    if form.is_valid():
        try:
            member = projects.set_member(project, form.cleaned_data["username"], form.cleaned_data["role"], request.user)
        except ServiceError as error:
            form.add_error("username", str(error))
        else:
            messages.success(request, f"{member.user.get_username()} is {member.get_role_display()} of this project.")
            return redirect("project", pk)
    return _page(request, project, form)


@login_required
@require_POST
def project_member_remove(request: HttpRequest, pk: int, member: int) -> HttpResponse:
    """By an owner, or by the one who leaves."""
    project = access.project(request, pk)
    row = get_object_or_404(project.memberships.select_related("user"), pk=member)
    if row.user_id != request.user.pk:
        access.managed_project(request, pk)
    with refusals.as_message(request):
        projects.remove_member(row, request.user)
        messages.success(request, f"{row.user.get_username()} is no longer in “{project.name}”.")
    still_seen = Project.objects.visible_to(request.user).filter(pk=pk).exists()
    return redirect("project", pk) if still_seen else redirect("project-list")
