"""Which campaigns and which temperature a page of results was asked for."""

from django.http import HttpRequest

from analysis.references import Reference, of_elements
from campaigns.forms.fields import whole_number
from campaigns.models import Campaign, Material
from campaigns.views import access

MAX_COMPARED = 50
MAX_OFFERED = 60  # beside those that are chosen; a longer list is searched
ROOM_TEMPERATURE_K = 300.0


def chosen_campaigns(request: HttpRequest) -> list[Campaign]:
    """Those of ?campaign=1&campaign=2 that the user may see, in that order; the first MAX_COMPARED of them."""
    wanted = asked_for(request)[:MAX_COMPARED]
    found = access.campaigns(request).in_bulk(wanted)
    return [found[pk] for pk in wanted if pk in found]


def asked_for(request: HttpRequest) -> list[int]:
    """The numbers in ?campaign=, each once."""
    numbers = (whole_number(word) for word in request.GET.getlist("campaign"))
    return list(dict.fromkeys(number for number in numbers if number is not None))


def offered(request: HttpRequest, chosen: list[Campaign]) -> tuple[list[Campaign], int]:
    """Campaigns to choose from, those that are chosen first, then the newest whose names hold ?find=; and how many more there are."""
    others = access.campaigns(request).exclude(pk__in=[row.pk for row in chosen]).order_by("-id")
    if words := request.GET.get("find", "").replace("\0", "").strip():
        others = others.filter(name__icontains=words)
    return [*chosen, *others.only("name", "state", "owner")[:MAX_OFFERED]], max(others.count() - MAX_OFFERED, 0)


def published_of(campaigns: list[Campaign]) -> list[Reference]:
    """What is published of compounds of the same elements; one query."""
    rows = Material.objects.filter(cells__campaign__in=campaigns).values_list("facts__elements", flat=True)
    return of_elements({frozenset(elements) for elements in rows})


def without_published(campaigns: list[Campaign]) -> list[str]:
    """Formulae of their materials of which no value is published here."""
    rows = Material.objects.filter(cells__campaign__in=campaigns).values_list("reduced_formula", "facts__elements")
    return sorted({name for name, elements in rows if not of_elements({frozenset(elements)})})


LOWEST_K, HIGHEST_K = 1.0, 5000.0  # of a temperature that can be chosen


def not_used(request: HttpRequest, chosen: list[Campaign]) -> list[str]:
    """A sentence for what the address asks for and the page does not show."""
    sentences = []
    words = request.GET.getlist("campaign")
    shown = {campaign.pk for campaign in chosen} | set(asked_for(request)[MAX_COMPARED:])
    if strange := [f"campaign={word[:20]}" for word in dict.fromkeys(words) if whole_number(word) not in shown]:
        was = "were" if len(strange) > 1 else "was"
        sentences.append(
            f"{', '.join(strange[:5])} in the address {was} not used: there is no such campaign, or it is not shared with you."
        )
    text = request.GET.get("temperature_K", "")
    if text and _temperature_K(text) is None:
        sentences.append(f"temperature_K={text[:20]} in the address was not used: give a number from {LOWEST_K:g} to {HIGHEST_K:g} K.")
    return sentences


def _temperature_K(text: str) -> float | None:
    try:
        given = float(text)
    except ValueError:
        return None
    return given if LOWEST_K <= given <= HIGHEST_K else None


def chosen_temperature_K(request: HttpRequest, campaign: Campaign | None = None) -> float:
    """?temperature_K=..., else the middle evaluation temperature of the campaign, else 300 K."""
    given = _temperature_K(request.GET.get("temperature_K", ""))
    if given is not None:
        return given
    if campaign is None:
        return ROOM_TEMPERATURE_K
    temperatures = sorted(campaign.settings.evaluation_temperatures_K)
    return temperatures[len(temperatures) // 2]
