"""Accounts, which administrators make: nobody registers himself. A password is chosen by its owner, behind a link that works once."""

from django.contrib.auth import SESSION_KEY, get_user_model
from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.tokens import default_token_generator
from django.contrib.sessions.models import Session
from django.core.exceptions import ValidationError
from django.urls import reverse
from django.utils import timezone
from django.utils.encoding import force_bytes
from django.utils.http import urlsafe_base64_encode
from knox.models import AuthToken

from campaigns.services.errors import BadInput, WrongState


def create(username: str, email: str = "", *, is_administrator: bool = False) -> AbstractBaseUser:
    """An account without a password. Raises BadInput."""
    users = get_user_model()
    account = users(username=users.normalize_username(username.strip()), email=email.strip())
    account.is_staff = account.is_superuser = is_administrator
    account.set_unusable_password()
    try:
        account.full_clean()
    except ValidationError as error:
        problems = {name: " ".join(texts) for name, texts in error.message_dict.items()}
        raise BadInput("The account cannot be made: " + " ".join(problems.values()), problems) from error
    account.save()
    return account


def password_link(account: AbstractBaseUser) -> str:
    """The path of the page on which the owner chooses a password; no longer valid after that, or after PASSWORD_RESET_TIMEOUT."""
    key = urlsafe_base64_encode(force_bytes(account.pk))
    return reverse("set-password", args=[key, default_token_generator.make_token(account)])


def set_active(account: AbstractBaseUser, active: bool, by: AbstractBaseUser) -> None:
    """Close an account or open it again. Closed, it signs in nowhere, and its programs' tokens are gone; what is its own stays."""
    if account.pk == by.pk:
        raise WrongState("You cannot close your own account: ask another administrator.")
    account.is_active = active
    account.save(update_fields=["is_active"])
    if not active:
        sign_out(account)


def sign_out(account: AbstractBaseUser) -> None:
    """Every browser and every program of the account is turned away from now on, also when it is closed now and opened again."""
    withdraw_tokens(account)
    for session in Session.objects.filter(expire_date__gt=timezone.now()):
        if session.get_decoded().get(SESSION_KEY) == str(account.pk):
            session.delete()


def withdraw_tokens(account: AbstractBaseUser) -> None:
    """With a password that may be known to others they may have made tokens, which would stay when it is changed."""
    AuthToken.objects.filter(user=account).delete()
