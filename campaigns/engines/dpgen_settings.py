"""What a run folder of DP-GEN is set up by: param.json, machine.json, record.dpgen and the configurations that it explores from.

They are kept as they came, below dpgen/ in the folder of a campaign, so that they can be written back. Words that open a computer are not.
"""

import glob
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from campaigns.engines.dpgen_files import text_of
from campaigns.engines.job import read_json, write_json

FOLDER = "dpgen"
CONFS = "confs"
MAX_CONFIGURATIONS = 10_000
MAX_CONFIGURATION_BYTES = 10_000_000
# Of dpdispatcher's contexts: whoever may see a campaign may download what is kept of it.
SECRETS = frozenset({"password", "passphrase", "totp_secret", "ticket", "token", "access_token", "app_key", "secret_key", "access_key"})


def keep(root: Path, param: dict[str, Any], out: Path, may_read: Callable[[Path], bool]) -> tuple[list[str], list[str]]:
    """Copy them below `out`. Returns the names of what is kept there and, as sentences, what could not be."""
    place = out / FOLDER
    place.mkdir()
    write_json(place / "param.json", param)
    machine, notes = read_json(root / "machine.json") if may_read(root / "machine.json") else None, []
    if isinstance(machine, dict):
        write_json(place / "machine.json", without_secrets(machine))
        if json.dumps(machine) != json.dumps(without_secrets(machine)):
            notes.append("Passwords and the like in machine.json are not kept: it must be given them again.")
    if may_read(root / "record.dpgen"):
        (place / "record.dpgen").write_text(text_of(root / "record.dpgen"))
    groups = _configurations(root, param, may_read)
    if groups is None:
        notes.append("Not all configurations that sys_configs names are in the folder: param.json goes on naming them as it came.")
    for number, files in enumerate(groups or []):
        for index, file in enumerate(files):
            target = place / CONFS / f"{number:03d}" / f"{index:06d}" / file.name
            target.parent.mkdir(parents=True)
            shutil.copyfile(file, target)
    return sorted(str(path.relative_to(out)) for path in place.rglob("*") if path.is_file()), notes


def without_secrets(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: without_secrets(inner) for name, inner in value.items() if str(name).lower() not in SECRETS}
    return [without_secrets(inner) for inner in value] if isinstance(value, list) else value


def _configurations(root: Path, param: dict[str, Any], may_read: Callable[[Path], bool]) -> list[list[Path]] | None:
    """The files of each system, in DP-GEN's order; None where one is missing or too large, or there are too many."""
    prefix, found, left = root / str(param.get("sys_configs_prefix", ".")), [], MAX_CONFIGURATIONS
    systems = param.get("sys_configs")
    for patterns in systems if isinstance(systems, list) else []:
        files: list[Path] = []
        for pattern in patterns if isinstance(patterns, list) else [patterns]:
            matches = [Path(name) for name in sorted(glob.iglob(str(prefix / str(pattern))))]
            left -= len(matches)
            if not matches or left < 0 or not all(may_read(one) and _is_small_file(one) for one in matches):
                return None
            files += matches
        found.append(files)
    return found or None


def _is_small_file(path: Path) -> bool:
    return path.is_file() and path.stat().st_size <= MAX_CONFIGURATION_BYTES
