"""How an imported run of DP-GEN was set up: written back as it came, changed only where the folder that is written lies otherwise."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from campaigns.engines.dpgen_files import text_of
from campaigns.engines.dpgen_settings import CONFS, FOLDER
from campaigns.engines.job import read_json, write_json
from campaigns.enums import StageKind
from campaigns.models import Artefact, Campaign
from campaigns.services import exports

LAST_STAGE = "8"  # of an iteration
# Keys whose values are files that param.json names and that are not kept: of pseudopotentials the licence may forbid it.
FILES = ("fp_incar", "fp_pp_path", "fp_pp_files", "fp_orb_files", "external_input_path", "cvasp_file", "training_iter0_model_path")


@dataclass(frozen=True)
class Kept:
    """`n_done`: iterations that DP-GEN had ended. `configurations`: files of each system, by their place in the folder. `systems`: that
    of a frames file (the SSS of 02.fp/data.SSS).
    """

    param: dict[str, Any]
    machine: dict[str, Any] | None
    n_done: int
    configurations: dict[str, Path]
    systems: dict[str, int]

    @property
    def type_map(self) -> list[str]:
        return [str(one) for one in self.param["type_map"]]

    def steps(self, labelled: list[tuple[int, int]]) -> list[tuple[int, int]]:
        """(loop, step) of each iteration that is done: jobs are counted by iterations, also by those in which nothing was labelled."""
        return [(1, step) for step in range(1, max([self.n_done, *(step for _, step in labelled)]) + 1)]

    def write(self, folder: Path) -> None:
        write_json(folder / "param.json", self.param | (self._initial() if (folder / "init").is_dir() else {}) | self._explored())
        if self.machine is not None:
            write_json(folder / "machine.json", self.machine)
        for name, file in self.configurations.items():
            exports.link(folder, name, file)

    def _initial(self) -> dict[str, Any]:
        sizes = self.param.get("init_batch_size")  # one for each name in init_data_sys
        same = sizes[:1] if isinstance(sizes, list) and len(set(map(str, sizes))) == 1 else ["auto"]
        return {"init_data_prefix": ".", "init_data_sys": ["init"]} | ({"init_batch_size": same} if sizes else {})

    def _explored(self) -> dict[str, Any]:
        systems: dict[str, list[str]] = {}
        for name in sorted(self.configurations):
            systems.setdefault(name.split("/")[1], []).append(name)
        prefix = {"sys_configs_prefix": "."} if "sys_configs_prefix" in self.param else {}
        return {"sys_configs": list(systems.values())} | prefix if systems else {}

    @property
    def files_named(self) -> list[str]:
        return [name for name in FILES if name in self.param]


def kept_of(campaign: Campaign) -> Kept | None:
    """None of a campaign that is no run of DP-GEN, or was imported before its set-up was kept."""
    place = campaign.folder / FOLDER
    param, machine = read_json(place / "param.json"), read_json(place / "machine.json")
    if not isinstance(param, dict):
        return None
    n_done = sum(line.split()[1:] == [LAST_STAGE] for line in set(text_of(place / "record.dpgen").splitlines()))
    rows = Artefact.objects.beginning_with(f"campaigns/{campaign.pk}/{FOLDER}/{CONFS}/")
    configurations = {str(row.file.relative_to(place)): row.file for row in rows}
    return Kept(param, machine, n_done, configurations, _systems(campaign))


def _systems(campaign: Campaign) -> dict[str, int]:
    found = {}
    for stage in campaign.stages.filter(kind=StageKind.LABEL):
        for part in (read_json(stage.folder / "result.json") or {}).get("parts", []):
            if part.get("system") is not None:
                found[str(campaign.folder / part["file"])] = part["system"]
    return found
