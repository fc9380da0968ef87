"""A trained model with everything needed to use it again."""

from django.db import models

from campaigns.engines.backends import Backend, of_model
from campaigns.models.artefact import Artefact
from campaigns.models.campaign import Campaign
from campaigns.models.configuration import TrainingSet
from campaigns.models.stage import Stage


class TrainedModel(models.Model):
    campaign = models.ForeignKey(Campaign, on_delete=models.CASCADE, related_name="trained_models")
    stage = models.OneToOneField(Stage, on_delete=models.CASCADE, related_name="trained_model")
    loop = models.PositiveIntegerField()
    step = models.PositiveIntegerField()
    repeat = models.PositiveIntegerField(default=0)
    training_set = models.ForeignKey(TrainingSet, null=True, blank=True, on_delete=models.SET_NULL, related_name="models")
    frozen = models.ForeignKey(Artefact, on_delete=models.PROTECT, related_name="+")
    compressed = models.ForeignKey(Artefact, null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    learning_curve = models.ForeignKey(Artefact, on_delete=models.PROTECT, related_name="+")
    input_json = models.ForeignKey(Artefact, on_delete=models.PROTECT, related_name="+")
    checkpoint = models.CharField(
        max_length=500, help_text="prefix relative to DATA_DIR of files that are artefacts; the next warm start uses it"
    )
    type_map = models.JSONField()
    sel = models.JSONField()
    seed = models.PositiveIntegerField(help_text="of the training that was accepted")
    batch_size = models.PositiveIntegerField()
    n_frames = models.PositiveIntegerField()
    force_rmse_eV_A = models.FloatField(help_text="on its training set")
    energy_rmse_meV_atom = models.FloatField(help_text="on its training set")
    new_force_rmse_eV_A = models.FloatField(null=True, blank=True, help_text="on the new snapshots, before they entered the set")
    new_energy_rmse_meV_atom = models.FloatField(null=True, blank=True)
    convergence = models.CharField(max_length=12, blank=True, help_text="stationary, moving or undecided, once judged")
    convergence_reason = models.TextField(blank=True)
    attempts = models.JSONField(default=list, help_text="trainings that the loss condition refused, with the reason")
    versions = models.JSONField(default=dict)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["loop", "step", "repeat"]
        constraints = [models.UniqueConstraint(fields=["campaign", "loop", "step", "repeat"], name="model_once")]

    def __str__(self) -> str:
        return f"model {self.loop}.{self.step} of campaign {self.campaign_id}"

    @property
    def backend(self) -> Backend:
        """DeePMD-kit's, that trained it."""
        return of_model(self.frozen.path)
