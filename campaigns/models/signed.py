"""What a person said, and why: kept when the account is deleted or the campaign moves elsewhere."""

from django.conf import settings
from django.db import models
from django.utils import timezone


class Signed(models.Model):
    """Rows of this kind are never changed; a later one may say otherwise."""

    reason = models.TextField()
    by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    by_name = models.CharField(max_length=150, help_text="stays when the account is deleted or the campaign moves elsewhere")
    at = models.DateTimeField(default=timezone.now)

    class Meta:
        abstract = True
        ordering = ["id"]
