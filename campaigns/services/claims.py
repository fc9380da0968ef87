"""What engines may work for, and claims that count what others hold: these must not be made two at a time."""

import zlib

from django.db import connection
from django.db.models import Q

from campaigns.enums import CampaignState, StageKind, StageState

# A running campaign's stages, and the check of a reference method, which precedes the start.
WANTED = Q(campaign__state=CampaignState.RUNNING) | Q(kind=StageKind.CHECK, state__in=(StageState.PENDING, StageState.RUNNING))


def one_at_a_time(name: str) -> None:
    """Within a transaction: wait until nobody else is between here and his commit. SQLite has one writer anyway (BEGIN IMMEDIATE)."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [zlib.crc32(name.encode())])
