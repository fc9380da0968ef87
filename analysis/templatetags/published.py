"""Published values for the page of a material, which belongs to an app that knows nothing of results."""

from typing import Any

from django import template

from analysis.references import of_elements

register = template.Library()


@register.inclusion_tag("analysis/_published.html")
def published_values(elements: list[str]) -> dict[str, Any]:
    """Of compounds that are made of exactly these elements."""
    return {"published": of_elements({frozenset(elements)})}
