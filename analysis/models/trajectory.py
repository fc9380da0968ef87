import uuid
from pathlib import Path

from django.conf import settings
from django.db import models

from campaigns.models import Project
from campaigns.models.project import OwnedQuerySet


class AnalysisState(models.TextChoices):
    WAITING = "waiting", "waiting for a worker"
    RUNNING = "running", "running"
    DONE = "done", "done"
    FAILED = "failed", "failed"


def new_folder_name() -> str:
    return uuid.uuid4().hex


class TrajectoryAnalysis(models.Model):
    """A trajectory that a user brought, and what the judgement of it found. Its files lie in a folder of its own."""

    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="trajectory_analyses")
    project = models.ForeignKey(Project, null=True, blank=True, on_delete=models.SET_NULL, related_name="trajectory_analyses")
    name = models.CharField(max_length=200)
    file_names = models.JSONField(help_text="as the user calls them, in the order of the run")
    mobile_ion = models.CharField(max_length=3)
    temperature_K = models.FloatField()
    spec = models.JSONField(help_text="TrajectorySpec")
    state = models.CharField(max_length=10, choices=AnalysisState, default=AnalysisState.WAITING)
    message = models.TextField(blank=True, help_text="why it failed, and what to do")
    result = models.JSONField(null=True, blank=True, help_text="TrajectoryResult")
    created_at = models.DateTimeField(auto_now_add=True)
    started_at = models.DateTimeField(null=True, blank=True)
    sent_at = models.DateTimeField(null=True, blank=True)
    # The claim: which worker computes it, and until when we believe him.
    claimed_by = models.CharField(max_length=32, blank=True)
    lease_until = models.DateTimeField(null=True, blank=True)
    folder_name = models.CharField(max_length=32, default=new_folder_name, help_text="it has its files before there is a row")

    objects = OwnedQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return self.name

    @property
    def folder(self) -> Path:
        return settings.DATA_DIR / "analyses" / self.folder_name

    @property
    def has_ended(self) -> bool:
        return self.state in (AnalysisState.DONE, AnalysisState.FAILED)
