"""Accounts: one's own, and for administrators those of everybody. Nobody registers himself."""

from django.contrib import messages
from django.contrib.auth import get_user_model
from django.contrib.auth import views as auth
from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.decorators import login_required
from django.contrib.auth.forms import SetPasswordForm
from django.contrib.messages.views import SuccessMessageMixin
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from campaigns.forms.account import AccountForm
from campaigns.models import Membership
from campaigns.services import accounts
from campaigns.views import refusals

PER_PAGE = 100


class WithdrawsTokens(SuccessMessageMixin):
    """Whoever has made a token with the old password does not stay in by it."""

    def form_valid(self, form: SetPasswordForm) -> HttpResponse:
        answer = super().form_valid(form)
        accounts.withdraw_tokens(form.user)
        return answer


class ChangePassword(WithdrawsTokens, auth.PasswordChangeView):
    template_name = "accounts/password.html"
    success_url = reverse_lazy("account")
    success_message = "Your password is changed. You are signed out everywhere else, and tokens of programs are withdrawn: make new ones."
    extra_context = {"section": "account"}


class SetPassword(WithdrawsTokens, auth.PasswordResetConfirmView):
    """Behind the link that an administrator has given; it works once."""

    template_name = "accounts/set_password.html"
    success_url = reverse_lazy("login")
    success_message = "Your password is set: sign in with it."


@login_required
@require_safe
def account(request: HttpRequest) -> HttpResponse:
    memberships = Membership.objects.filter(user=request.user).select_related("project").order_by("project__name")
    return render(request, "accounts/account.html", {"section": "account", "memberships": memberships})


def _administrator(request: HttpRequest) -> None:
    if not request.user.is_superuser:
        raise Http404


@login_required
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def account_list(request: HttpRequest) -> HttpResponse:
    """POST makes an account and shows the link for its password, this once."""
    _administrator(request)
    form = AccountForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        with refusals.as_form_error(form):
            return _people(request, AccountForm(), accounts.create(**form.cleaned_data))
    return _people(request, form, status=422 if request.method == "POST" else 200)


def _people(request: HttpRequest, form: AccountForm, made_for: AbstractBaseUser | None = None, status: int = 200) -> HttpResponse:
    page = Paginator(get_user_model().objects.order_by("username"), PER_PAGE).get_page(request.GET.get("page"))
    link = request.build_absolute_uri(accounts.password_link(made_for)) if made_for else ""
    context = {"section": "people", "form": form, "page": page, "made_for": made_for, "link": link}
    return render(request, "accounts/list.html", context, status=status)


@login_required
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def account_link(request: HttpRequest, pk: int) -> HttpResponse:
    """Another link for a password: the first one expired, or the password is forgotten. GET, after signing in again: the page alone."""
    _administrator(request)
    if request.method != "POST":
        return _people(request, AccountForm())
    return _people(request, AccountForm(), get_object_or_404(get_user_model(), pk=pk, is_active=True))


@login_required
@require_POST
def account_active(request: HttpRequest, pk: int) -> HttpResponse:
    """Close an account, or open it again."""
    _administrator(request)
    found = get_object_or_404(get_user_model(), pk=pk)
    with refusals.as_message(request):
        accounts.set_active(found, not found.is_active, request.user)
        messages.success(request, f"The account {found.get_username()} is {'open' if found.is_active else 'closed'}.")
    return redirect("account-list")
