"""Claims that count what others hold: these must not be made two at a time."""

import zlib

from django.db import connection


def one_at_a_time(name: str) -> None:
    """Within a transaction: wait until nobody else is between here and his commit. SQLite has one writer anyway (BEGIN IMMEDIATE)."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [zlib.crc32(name.encode())])
