"""Pages of one campaign, and lists, ask as much however many campaigns there are, and read no large table from one end to the other.

`tests/benchmarks/test_load.py` has the times, with a million configurations.
"""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from campaigns.models import Artefact
from campaigns.services import stages
from tests import factories
from tests.factories.many import copies
from tests.web.visited import addresses, full_scans, queries


@pytest.fixture
def campaign(ada):
    return factories.full_campaign(ada, n_steps=3, frames_per_step=5)


def test_queries_are_as_many_and_none_reads_a_large_table_whole(as_ada, campaign):
    few = {address: queries(as_ada, address) for address in addresses(campaign)}
    copies(range(1, 61))
    many = {address: queries(as_ada, address) for address in few}
    assert {address: len(found) for address, found in many.items()} == {address: len(found) for address, found in few.items()}
    scanned = {address: scans for address, found in many.items() if (scans := full_scans(found))}
    assert scanned == {}


def test_a_table_that_is_read_whole_is_seen(campaign):
    began = "campaigns/1/"
    assert full_scans([f"SELECT * FROM campaigns_artefact WHERE path LIKE '{began}%' ESCAPE '\\'"])
    assert full_scans([f'SELECT 1 WHERE 1 IN (SELECT U0."id" FROM "campaigns_artefact" U0 WHERE U0.path LIKE \'{began}%\')'])
    assert not full_scans([str(Artefact.objects.filter(path=began).query).replace(began, f"'{began}'")])


def test_the_reconciler_asks_as_much_whatever_has_ended(campaign, django_assert_num_queries):
    campaign.stages.exclude(state="done").update(state="done")
    with django_assert_num_queries(4):
        assert stages.reconcile() == 0
    copies(range(1, 61))
    with django_assert_num_queries(4):
        assert stages.reconcile() == 0


def test_the_reconciler_reads_no_stage_that_has_ended(campaign):
    with CaptureQueriesContext(connection) as found:
        stages.reconcile()
    with connection.cursor() as cursor:
        for query in found.captured_queries:
            cursor.execute(f"EXPLAIN QUERY PLAN {query['sql']}")
            assert not any(line[-1].startswith("SCAN") for line in cursor.fetchall()), query["sql"]
