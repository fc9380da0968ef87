"""A full disk, told from other failures: programs say it in words of their own, end with a number, or lose lines without any. And why
a file cannot be used, in words.
"""

import errno
import shutil
from pathlib import Path

FULL_ERRNO = (errno.ENOSPC, errno.EDQUOT)
FULL_WORDS = ("No space left on device", "Disk quota exceeded")
MIN_FREE_BYTES = 20_000_000  # below this a failure is the disk's, whatever else was said
FREE_SOME = "The disk is full: free some space, then retry this stage. What is finished is kept."


def is_full(folder: Path, text: str = "") -> bool:
    """Whether a failure in `folder` that left `text` in a log is that of a full disk."""
    return any(words in text for words in FULL_WORDS) or free_bytes(folder) < MIN_FREE_BYTES


def why_not(error: Exception) -> str:
    """Why a file could not be read or written, for a sentence that names it."""
    words = {FileNotFoundError: "there is no such file", IsADirectoryError: "it is a folder", PermissionError: "this account may not",
             UnicodeDecodeError: "it is no text"}  # fmt: skip
    return words.get(type(error)) or getattr(error, "strerror", None) or str(error)


def free_bytes(folder: Path) -> int:
    return shutil.disk_usage(folder).free
