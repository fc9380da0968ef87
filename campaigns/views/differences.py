"""The part of a campaign's settings that compares its set-up with that of another one."""

from typing import Any

from django.http import HttpRequest

from campaigns.forms.fields import whole_number
from campaigns.models import Campaign
from campaigns.services.setup_differences import differences
from campaigns.views import access

OFFERED = 200


def context(request: HttpRequest, campaign: Campaign) -> dict[str, Any]:
    """404 where the other one may not be seen."""
    number = whole_number(request.GET.get("with", ""))
    other = access.campaign(request, number) if number is not None else None
    others = access.campaigns(request).exclude(pk=campaign.pk).only("name")
    newest = list(others[:OFFERED])
    return {
        "others": newest if other is None or other in newest else [other, *newest],
        "n_others": others.count(),
        "other": other,
        "differences": differences(campaign, other) if other else [],
    }
