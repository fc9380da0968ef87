"""A campaign: the question, its settings, and the cells it trains and evaluates on."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import models

from campaigns.enums import ENDED, CampaignState, S0Route
from campaigns.models.artefact import Artefact
from campaigns.models.material import Material
from campaigns.models.project import OwnedQuerySet, Project
from campaigns.science.protocol import PRESETS, ProtocolSettings, settings_as_kept


class Campaign(models.Model):
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="campaigns")
    project = models.ForeignKey(Project, null=True, blank=True, on_delete=models.SET_NULL, related_name="campaigns")
    name = models.CharField(max_length=200)
    state = models.CharField(max_length=20, choices=CampaignState, default=CampaignState.DRAFT)
    reason = models.TextField(blank=True, help_text="why it is in this state, and what to do")
    mobile_ion = models.CharField(max_length=3)
    mobile_ion_charge = models.FloatField(default=1.0)
    labeller = models.CharField(max_length=40)
    labeller_options = models.JSONField(default=dict)
    s0_route = models.CharField(max_length=10, choices=S0Route, default=S0Route.FPMD)
    s0_upload = models.CharField(max_length=500, blank=True, help_text="uploaded data set, relative to DATA_DIR")
    s0_upload_format = models.CharField(max_length=40, default="auto")
    preset = models.CharField(max_length=20)
    protocol = models.JSONField(help_text="every setting of ProtocolSettings; what was changed on the way is in SettingChange")
    seed = models.PositiveIntegerField(default=1)
    resources = models.JSONField(default=dict, help_text="where stages run: names of resources by kind of stage; left out: on this machine")
    source_key = models.CharField(max_length=64, blank=True, help_text="sha256 of the settings file it was made from")
    version = models.PositiveIntegerField(default=0, help_text="of the set-up: how often it was saved again")
    # Where the protocol stands: the training step under way, and how often it was repeated with a larger batch.
    loop = models.PositiveIntegerField(default=0)
    step = models.PositiveIntegerField(default=0)
    repeat = models.PositiveIntegerField(default=0)
    created_at = models.DateTimeField(auto_now_add=True)
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    objects = OwnedQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at", "-id"]
        indexes = [models.Index(fields=["owner", "-created_at"]), models.Index(fields=["state"])]

    def __str__(self) -> str:
        return self.name

    @property
    def settings(self) -> ProtocolSettings:
        return settings_as_kept(self.preset, self.protocol)

    @property
    def changes(self) -> dict[str, Any]:
        """Settings that differ from the preset as it is now."""
        preset = PRESETS[self.preset]
        return {name: value for name, value in asdict(self.settings).items() if value != getattr(preset, name)}

    @property
    def has_ended(self) -> bool:
        return self.state in ENDED

    @property
    def folder(self) -> Path:
        return settings.DATA_DIR / "campaigns" / str(self.pk)


class Cell(models.Model):
    """One ordered supercell of a material, for training, evaluation or both."""

    campaign = models.ForeignKey(Campaign, on_delete=models.CASCADE, related_name="cells")
    material = models.ForeignKey(Material, on_delete=models.PROTECT, related_name="cells")
    for_training = models.BooleanField()
    for_evaluation = models.BooleanField()
    supercell_a = models.PositiveSmallIntegerField(default=1)
    supercell_b = models.PositiveSmallIntegerField(default=1)
    supercell_c = models.PositiveSmallIntegerField(default=1)
    candidate = models.PositiveSmallIntegerField(default=0, help_text="0: the ordering of lowest electrostatic energy")
    oxidation_states = models.JSONField(null=True, blank=True)
    # What the prepare stage found.
    formula = models.CharField(max_length=200, blank=True)
    n_atoms = models.PositiveIntegerField(null=True, blank=True)
    volume_A3 = models.FloatField(null=True, blank=True)
    min_distance_A = models.FloatField(null=True, blank=True)
    electrostatic_energy_eV = models.FloatField(null=True, blank=True)
    relaxed_energy_eV = models.FloatField(null=True, blank=True)
    relaxed_fmax_eV_A = models.FloatField(null=True, blank=True)
    provenance = models.JSONField(default=dict)
    structure = models.ForeignKey(Artefact, null=True, blank=True, on_delete=models.PROTECT)

    class Meta:
        ordering = ["id"]

    def __str__(self) -> str:
        return f"{self.material.name} {'×'.join(map(str, self.supercell))}"

    @property
    def supercell(self) -> tuple[int, int, int]:
        return self.supercell_a, self.supercell_b, self.supercell_c

    @property
    def purpose(self) -> str:
        return " and ".join(word for word, on in (("training", self.for_training), ("evaluation", self.for_evaluation)) if on)
