"""Files that stages wrote and that must not be lost."""

from pathlib import Path
from typing import Self

from django.conf import settings
from django.db import connections, models


class ArtefactQuerySet(models.QuerySet):
    def beginning_with(self, prefix: str) -> Self:
        """Files whose path begins so. SQLite reads every row for LIKE and uses the index for a range; PostgreSQL the other way round."""
        found = self.filter(path__startswith=prefix)
        if connections[self.db].vendor == "sqlite":
            found = found.filter(path__gte=prefix, path__lt=prefix[:-1] + chr(ord(prefix[-1]) + 1))
        return found


class Artefact(models.Model):
    """One file below DATA_DIR: the row is written after the file and says what the file must be."""

    path = models.CharField(max_length=500, unique=True, help_text="relative to DATA_DIR")
    sha256 = models.CharField(max_length=64)
    n_bytes = models.BigIntegerField()
    created_at = models.DateTimeField(auto_now_add=True)

    objects = ArtefactQuerySet.as_manager()

    def __str__(self) -> str:
        return self.path

    @property
    def file(self) -> Path:
        return settings.DATA_DIR / self.path
