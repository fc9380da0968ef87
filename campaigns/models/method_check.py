"""What a check of the reference method found, before the money is spent: what a label costs, and whether stricter values change it."""

from django.db import models

from campaigns.models.campaign import Campaign
from campaigns.models.stage import Stage


class MethodCheck(models.Model):
    """One configuration labelled as the method is set and with stricter values. It stays when the draft's settings change since."""

    campaign = models.ForeignKey(Campaign, on_delete=models.CASCADE, related_name="method_checks")
    stage = models.OneToOneField(Stage, on_delete=models.CASCADE, related_name="method_check")
    method_key = models.CharField(max_length=64, db_index=True, help_text="of the reference method with its options")
    formula = models.CharField(max_length=200)
    n_atoms = models.PositiveIntegerField()
    cores = models.PositiveSmallIntegerField()
    seconds = models.FloatField(help_text="of one label as the method is set, from scratch")
    rms_force_eV_A = models.FloatField()
    verdict = models.CharField(max_length=20)
    sentence = models.TextField()
    variants = models.JSONField(help_text="each label with its differences, as CheckVariant in campaigns/engines/check_specs.py")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["id"]

    def __str__(self) -> str:
        return f"check of {self.campaign.labeller} on {self.formula}"

    @property
    def core_seconds(self) -> float:
        return self.seconds * self.cores
