from django.db import models

from campaigns.models import Artefact, MdRun, TrainedModel


class RunDiffusion(models.Model):
    """D of one NVE run, or why there is none."""

    md_run = models.OneToOneField(MdRun, on_delete=models.CASCADE, related_name="diffusion")
    verdict = models.CharField(max_length=20)
    reason = models.TextField()
    number = models.FloatField(null=True, blank=True, help_text="what decided")
    threshold = models.FloatField(null=True, blank=True)
    unit = models.CharField(max_length=20, blank=True)
    kinetic_temperature_K = models.FloatField(null=True, blank=True)
    kinetic_temperature_error_K = models.FloatField(null=True, blank=True)
    diffusivity_cm2_s = models.FloatField(null=True, blank=True)
    diffusivity_error_cm2_s = models.FloatField(null=True, blank=True)
    details = models.JSONField(default=dict)

    def __str__(self) -> str:
        return f"{self.verdict}: {self.md_run}"


class ArrheniusFit(models.Model):
    """Ea of one model, or why there is none, and the numbers behind the decision whether D has become stationary."""

    model = models.OneToOneField(TrainedModel, on_delete=models.CASCADE, related_name="arrhenius")
    activation_energy_eV = models.FloatField(null=True, blank=True)
    activation_energy_error_eV = models.FloatField(null=True, blank=True)
    log10_prefactor_cm2_s = models.FloatField(null=True, blank=True)
    n_points = models.PositiveSmallIntegerField()
    reason = models.TextField(blank=True)
    details = models.JSONField(default=dict)
    spread_dex = models.FloatField(null=True, blank=True, help_text="model-to-model spread of log10 D in its loop, MD error taken out")
    stationarity = models.JSONField(default=dict)
    msd = models.ForeignKey(Artefact, on_delete=models.PROTECT, related_name="+", help_text="npz: MSD of every run and species")

    def __str__(self) -> str:
        return f"Arrhenius fit of {self.model}"
