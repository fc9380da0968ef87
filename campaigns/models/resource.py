"""A place on a cluster where stages can run. Administrators define it; users choose its name."""

from django.db import models

from campaigns.engines.runners.profile import Profile, from_json


class Resource(models.Model):
    name = models.SlugField(max_length=40, unique=True)
    definition = models.JSONField(help_text="machine and resources as dpdispatcher has them, and the Python of this program there")
    max_jobs = models.PositiveSmallIntegerField(null=True, blank=True, help_text="jobs at a time; empty: as many as there are stages")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name

    @property
    def profile(self) -> Profile:
        return from_json(self.definition)
