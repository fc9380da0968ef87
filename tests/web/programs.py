"""A program that asks the API: with a token, without a browser."""

from django.test import Client
from django.urls import NoReverseMatch, reverse
from knox.models import AuthToken


def program(user):
    """A client with a token and no cookie; strict about CSRF, as the world is."""
    return Client(enforce_csrf_checks=True, headers={"Authorization": f"Token {AuthToken.objects.create(user)[1]}"})


def post(api, name, document=None, *arguments, **headers):
    return api.post(reverse(f"api:{name}", args=arguments), document or {}, content_type="application/json", headers=headers)


def at(name, *arguments):
    try:
        return reverse(f"api:{name}", args=arguments)
    except NoReverseMatch:
        return reverse(f"results-api:{name}", args=arguments)
