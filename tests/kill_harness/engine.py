"""The stand-in executable, with kill points, an account of what was computed, and labels that are kept one by one as the real engine does.

    python -m tests.kill_harness.engine FOLDER

The account: `computed` has a line for each beginning, `results` for each end, `labels` for each label that was asked for.
"""

import sys
import time
from pathlib import Path

from campaigns.engines import job, journal
from tests.kill_harness import points
from tests.stand_ins import engine


def write_line(folder, name, text):
    with (folder / name).open("a") as stream:
        stream.write(f"{text}\n")


def label_one_by_one(folder, n):
    """Each label is on the disk before the next is begun, and one that is there is not asked for again."""
    known = {entry["index"] for entry in journal.read(folder / "journal.jsonl")}
    with journal.append_to(folder / "journal.jsonl") as append:
        for index in range(n):
            if index in known:
                continue
            time.sleep(0.05)
            write_line(folder, "labels", index)
            points.reach("child: a label is computed")
            append({"index": index})
            points.reach("child: a label is in the journal")


def run(folder, spec, progress):
    points.reach("child: begins")
    if job.read_json(folder / "spec.json")["kind"] == "label":
        label_one_by_one(folder, len(spec.snapshots.indices))
    result = engine.run(folder, spec, progress)
    points.reach("child: has computed")
    write_line(folder, "results", "whole")
    return result


if __name__ == "__main__":
    points.watch_files("child")
    job.main(run, engine.SPECS[job.read_json(Path(sys.argv[1]) / "spec.json")["kind"]])
