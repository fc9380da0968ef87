"""An account that an administrator makes."""

from django import forms

from campaigns.forms.fields import PlainForm


class AccountForm(PlainForm):
    username = forms.CharField(
        max_length=150, label="Name", help_text="Letters, digits and @ . + - _", widget=forms.TextInput(attrs={"autocomplete": "off"})
    )
    email = forms.EmailField(required=False, label="E-mail", help_text="Only noted: nothing is sent.")
    is_administrator = forms.BooleanField(required=False, label="administrator: sees everything, makes accounts")
