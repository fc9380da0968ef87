"""Where the stages of a campaign run: on this machine, or on a resource that an administrator has defined."""

from typing import Any

from django import forms

from campaigns.enums import CLUSTER_KINDS, StageKind
from campaigns.forms.fields import PlainForm
from campaigns.models import Resource

HERE = "this machine"
LABELS = {
    StageKind.PREPARE: "Order and relax the cells",
    StageKind.S0: "Starting set S0",
    StageKind.TRAIN: "Train",
    StageKind.EXPLORE: "Explore (NVT)",
    StageKind.LABEL: "Label",
    StageKind.EVALUATE: "Evaluate (NVE)",
}


class ResourcesForm(PlainForm):
    """A choice for each kind of stage; nothing to choose where there is no resource."""

    def __init__(self, data: Any = None, initial: dict[str, str] | None = None) -> None:
        super().__init__(data, prefix="resource", initial=initial)
        names = list(Resource.objects.values_list("name", flat=True))
        # A name that is gone stays to be seen, and is refused.
        gone = sorted({name for name in (initial or {}).values() if name not in names})
        for kind in CLUSTER_KINDS if names or gone else ():
            choices = [("", HERE), *((name, name) for name in names), *((name, f"{name} (gone)") for name in gone)]
            self.fields[kind] = forms.ChoiceField(choices=choices, required=False, label=LABELS[kind])

    def values(self) -> dict[str, str]:
        """Names by kind of stage, without those that run here."""
        return {kind: name for kind, name in self.cleaned_data.items() if name}
