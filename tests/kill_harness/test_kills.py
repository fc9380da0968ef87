"""A small game of kills in every run of the tests; the large one is `make kill-test`."""

from tests.kill_harness import __main__ as harness
from tests.kill_harness import points
from tests.kill_harness.play import PROCESSES

N_KILLS = 18  # seven of them at random moments, one for each process


def test_whatever_is_killed_nothing_is_lost_and_nothing_done_twice():
    kills, unlike, account = harness.run(N_KILLS, seed=7)
    print(harness.table(kills))
    assert unlike == []
    assert len(kills) == N_KILLS
    assert {kill["process"] for kill in kills} == {*PROCESSES}
    # Only what was killed between its end and its result.json is computed again; of labels, the one under way.
    in_between = sum(kill["target"] == "child: before result.json is put in its place" for kill in kills)
    assert account["stages"] <= account["results"] <= account["stages"] + in_between
    killed_children = sum(kill["process"] == "child" for kill in kills)
    assert account["labels"] <= account["labels_asked"] <= account["labels"] + killed_children


def test_a_difference_is_seen():
    one = {"1": {"Frame": [{"energy_eV_atom": -5.0}], "Artefact": [["a", "f00", 1, "f00"]]}}
    assert list(harness.differences(one, one)) == []
    other = {"1": {"Frame": [{"energy_eV_atom": -5.1}], "Artefact": []}}
    assert len(list(harness.differences(one, other))) == 2


def test_a_plan_of_many_kills_has_every_point_and_every_process():
    kills = {kill for plan in harness.plans(200, 1, 2, 2) for kill in plan["kills"]}
    assert kills == {*points.names(), *PROCESSES}
