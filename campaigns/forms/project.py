"""A project's name, and who belongs to it."""

from django import forms

from campaigns.enums import Role
from campaigns.forms.fields import PlainForm
from campaigns.services.projects import MAX_NAME


class ProjectForm(PlainForm):
    name = forms.CharField(max_length=MAX_NAME, label="Name", help_text="Such as the name of the group, or of what it works on.")


class MemberForm(PlainForm):
    username = forms.CharField(max_length=150, label="Name of the account", widget=forms.TextInput(attrs={"autocomplete": "off"}))
    role = forms.ChoiceField(choices=Role.choices, initial=Role.MEMBER, label="Role")
