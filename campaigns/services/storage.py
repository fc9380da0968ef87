"""Can the data folder be written? Where it cannot, stages wait: a full disk is nobody's failed try."""

import errno
import os
import shutil

from django.conf import settings

# What a full disk, a read-only one and a used-up quota look like from within a program.
STORAGE_ERRORS = (errno.ENOSPC, errno.EROFS, errno.EDQUOT, errno.EIO)


def trouble() -> str:
    """What keeps the data folder from being written, and what to do, for users to read; empty where nothing does.

    Looked at by writing: a quota or a mount that went read-only shows in no count of free bytes.
    """
    try:
        free = shutil.disk_usage(settings.DATA_DIR).free
        if free < settings.MIN_FREE_BYTES:
            kept_back_MB = settings.MIN_FREE_BYTES / 1e6
            return f"The disk is nearly full ({free / 1e6:.0f} MB free, {kept_back_MB:.0f} MB are kept back): make room. {GOES_ON}"
        probe = settings.DATA_DIR / f".writable-{os.getpid()}"
        try:
            probe.write_bytes(b"x" * 4096)
        finally:
            probe.unlink(missing_ok=True)
    except OSError as error:
        return f"The data folder cannot be written ({error.strerror}): make room, or make it writable again. {GOES_ON}"
    return ""


GOES_ON = "Stages wait, and go on by themselves when it is mended."
