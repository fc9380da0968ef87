"""What a browser sends for the forms of a campaign."""

from campaigns.forms.settings import ProtocolForm


def typed_settings(preset="quick", **changes):
    """What the browser sends for an untouched form, with changes."""
    form = ProtocolForm(preset)
    sent = {}
    for field in form:
        value = field.value()
        if isinstance(value, bool):
            sent |= {field.name: "on"} if value else {}
        else:
            sent[field.name] = str(value)
    return sent | changes


def typed_campaign(material, **changes):
    return (
        typed_settings()
        | {
            "name": "LGPS",
            "labeller": "chgnet",
            "s0_route": "fpmd",
            "preset": "quick",
            "seed": "1",
            "mobile_ion": "",
            "cell-0-material": material.pk,
            "cell-0-a": 1,
            "cell-0-b": 1,
            "cell-0-c": 1,
            "cell-0-for_training": "on",
            "cell-0-candidate": 0,
            "cell-4-material": material.pk,
            "cell-4-a": 2,
            "cell-4-b": 2,
            "cell-4-c": 1,
            "cell-4-for_evaluation": "on",
            "cell-4-candidate": 0,
        }
        | changes
    )


def as_typed(setup):
    """What the browser would send for a page as it is shown."""
    sent = {}
    for form in (setup.campaign, setup.protocol, setup.options, *setup.cells):
        for bound in form:
            value = bound.value()
            if isinstance(value, bool) or value is None:
                sent |= {bound.html_name: "on"} if value else {}
            else:
                sent[bound.html_name] = value if isinstance(value, list) else str(value)
    return sent
