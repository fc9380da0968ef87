"""A threshold of the protocol that a person changed when the campaign was under way."""

from django.db import models

from campaigns.models.campaign import Campaign
from campaigns.models.signed import Signed
from campaigns.science.protocol import SPECS


class SettingChange(Signed):
    """Counts for every stage that begins after it. None is ever changed: what was asked of an earlier stage can be read from these rows."""

    campaign = models.ForeignKey(Campaign, on_delete=models.CASCADE, related_name="setting_changes")
    setting = models.CharField(max_length=60, help_text="its name in ProtocolSettings")
    old = models.JSONField()
    new = models.JSONField()
    loop = models.PositiveIntegerField(help_text="where the campaign stood; 0: the starting set")
    step = models.PositiveIntegerField()

    def __str__(self) -> str:
        return f"{self.setting}: {self.old} → {self.new}, by {self.by_name}"

    @property
    def label(self) -> str:
        """As a user reads it; a setting that is none any more by its name."""
        return SPECS[self.setting].metadata["label"] if self.setting in SPECS else self.setting

    @property
    def unit(self) -> str:
        return SPECS[self.setting].metadata["unit"] if self.setting in SPECS else ""
