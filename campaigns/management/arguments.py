"""Numbers on the command line, refused in words: argparse speaks of `invalid int value`."""

import math
from argparse import ArgumentTypeError


def whole_number(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise ArgumentTypeError(f"{text} is not a whole number.") from None


def campaign_number(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise ArgumentTypeError(f"{text} is not a campaign's number: `manage.py campaign list` prints them.") from None


def number(text: str) -> float:
    try:
        found = float(text)
    except ValueError:
        found = math.nan
    if not math.isfinite(found):
        raise ArgumentTypeError(f"{text} is not a number.")
    return found
