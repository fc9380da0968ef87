"""Copies of a campaign in the database alone: an installation that has been used for years, in seconds.

Rows are copied by the database itself, INSERT ... SELECT; copy n of a row has its key plus n strides, and so has what it points to
within the campaign. Files are not copied: pages are looked at of the campaign that was copied, which has them.
"""

from django.db import connection
from django.db.models import Field, Model

from analysis.models import ArrheniusFit, RunDiffusion
from campaigns.models import (
    Artefact,
    Campaign,
    Cell,
    Frame,
    Launch,
    Material,
    MdRun,
    Stage,
    StageFailure,
    TrainedModel,
    TrainingSet,
    VerdictChange,
)

# What is pointed to before what points.
COPIED = (
    *(Artefact, Material, Campaign, Cell, Stage, StageFailure, TrainingSet, TrainedModel, Frame, VerdictChange, Launch, MdRun),
    *(RunDiffusion, ArrheniusFit),
)
STRIDE = 1_000_000
MADE_UNIQUE = {(Artefact, "path"), (Material, "cif_sha256")}


def copies(numbers: range) -> None:
    """Everything that there is below STRIDE once more for each number, of which none may be given twice."""
    with connection.cursor() as cursor:
        for model in COPIED:
            table, columns = model._meta.db_table, model._meta.concrete_fields
            names = ", ".join(f'"{field.column}"' for field in columns)
            values = ", ".join(_copied(model, field) for field in columns)
            cursor.execute(
                "WITH RECURSIVE copy(n) AS (SELECT %s UNION ALL SELECT n + 1 FROM copy WHERE n < %s) "
                f"INSERT INTO {table} ({names}) SELECT {values} FROM {table}, copy WHERE {table}.id < {STRIDE}",
                [numbers[0], numbers[-1]],
            )


def _copied(model: type[Model], field: Field) -> str:
    column = f'{model._meta.db_table}."{field.column}"'
    if field.primary_key or (field.is_relation and field.related_model in COPIED):
        return f"{column} + n * {STRIDE}"
    return f"n || '/' || {column}" if (model, field.name) in MADE_UNIQUE else column
