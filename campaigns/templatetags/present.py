"""How values look on a page: formulae, numbers with units and errors, durations, badges, help."""

import math
import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from django import template
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe
from django.utils.text import slugify

from campaigns.enums import CampaignState, JobState, RunOutcome, StageState, Verdict
from campaigns.models import Frame, VerdictChange
from campaigns.science.cleaning import QUANTITIES
from campaigns.templatetags.glossary import GLOSSARY

register = template.Library()

DASH = "–"
# Words of every state, verdict and decision, by how they are to be taken.
TONES = {
    CampaignState.RUNNING: "run",
    CampaignState.CONVERGED: "good",
    CampaignState.NOT_CONVERGED: "warn",
    CampaignState.FAILED: "bad",
    CampaignState.PAUSED: "warn",
    StageState.DONE: "good",
    "measured": "good",
    JobState.UNKNOWN: "warn",
    Verdict.KEPT: "good",
    Verdict.REJECTED: "warn",
    Verdict.UNLABELLED: "bad",
    RunOutcome.COMPLETED: "good",
    RunOutcome.MIN_DISTANCE: "bad",
    RunOutcome.BLOWN_UP: "bad",
    "diffusive": "good",
    "bounded": "warn",
    "subdiffusive": "warn",
    "too_short": "warn",
    "ballistic": "warn",
    "drifting": "warn",
    "unsteady": "warn",
    "off_temperature": "warn",
    "melted": "bad",
    "stationary": "good",
    "moving": "warn",
    "undecided": "",
}


@register.filter
def formula(text: Any) -> SafeString:
    """Li10GeP2S12 with subscripts; partial counts such as Li20.4 too."""
    pieces = re.split(r"(?<=[A-Za-z)\]])(\d+(?:\.\d+)?)", str(text))
    return format_html_join("", "{}", ((_subscript(piece) if index % 2 else piece,) for index, piece in enumerate(pieces)))


def _subscript(count: str) -> SafeString | str:
    return "" if count == "1" else format_html("<sub>{}</sub>", count)


_FORMULA = re.compile(r"(?:[A-Z][a-z]?[\d.]*|[()][\d.]*)+")


@register.filter
def compound(name: str) -> SafeString:
    """A name that holds a formula, and perhaps a space group in brackets: `c-LLZO Li7La3Zr2O12 (Ia-3d)`."""
    return format_html_join(" ", "{}", ((_compound_word(word),) for word in name.split()))


def _compound_word(word: str) -> SafeString | str:
    if word.startswith("(") and word.endswith(")"):
        return format_html("({})", space_group(word[1:-1]))
    before, dash, last = word.rpartition("-")
    return format_html("{}{}{}", before, dash, formula(last)) if _FORMULA.fullmatch(last) else word


@register.filter
def space_group(symbol: str) -> SafeString:
    """P4_2/nmc with its screw axis as a subscript, Ia-3d with a bar over what is inverted."""
    pieces = re.split(r"(_\d|-\d)", symbol)
    return format_html_join("", "{}", ((_symmetry(piece) if index % 2 else piece,) for index, piece in enumerate(pieces)))


def _symmetry(piece: str) -> SafeString:
    tag = "<sub>{}</sub>" if piece[0] == "_" else '<span class="overbar"><span class="visually-hidden">−</span>{}</span>'
    return format_html(tag, piece[1:])


@register.simple_tag
def ion(symbol: str, charge_e: float) -> SafeString:
    """An element with its oxidation state: S²⁻, Li⁺; a mean one with its decimals."""
    amount = f"{abs(charge_e):.3g}".removesuffix(".0")
    return format_html("{}<sup>{}{}</sup>", symbol, "" if amount == "1" else amount, "−" if charge_e < 0 else "+" if charge_e else "")


def _is_number(value: Any) -> bool:
    """A template's missing value is an empty text."""
    return isinstance(value, int | float) and math.isfinite(value)


