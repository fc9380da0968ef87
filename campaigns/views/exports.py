"""What leaves a page as a file: one configuration as extended XYZ, packages, and cells of a table."""

import csv
import io
from collections.abc import Iterable, Sequence
from typing import IO, Any

from django.http import FileResponse, HttpResponse

from campaigns.models import Frame


def spreadsheet_safe(value: Any) -> Any:
    """A text that a spreadsheet would take for a formula begins with an apostrophe (OWASP, CSV injection)."""
    return f"'{value}" if isinstance(value, str) and value[:1] in {"=", "+", "-", "@", "\t", "\r"} else value


def write_csv(stream: IO[str] | HttpResponse, columns: Sequence[str], rows: Iterable[dict[str, Any]]) -> None:
    writer = csv.DictWriter(stream, columns)
    writer.writeheader()
    writer.writerows({column: spreadsheet_safe(value) for column, value in row.items()} for row in rows)


def zip_file(stream: IO[bytes], name: str) -> FileResponse:
    return FileResponse(stream, as_attachment=True, filename=f"{name}.zip", content_type="application/zip")


def extended_xyz(row: Frame) -> str:
    """One configuration; energy in eV, forces in eV/Å, stress in eV/Å^3 (ASE's sign)."""
    from ase.io import write

    from campaigns.science.data_set_formats import labelled_atoms
    from campaigns.science.frames import Frames

    facts = {"configuration": row.pk, "loop": row.loop, "step": row.step, "verdict": row.verdict}
    stream = io.StringIO()
    write(stream, labelled_atoms(Frames.load(row.artefact.file), row.row, facts), format="extxyz")
    return stream.getvalue()
