"""What people type: names and reasons, as a database keeps them."""

from collections.abc import Mapping
from typing import Any

from campaigns.services.errors import BadInput, sentence

MAX_REASON = 2000
NUL = "\x00"  # no text of PostgreSQL holds one
NO_TEXT = "holds a character that no text has (NUL): type it again"


def has_nul(value: Any) -> bool:
    """In any text of it, names of keys included."""
    if isinstance(value, Mapping):
        return any(has_nul(part) for pair in value.items() for part in pair)
    if isinstance(value, list | tuple):
        return any(map(has_nul, value))
    return isinstance(value, str) and NUL in value


def plain(text: str, field: str) -> str:
    """Without blanks around it. Raises BadInput for what no database keeps."""
    if has_nul(text):
        raise BadInput(sentence(f"{field} {NO_TEXT}"), {field: NO_TEXT})
    return text.strip()


def reason(text: str, why: str) -> str:
    """`why` it is asked for, a sentence. Raises BadInput for an empty one and for one that is too long."""
    said = plain(text, "reason")
    if not said:
        raise BadInput(why, {"reason": "say why"})
    if len(said) > MAX_REASON:
        raise BadInput(f"The reason has {len(said)} characters; at most {MAX_REASON} are kept.", {"reason": "too long"})
    return said