@register.filter
def sig(value: float | None, digits: int = 3) -> SafeString | str:
    """`digits` significant figures; very small and very large numbers as a power of ten."""
    if not _is_number(value):
        return DASH
    if value == 0:
        return "0"
    exponent = math.floor(math.log10(abs(value)))
    if exponent < -3 or exponent > 5:
        return _scientific(f"{value / 10**exponent:.{digits - 1}f}", exponent)
    places = digits - 1 - exponent
    rounded = f"{round(value, places):.{max(places, 0)}f}"
    return rounded.replace("-", "−")


def _scientific(mantissa: str, exponent: int) -> SafeString:
    return format_html("{} × 10<sup>{}</sup>", mantissa.replace("-", "−"), str(exponent).replace("-", "−"))


@register.simple_tag
def measured(value: float | None, error: float | None = None, unit: str = "") -> SafeString | str:
    """A value with its error, both rounded where the error's second figure stands: 0.214 ± 0.018 eV."""
    if not _is_number(value):
        return DASH
    if not error or not _is_number(error):
        return format_html("{} {}", sig(value), unit) if unit else sig(value)
    exponent = math.floor(math.log10(max(abs(value), abs(error))))
    scale = 10.0**exponent if exponent < -3 or exponent > 5 else 1.0
    decimals = min(max(1 - math.floor(math.log10(error / scale)), 0), 8)
    text = f"{value / scale:.{decimals}f} ± {error / scale:.{decimals}f}".replace("-", "−")
    if scale != 1.0:
        power = str(exponent).replace("-", "−")
        return format_html("({}) × 10<sup>{}</sup> {}", text, power, unit)
    return format_html("{} {}", text, unit)


LARGE_RELATIVE_ERROR = 0.3


@register.simple_tag
def measured_positive(value: float | None, error: float | None = None, unit: str = "") -> SafeString | str:
    """A value whose logarithm has the error: ± where it is small, else the interval of one standard error, which does not reach below 0."""
    if not (_is_number(value) and _is_number(error)) or value <= 0 or error <= LARGE_RELATIVE_ERROR * value:
        return measured(value, error, unit)
    factor = math.exp(min(error / value, 600.0))
    return format_html("{} ({} to {}) {}", sig(value, 2), sig(value / factor, 2), sig(value * factor, 2), unit)


@register.filter
def duration(seconds: float | None) -> str:
    """45 s, 3 min, 2 h 05 min, 3 d 4 h."""
    if not _is_number(seconds):
        return DASH
    whole = round(seconds)
    if whole < 1:
        return f"{seconds:.1f} s"
    if whole < 90:
        return f"{whole} s"
    minutes = round(whole / 60)
    if minutes < 60:
        return f"{minutes} min"
    if minutes < 48 * 60:
        return f"{minutes // 60} h {minutes % 60:02d} min"
    return f"{minutes // 1440} d {minutes % 1440 // 60} h"


WIDE_RANGE = 1.5


@register.simple_tag
def duration_range(seconds: float, low: float, high: float) -> str:
    """A time that is estimated: `about 3 min`, or `40 min to 3 h` where its ends lie far apart."""
    return f"{_rough(low, math.floor)} to {_rough(high, math.ceil)}" if high > WIDE_RANGE * low else f"about {duration(seconds)}"


@register.simple_tag
def number_range(value: float, low: float, high: float) -> SafeString:
    """The same of a number: `about 3.2`, or `0.7 to 2.1`."""
    return format_html("{} to {}", sig(low, 2), sig(high, 2)) if high > WIDE_RANGE * low else format_html("about {}", sig(value, 2))


def _rough(seconds: float, whole: Callable[[float], int]) -> str:
    """From two hours on whole hours, from two days on whole days."""
    hours = seconds / 3600
    if round(seconds / 60) < 120:
        return duration(seconds)
    return f"{whole(hours)} h" if hours < 48 else f"{whole(hours / 24)} d"


@register.filter
def clock(unix_time: float) -> str:
    """14:05:09, in UTC."""
    return datetime.fromtimestamp(unix_time, UTC).strftime("%H:%M:%S")


@register.filter
def words(name: str) -> str:
    """A cause such as scf_not_converged as one reads it: SCF not converged."""
    return " ".join(word.upper() if word == "scf" else word for word in str(name).split("_"))


@register.filter
def wordlist(text: str) -> list[str]:
    return text.split()


