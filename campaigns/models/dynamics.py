"""Molecular dynamics with a model: how it is started, what came out."""

from typing import Any

from django.db import models, transaction

from campaigns.enums import RunOutcome, RunPurpose
from campaigns.models.artefact import Artefact
from campaigns.models.campaign import Campaign, Cell
from campaigns.models.network import TrainedModel
from campaigns.models.stage import Stage


class Launch(models.Model):
    """Ranks, threads and compression that a short probe found fastest for a model on a cell."""

    model = models.ForeignKey(TrainedModel, on_delete=models.CASCADE, related_name="launches")
    cell = models.ForeignKey(Cell, on_delete=models.CASCADE, related_name="launches")
    ranks = models.PositiveSmallIntegerField()
    threads = models.PositiveSmallIntegerField()
    compressed = models.BooleanField()
    trials = models.JSONField(help_text="every combination tried, with its steps per second")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["model", "cell"], name="launch_once")]

    def __str__(self) -> str:
        return f"{self.ranks} × {self.threads}{' compressed' if self.compressed else ''}"


class MdRun(models.Model):
    campaign = models.ForeignKey(Campaign, on_delete=models.CASCADE, related_name="md_runs")
    stage = models.OneToOneField(Stage, on_delete=models.CASCADE, related_name="md_run")
    model = models.ForeignKey(TrainedModel, on_delete=models.CASCADE, related_name="md_runs")
    cell = models.ForeignKey(Cell, on_delete=models.CASCADE)
    purpose = models.CharField(max_length=10, choices=RunPurpose)
    temperature_K = models.FloatField(help_text="target")
    replica = models.PositiveSmallIntegerField(default=0)
    number = models.PositiveBigIntegerField(
        help_text="by which files of the campaign know it (the judge's result, curves): it stays when the campaign moves elsewhere"
    )
    outcome = models.CharField(max_length=20, choices=RunOutcome)
    reason = models.TextField(blank=True)
    mean_temperature_K = models.FloatField(null=True, blank=True, help_text="kinetic, 3N-3 degrees of freedom")
    mean_temperature_error_K = models.FloatField(null=True, blank=True)
    energy_drift_meV_atom_ns = models.FloatField(null=True, blank=True)
    min_distance_A = models.FloatField(null=True, blank=True)
    duration_ps = models.FloatField()
    steps_per_s = models.FloatField()
    trajectory = models.ForeignKey(Artefact, null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    thermo = models.ForeignKey(Artefact, null=True, blank=True, on_delete=models.PROTECT, related_name="+")

    class Meta:
        ordering = ["id"]
        constraints = [models.UniqueConstraint(fields=["campaign", "number"], name="md_run_number_once")]

    def __str__(self) -> str:
        return f"{self.purpose} at {self.temperature_K:g} K with {self.model}"

    def save(self, *arguments: Any, **options: Any) -> None:
        """A new run gets the next number of its campaign, one at a time: two evaluations may end in the same moment."""
        with transaction.atomic():
            if self.number is None:
                Campaign.objects.select_for_update().get(pk=self.campaign_id)
                last = MdRun.objects.filter(campaign_id=self.campaign_id).aggregate(last=models.Max("number"))["last"]
                self.number = (last or 0) + 1
            super().save(*arguments, **options)
