"""What belongs to the data folder as a whole: which one it is, and which places in it are to go."""

from django.db import models
from django.utils import timezone


class Installation(models.Model):
    """One row; the data folder holds the same key (services/data_folder.py)."""

    key = models.CharField(max_length=32)

    def __str__(self) -> str:
        return self.key


class Leftover(models.Model):
    """A file or folder that goes when its time has come: written before what may be cut off, gone when that is through."""

    path = models.CharField(max_length=500, unique=True, help_text="relative to DATA_DIR")
    due_at = models.DateTimeField(default=timezone.now)

    def __str__(self) -> str:
        return self.path