@register.filter
def megabytes(n_bytes: int | None) -> str:
    if n_bytes is None:
        return DASH
    for limit, unit in ((1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if n_bytes >= limit:
            return f"{n_bytes / limit:.1f}".removesuffix(".0") + f" {unit}"
    return f"{n_bytes} bytes"


@register.filter
def percent(fraction: float | None) -> str:
    return DASH if fraction is None else f"{100 * fraction:.0f} %"


@register.filter
def percent_fine(fraction: float) -> str:
    """An occupancy: 69.1 %, and 100 % without decimals."""
    return f"{100 * fraction:.1f}".removesuffix(".0") + " %"


@register.filter
def joined(values: Any) -> str:
    """A list of settings as one reads it: 300, 600, 900."""
    if isinstance(values, list | tuple):
        return ", ".join(f"{value:g}" if isinstance(value, float) else str(value) for value in values)
    if isinstance(values, bool):
        return "yes" if values else "no"
    return f"{values:g}" if isinstance(values, float) else str(values)


@register.filter
def times(values: Any) -> str:
    return " × ".join(str(value) for value in values)


@register.simple_tag
def decided(judged: Frame | VerdictChange) -> str:
    """What the cleaning looked at last, with what it keeps: `energy −4.123 eV/atom; kept: −4.2 to −4.1 eV/atom`"""
    if not _is_number(judged.number):
        return DASH
    quantity = QUANTITIES[judged.rule]
    scale = 100 if quantity.unit.startswith("%") else 1
    found = f"{quantity.name} {sig(scale * judged.number, 4)} {quantity.unit}"
    if not _is_number(judged.lower):
        return found
    lower, upper = sig(scale * judged.lower, 4), sig(scale * judged.upper, 4)
    limits = f"up to {upper}" if quantity.magnitude and judged.lower <= 0 else f"{lower} to {upper}"
    return f"{found}; kept: {limits} {quantity.unit.removesuffix(' of its length')}"


@register.filter
def what_is_kept(judged: Frame) -> str:
    """Where the limits of the rule come from that decided."""
    return QUANTITIES[judged.rule].explanation


@register.simple_tag
def badge(value: str, words: str = "") -> SafeString:
    """A state or verdict: its word, a shape and a colour (never the colour alone)."""
    tone = TONES.get(value, "")
    text = words or str(value).replace("_", " ")
    return format_html('<span class="badge{}">{}</span>', f" badge-{tone}" if tone else "", text)


@register.inclusion_tag("partials/help.html", name="help")
def help_text(term: str, text: str = "") -> dict[str, str]:
    """The (?) beside a term: from the glossary, or with a text of its own."""
    return {"term": term, "text": text or GLOSSARY[term]}


def _plot_id(url: str) -> str:
    """Its words, by which the file is called that the plot is saved as."""
    return "plot-" + slugify(re.sub(r"[/?&=.]", "-", url.removeprefix("/plots/")))


@register.inclusion_tag("partials/plot.html")
def plot(url: str, label: str, size: str = "") -> dict[str, str]:
    """A plot that is drawn when it comes into sight; `label` is what a screen reader says."""
    return {"url": url, "label": label, "size": size, "id": _plot_id(url)}


@register.inclusion_tag("partials/plot.html")
def paper_plot(url: str, label: str) -> dict[str, str | bool]:
    """A plot for paper: vectors in light colours, drawn at once and not when it comes into sight."""
    return {"url": url, "label": label, "size": "", "id": _plot_id(url), "paper": True}


@register.inclusion_tag("partials/structure.html")
def structure(url: str, label: str, key: str) -> dict[str, str]:
    return {"url": url, "label": label, "key": key}


@register.simple_tag(takes_context=True)
def query_with(context: template.Context, **changes: Any) -> SafeString:
    """This page's query string with some values changed: for filters, sorting and pages."""
    query = context["request"].GET.copy()
    for name, value in changes.items():
        query.pop(name, None) if value in ("", None) else query.__setitem__(name, str(value))
    return mark_safe("?" + query.urlencode().replace("&", "&amp;"))  # noqa: S308 - urlencode quotes every value
