"""Rows of a campaign as JSON and back. In an archive a row has a number of its own, from 1 in each table, so that what one installation
wrote and another reads is the same text; paths are relative to the campaign.
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from django.contrib.auth.models import AbstractBaseUser
from django.core.exceptions import ValidationError
from django.db import models

from campaigns.models import (
    Artefact,
    Campaign,
    Cell,
    Frame,
    Launch,
    Material,
    MdRun,
    MethodCheck,
    Overruling,
    Project,
    SettingChange,
    Stage,
    StageFailure,
    TrainedModel,
    TrainingSet,
    VerdictChange,
)
from campaigns.services.errors import BadInput

HERE = "@/"  # stands for campaigns/<id>/ in a path


@dataclass(frozen=True)
class Table:
    """`of_campaign` is the lookup from a row to its campaign; `paths` are columns below DATA_DIR; `left_out` what belongs to a process."""

    model: type[models.Model]
    of_campaign: str
    paths: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return self.model._meta.label_lower

    def rows(self, campaign: Campaign) -> models.QuerySet:
        if self.model is Artefact:
            return Artefact.objects.beginning_with(f"campaigns/{campaign.pk}/").order_by("pk")
        return self.model._default_manager.filter(**{self.of_campaign: campaign.pk}).order_by("pk").distinct()

    def columns(self) -> list[models.Field]:
        """All but the key, accounts and projects, which are not the campaign's."""
        return [
            column
            for column in self.model._meta.concrete_fields
            if not column.primary_key and column.name not in self.left_out and not _is_of_people(column)
        ]


def _is_of_people(column: models.Field) -> bool:
    return column.is_relation and issubclass(column.related_model, AbstractBaseUser | Project)


# In an order in which a row comes after those that it refers to. Other apps add their own with `register`.
TABLES = [
    Table(Material, "cells__campaign"),
    Table(Campaign, "pk", paths=("s0_upload",)),
    Table(Artefact, "", paths=("path",)),
    Table(Cell, "campaign"),
    Table(Stage, "campaign", left_out=("owner", "lease_until", "sent_at")),
    Table(StageFailure, "stage__campaign"),
    Table(TrainingSet, "campaign"),
    Table(Frame, "campaign"),
    Table(VerdictChange, "frame__campaign"),
    Table(Overruling, "frame__campaign"),
    Table(TrainedModel, "campaign", paths=("checkpoint",)),
    Table(Launch, "cell__campaign"),
    Table(MdRun, "campaign"),
    Table(MethodCheck, "campaign"),
    Table(SettingChange, "campaign"),
]


def register(*tables: Table) -> None:
    TABLES.extend(table for table in tables if table not in TABLES)


def dump(campaign: Campaign) -> Iterator[tuple[str, bytes]]:
    """Name of every table with its rows, one JSON object a line. To be read within one transaction."""
    numbers: dict[type[models.Model], dict[Any, int]] = {}
    for table in TABLES:
        columns, prefix = table.columns(), f"campaigns/{campaign.pk}/"
        own = numbers.setdefault(table.model, {})
        lines = []
        for row in table.rows(campaign).iterator(chunk_size=2000):
            own[row.pk] = len(own) + 1
            values = {column.name: _written(column, row, numbers, prefix if column.name in table.paths else "") for column in columns}
            lines.append(json.dumps(values, ensure_ascii=False, sort_keys=True))
        yield table.name, "".join(f"{line}\n" for line in lines).encode()


def _written(column: models.Field, row: models.Model, numbers: dict[type[models.Model], dict[Any, int]], prefix: str) -> Any:
    value = getattr(row, column.attname)
    if column.is_relation:
        return None if value is None else numbers[column.related_model][value]
    if column.name == "s0_upload":
        return upload_name(value)
    if prefix and value.startswith(prefix):
        return HERE + value.removeprefix(prefix)
    return value.isoformat() if isinstance(value, datetime) else value


def upload_name(path: str) -> str:
    """Of the data set for S0 in an archive: the name on disk is of the installation."""
    return f"s0{endings(path)}" if path else ""


def endings(path: str) -> str:
    return "".join(Path(path).suffixes)


