"""The addresses that people and programs ask for all day, of one campaign and of lists, and how the database answers them."""

import re

from django.db import connection
from django.test.utils import CaptureQueriesContext

TABS = ("", "results/", "training-set/", "models/", "stages/", "settings/", "people/", "deletion/")
LARGE = ("campaigns_frame", "campaigns_verdictchange", "campaigns_stage", "campaigns_artefact", "campaigns_mdrun", "analysis_rundiffusion")


def addresses(row):
    """Of a campaign whose files are there. Lists of the API by tens, as long in a database of ten campaigns as in a large one."""
    one, api = f"/campaigns/{row.pk}/", "/api/v1/campaigns/"
    return [
        *(one + tab for tab in TABS),
        *(f"{one}live/{part}/" for part in ("status", "running", "ramp")),
        *("/campaigns/", "/campaigns/?part=rows", "/campaigns/?state=running", "/materials/", "/trajectories/"),
        *(f"{place}?campaign={row.pk}" for place in ("/compare/", "/plots/compare/", "/compare/rows.json")),
        *(f"/configurations/{row.frames.last().pk}/", f"/models/{row.trained_models.last().pk}/", f"/stages/{row.stages.first().pk}/"),
        *(f"{api}?page_size=10", "/api/v1/materials/?page_size=10"),
        *(f"{api}{row.pk}/{part}" for part in ("", "result/", "stages/", "configurations/?page_size=10", "models/", "activity/")),
        f"/api/v1/configurations/{row.frames.last().pk}/",
        "/healthz",
    ]


def queries(client, address):
    """Those of a second visit: what is cached at the first is not counted."""
    client.get(address)
    with CaptureQueriesContext(connection) as found:
        assert client.get(address).status_code in (200, 286, 503), address  # 503: /healthz, where no broker runs
    return [query["sql"] for query in found]


def full_scans(statements):
    """Large tables that SQLite would read from one end to the other, with the statement."""
    found = []
    for sql in statements:
        if not sql.startswith("SELECT"):
            continue
        with connection.cursor() as cursor:
            cursor.execute(f"EXPLAIN QUERY PLAN {sql}")
            plan = [line[-1] for line in cursor.fetchall()]
        if "LIMIT" in sql and not any("TEMP B-TREE" in line for line in plan):
            continue  # it ends where enough are found
        aliases = dict.fromkeys(LARGE) | {alias: table for table, alias in re.findall(r'"(\w+)" (U\d+|T\d+)\b', sql) if table in LARGE}
        found += [(line, sql) for line in plan if (match := re.match(r"SCAN (\w+)", line)) and match[1] in aliases]
    return found
