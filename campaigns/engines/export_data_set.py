"""Writes a data set in a format of another program, out of the web server's process.

    python -m campaigns.engines.export_data_set FOLDER

reads FOLDER/spec.json and writes FOLDER/data/ in the format asked for, and FOLDER/configurations.csv: what each configuration is, and
where it went.
"""

import csv
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from campaigns.engines.job import read_json
from campaigns.science.data_set_formats import LabelledPart, write_data_set
from campaigns.science.frames import Frames, concatenate


@dataclass(frozen=True)
class Selection:
    """Rows of one frames file, with what is known of each."""

    path: str
    rows: list[int]
    facts: list[dict[str, Any]]


def export(folder: Path, selections: list[Selection], type_map: list[str], format_name: str) -> int:
    """Number of configurations written."""
    parts = _parts(selections)
    places = write_data_set(parts, type_map, format_name, folder / "data")
    facts = [one for part in parts for one in part.facts]
    with (folder / "configurations.csv").open("w", newline="") as stream:
        writer = csv.DictWriter(stream, ["file", "number_in_file", *facts[0]])
        writer.writeheader()
        for (file, number), one in zip(places, facts, strict=True):
            writer.writerow({"file": f"data/{file}", "number_in_file": number} | one)
    return len(facts)


def _parts(selections: list[Selection]) -> list[LabelledPart]:
    """One for each list of atoms, with virial and without; the labels alone, not what a model said of them."""
    groups: dict[tuple[tuple[str, ...], bool], tuple[list[Frames], list[dict[str, Any]]]] = {}
    for selection in selections:
        loaded = Frames.load(Path(selection.path))[selection.rows]
        labelled = Frames(loaded.symbols, loaded.positions_A, loaded.cell_A, loaded.energy_eV, loaded.forces_eV_A, loaded.virial_eV)
        frames, facts = groups.setdefault((tuple(loaded.symbols), loaded.virial_eV is None), ([], []))
        frames.append(labelled)
        facts.extend(selection.facts)
    return [LabelledPart(concatenate(frames), facts) for frames, facts in groups.values()]


if __name__ == "__main__":
    place = Path(sys.argv[1])
    spec = read_json(place / "spec.json")
    export(place, [Selection(**one) for one in spec["selections"]], spec["type_map"], spec["format"])
