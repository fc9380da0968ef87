"""Where the stages of a campaign run: on this machine, or on a resource that an administrator has defined."""

from typing import Any

from django import forms

from campaigns.engines.backends import BACKENDS, DEFAULT
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


def _words(resource: Resource) -> str:
    """Its name, and the backend that trains there where that is not the usual one."""
    backend = BACKENDS[resource.definition.get("backend", DEFAULT)]
    return resource.name if backend.name == DEFAULT else f"{resource.name} ({backend.title})"


class ResourcesForm(PlainForm):
    """A choice for each kind of stage; nothing to choose where there is no resource."""

    def __init__(self, data: Any = None, initial: dict[str, str] | None = None) -> None:
        super().__init__(data, prefix="resource", initial=initial)
        names = {one.name: _words(one) for one in Resource.objects.all()}
        # A name that is gone stays to be seen, and is refused.
        gone = sorted({name for name in (initial or {}).values() if name not in names})
        for kind in CLUSTER_KINDS if names or gone else ():
            choices = [("", HERE), *names.items(), *((name, f"{name} (gone)") for name in gone)]
            self.fields[kind] = forms.ChoiceField(choices=choices, required=False, label=LABELS[kind])

    def values(self) -> dict[str, str]:
        """Names by kind of stage, without those that run here."""
        return {kind: name for kind, name in self.cleaned_data.items() if name}
