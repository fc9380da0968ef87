"""One stage of the protocol: a row that says what is to be done, who is at it, and how it ended."""

from pathlib import Path

from django.db import models

from campaigns.enums import JobState, StageKind, StageState
from campaigns.models.campaign import Campaign, Cell


class Stage(models.Model):
    campaign = models.ForeignKey(Campaign, on_delete=models.CASCADE, related_name="stages")
    kind = models.CharField(max_length=10, choices=StageKind)
    loop = models.PositiveIntegerField(default=0)
    step = models.PositiveIntegerField(default=0)
    repeat = models.PositiveIntegerField(default=0)
    index = models.PositiveIntegerField(default=0, help_text="which of the stages of this kind in the step: cell, temperature, replica")
    cell = models.ForeignKey(Cell, null=True, blank=True, on_delete=models.CASCADE)
    temperature_K = models.FloatField(null=True, blank=True)
    replica = models.PositiveSmallIntegerField(default=0)
    cores = models.PositiveSmallIntegerField(default=1)
    resource = models.CharField(max_length=40, blank=True, help_text="where it runs; empty: on this machine")
    job_state = models.CharField(max_length=10, choices=JobState, blank=True, help_text="of its job on the resource, as last heard")
    state = models.CharField(max_length=10, choices=StageState, default=StageState.PENDING)
    attempt = models.PositiveSmallIntegerField(default=1, help_text="folder: a new one where a user tries again what came out unusable")
    tries = models.PositiveSmallIntegerField(
        default=0, help_text="failures in this folder; each try goes on from the checkpoints of the one before"
    )
    message = models.TextField(blank=True, help_text="why it failed or waits, and what to do")
    cause = models.CharField(max_length=40, blank=True)
    # The claim: who computes it, until when we believe him, when a message was last sent.
    owner = models.CharField(max_length=32, blank=True)
    host = models.CharField(max_length=255, blank=True, help_text="where its engine ran last: cores are shared out host by host")
    lease_until = models.DateTimeField(null=True, blank=True)
    due_at = models.DateTimeField(null=True, blank=True, help_text="not before: a failed attempt waits before the next")
    sent_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    seconds = models.FloatField(default=0.0, help_text="wall time of the engine, over all attempts")
    startup_seconds = models.FloatField(default=0.0, help_text="of these, the engines' own start-up")
    cores_short = models.FloatField(null=True, blank=True, help_text="of its cores, how many other work used; empty where not known")
    labels_computed = models.PositiveIntegerField(default=0, help_text="over all attempts, of those that failed too")
    labels_found = models.PositiveIntegerField(default=0, help_text="others, that had been computed before")
    versions = models.JSONField(default=dict, help_text="of the programs that did it")

    class Meta:
        ordering = ["id"]
        constraints = [models.UniqueConstraint(fields=["campaign", "kind", "loop", "step", "repeat", "index"], name="stage_once")]
        indexes = [
            models.Index(fields=["state", "lease_until"]),
            models.Index(fields=["job_state"], condition=models.Q(job_state__gt=""), name="stage_with_job"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.loop}.{self.step}.{self.index} of campaign {self.campaign_id}"

    @property
    def folder(self) -> Path:
        """loop-1/step-2/explore-0/attempt-1; a repeated training step has folders of its own."""
        kind = f"{self.kind}-{self.index}" + (f"-repeat-{self.repeat}" if self.repeat else "")
        return self.campaign.folder / f"loop-{self.loop}" / f"step-{self.step}" / kind / f"attempt-{self.attempt}"


class StageFailure(models.Model):
    """One failure of a stage. It stays when a later try succeeds: what failures cost belongs to the campaign's cost."""

    stage = models.ForeignKey(Stage, on_delete=models.CASCADE, related_name="failures")
    attempt = models.PositiveSmallIntegerField()
    cause = models.CharField(max_length=40)
    message = models.TextField()
    permanent = models.BooleanField(help_text="the same try would fail again")
    labels_computed = models.PositiveIntegerField(default=0, help_text="in the folder of this attempt so far, by earlier tries too")
    at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["id"]

    def __str__(self) -> str:
        return f"{self.cause} of {self.stage}"
