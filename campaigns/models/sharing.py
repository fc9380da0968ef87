"""Links by which a campaign's results can be read without an account, and who did what when."""

from django.conf import settings
from django.db import models

from campaigns.models.campaign import Campaign
from campaigns.models.project import Project


class SharedLink(models.Model):
    """Of the token in the address only a digest is kept: who reads the database cannot open the page."""

    campaign = models.ForeignKey(Campaign, on_delete=models.CASCADE, related_name="shared_links")
    digest = models.CharField(max_length=64, unique=True)
    note = models.CharField(max_length=200, blank=True, help_text="for whom")
    made_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)
    withdrawn_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"link to {self.campaign}"


class Activity(models.Model):
    """One thing that was done. Names are kept as they were: the line stays when the account or the campaign is gone."""

    at = models.DateTimeField(auto_now_add=True)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    who = models.CharField(max_length=150, help_text="name of the account, or where it was done from")
    what = models.CharField(max_length=40, help_text="started, paused, shared, ...")
    kind = models.CharField(max_length=40, help_text="what it was done to: campaign, material, project ...")
    subject = models.CharField(max_length=200)
    subject_id = models.PositiveBigIntegerField()
    detail = models.TextField(blank=True)
    campaign = models.ForeignKey(Campaign, null=True, blank=True, on_delete=models.SET_NULL, related_name="activities")
    project = models.ForeignKey(Project, null=True, blank=True, on_delete=models.SET_NULL, related_name="activities")

    class Meta:
        ordering = ["-id"]
        verbose_name_plural = "activities"

    def __str__(self) -> str:
        return f"{self.who} {self.what} {self.subject}"
