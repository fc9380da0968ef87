"""What `make audit` found, in words: python tests/audit.py REPORT (of pip-audit, JSON). Exit status 1 where an advisory is known, 2 where
not every release could be asked about: what was not audited does not count as sound.
"""

import json
import sys
from pathlib import Path


def in_words(report: Path) -> tuple[str, int]:
    rows = json.loads(report.read_text())["dependencies"] if report.exists() else []
    found = [
        f"{row['name']} {row['version']}: {one['id']}, mended in {' or '.join(one['fix_versions']) or 'no release yet'}"
        for row in rows
        for one in row.get("vulns", [])
    ]
    unknown = [row["name"] for row in rows if "skip_reason" in row]
    if not rows or len(unknown) == len(rows):
        return "Nothing was audited: the advisories are not reached from here. Run it where the network allows https://pypi.org.", 2
    lines = [*found, f"{len(rows) - len(unknown)} releases audited, {len(found)} advisories."]
    if unknown:
        lines.append(f"Not audited, as they are not known there: {', '.join(unknown)}.")
    return "\n".join(lines), 1 if found else 2 if unknown else 0


if __name__ == "__main__":
    text, status = in_words(Path(sys.argv[1]))
    print(text)
    sys.exit(status)