@dataclass
class Loader:
    """Makes rows of `texts` (by table) for a campaign whose key is reserved. Everything is checked; raises BadInput."""

    texts: dict[str, str]
    owner: AbstractBaseUser
    campaign_key: int
    made: dict[type[models.Model], dict[int, models.Model]] = field(default_factory=dict)

    def load(self) -> Campaign:
        """To be called within a transaction."""
        unknown = set(self.texts) - {table.name for table in TABLES}
        if unknown:
            raise BadInput(f"The archive has tables that are not known here ({', '.join(sorted(unknown))}): it comes from a newer release.")
        for table in TABLES:
            made = [self._row(table, values) for values in self._lines(table)]
            self._save(table, made)
        campaigns = list(self.made[Campaign].values())
        if len(campaigns) != 1:
            raise BadInput(f"The archive must hold one campaign, it holds {len(campaigns)}.")
        return campaigns[0]

    def _lines(self, table: Table) -> Iterator[dict[str, Any]]:
        known = {column.name for column in table.columns()}
        for number, line in enumerate(self.texts.get(table.name, "").splitlines(), start=1):
            try:
                values = json.loads(line)
            except (ValueError, RecursionError) as error:
                raise BadInput(f"{table.name}, row {number}: is not JSON.") from error
            if not isinstance(values, dict) or set(values) - known:
                raise BadInput(f"{table.name}, row {number}: has columns that are not known here: it comes from a newer release.")
            yield values

    def _row(self, table: Table, values: dict[str, Any]) -> models.Model:
        row = table.model()
        for column in table.model._meta.concrete_fields:
            if _is_of_people(column):
                if not column.null:
                    setattr(row, column.name, self.owner)
            elif column.name in values:
                self._set(table, row, column, values[column.name])
        if isinstance(row, Campaign):
            row.pk = self.campaign_key
        return row

    def _set(self, table: Table, row: models.Model, column: models.Field, value: Any) -> None:
        where = f"{table.name}, {column.name}"
        if column.is_relation:
            setattr(row, column.attname, None if value is None else self._reference(column, value, where))
            return
        if column.name in table.paths:
            value = self._path(value, where)
        try:
            # Empty texts and lists are checked for their kind alone: what a form must fill in, a row may leave empty.
            cleaned = column.to_python(value) if value in column.empty_values and value is not None else column.clean(value, row)
        except (ValidationError, TypeError, ValueError, OverflowError) as error:
            if value is None and column.null:
                cleaned = None
            else:
                raise BadInput(f"{where}: {str(value)[:80]!r} is not what belongs there.") from error
        setattr(row, column.attname, cleaned)

    def _reference(self, column: models.Field, number: Any, where: str) -> Any:
        found = self.made.get(column.related_model, {}).get(number) if type(number) is int else None
        if found is None:
            raise BadInput(f"{where}: row {number!r} is not in the archive.")
        return found.pk

    def _path(self, value: Any, where: str) -> str:
        if not isinstance(value, str) or (value.startswith(HERE) and ".." in value.split("/")):
            raise BadInput(f"{where}: {str(value)[:80]!r} is no path of this campaign.")
        if value.startswith(HERE):
            return f"campaigns/{self.campaign_key}/{value.removeprefix(HERE)}"
        if "/" in value:
            raise BadInput(f"{where}: {value[:80]!r} is no path of this campaign.")
        return value

    def _save(self, table: Table, rows: list[models.Model]) -> None:
        """Keep the rows, with the dates that they had; a material that the owner has already is taken as it is."""
        kept: Iterable[models.Model] = rows
        if table.model is Material:
            known = {one.cif_sha256: one for one in Material.objects.filter(owner=self.owner)}
            kept = [known.get(row.cif_sha256, row) for row in rows]
        new = [row for row in kept if row.pk is None or row._state.adding]
        dated = [column.attname for column in table.columns() if getattr(column, "auto_now_add", False)]
        dates = [[getattr(row, name) for name in dated] for row in new]
        table.model._default_manager.bulk_create(new, batch_size=500)
        if dated:
            for row, values in zip(new, dates, strict=True):
                for name, value in zip(dated, values, strict=True):
                    setattr(row, name, value or getattr(row, name))
            table.model._default_manager.bulk_update(new, dated, batch_size=500)
        self.made[table.model] = dict(enumerate(kept, start=1))
