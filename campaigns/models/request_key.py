"""A request of a program that carried an Idempotency-Key: sent again, it is answered as it was and not carried out twice."""

from django.conf import settings
from django.db import models
from django.utils import timezone


class RequestKey(models.Model):
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    key_sha256 = models.CharField(max_length=64)
    request_sha256 = models.CharField(max_length=64, help_text="of address and content: a key belongs to one request")
    status = models.PositiveSmallIntegerField(null=True, blank=True, help_text="of the answer; empty while it is carried out")
    answer = models.JSONField(null=True, blank=True)
    at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["id"]
        constraints = [models.UniqueConstraint(fields=["owner", "key_sha256"], name="request_key_once")]

    def __str__(self) -> str:
        return f"request {self.pk} of {self.owner_id}"
