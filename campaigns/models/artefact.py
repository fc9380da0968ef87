"""Files that stages wrote and that must not be lost."""

from pathlib import Path

from django.conf import settings
from django.db import models


class Artefact(models.Model):
    """One file below DATA_DIR: the row is written after the file and says what the file must be."""

    path = models.CharField(max_length=500, unique=True, help_text="relative to DATA_DIR")
    sha256 = models.CharField(max_length=64)
    n_bytes = models.BigIntegerField()
    created_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return self.path

    @property
    def file(self) -> Path:
        return settings.DATA_DIR / self.path
