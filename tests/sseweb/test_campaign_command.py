"""`manage.py campaign run` from a settings file to the printed result, with every process of an installation and stand-in engines."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from campaigns.enums import CampaignState
from campaigns.models import Campaign

ROOT = Path(__file__).resolve().parents[2]
SETTINGS = {
    "name": "tiny", "material": "li3n", "cells": [{"supercell": [2, 2, 2]}], "labeller": "chgnet", "preset": "quick",
    "protocol": {
        "s0_temperatures_K": [300], "s0_frames_per_temperature": 6, "ramp_T_min_K": 300, "ramp_T_max_K": 300, "snapshots_per_step": 4,
        "evaluation_temperatures_K": [600, 800, 1000], "evaluated_steps_per_loop": 1,
    },
}  # fmt: skip


@pytest.fixture
def campaign(tmp_path):
    """Run the command with a settings file and options; gives exit status, standard output and standard error."""
    environment = os.environ | {
        "DJANGO_SETTINGS_MODULE": "tests.stand_ins.settings", "SSEWEB_DATA_DIR": str(tmp_path / "data"), "PYTHONPATH": str(ROOT),
        "LOG_LEVEL": "ERROR",
    }  # fmt: skip

    def run(*arguments, document=None):
        if document is not None:
            (tmp_path / "settings.yaml").write_text(yaml.safe_dump(document))
        argv = [sys.executable, "manage.py", "campaign", *arguments]
        done = subprocess.run(argv, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=180)
        assert "Traceback" not in done.stderr, done.stderr
        return done.returncode, done.stdout, done.stderr

    def start(*arguments):
        argv = [sys.executable, "-u", "manage.py", "campaign", *arguments]
        return subprocess.Popen(argv, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    run.start = start
    run.file = str(tmp_path / "settings.yaml")
    return run


def test_a_campaign_is_run_to_its_end_and_run_once(campaign):
    status, out, progress = campaign("run", campaign.file, "--json", document=SETTINGS)
    assert status == 0, out + progress
    found = json.loads(out)
    assert (found["state"], found["activation_energy_eV"], len(found["runs"])) == ("converged", 0.2, 3)
    assert "of loop 1" in progress
    assert "left in it" in progress

    status, out, _ = campaign("run", campaign.file)
    assert status == 0
    assert f"Campaign {found['id']}, tiny: converged" in out
    assert "Ea = 0.200 ± 0.020 eV" in out
    assert "reference calculations (chgnet)" in out
    assert "The pages close now: `make serve`" in out

    status, out, _ = campaign("status", str(found["id"]), "--json")
    assert json.loads(out) == found
    status, _, problem = campaign("pause", str(found["id"]))
    assert status == 1
    assert "cannot be paused now" in problem
    status, out, _ = campaign("pause", str(found["id"]), "--json")
    assert status == 1
    assert "cannot be paused now" in json.loads(out)["error"]
    _, out, _ = campaign("list")
    assert "converged" in out
    assert "tiny" in out


@pytest.mark.parametrize(("changes", "words"), [
    ({"materiel": "li3n"}, "unknown key materiel"),
    ({"material": "nowhere.cif"}, "neither an example"),
    ({"protocol": {"ramp_T_min_K": 2000}}, "below the lowest"),
    ({"protocol": {"colour": 1}}, "colour: is not a setting"),
    ({"labeller": "oracle"}, "must be one of chgnet, lammps"),
    ({"labeller": {"name": "lammps"}}, "name the elements"),
    ({"cells": [{"supercell": [0, 1, 1]}]}, "between 1 and 10"),
    ({"cells": [{"supercell": "big"}]}, "three whole numbers"),
    ({"cells": [{"supercell": [3, 3, True]}]}, "three whole numbers"),
    ({"cells": [{"training": "no"}]}, "training must be true or false"),
    ({"cells": [{"evaluation": 0}]}, "evaluation must be true or false"),
    ({"cells": [{"supercell": [1, 1, 1], "evaluation": False}]}, "at least one cell to evaluate"),
    ({"mobile_ion": "Na"}, "Na is not in the material"),
    ({"s0": {"route": "magic"}}, "must be one of fpmd, upload"),
    ({"preset": "fast"}, "must be one of quick, standard, paper"),
    ({"s0": 5}, "s0 must be keys and values"),
    ({"labeller": {"name": ["chgnet"]}}, "labeller must be a word"),
    ({"preset": ["quick"]}, "preset must be a word"),
    ({"labeller": 5}, "labeller must be keys and values"),
    ({"protocol": ["max_loops"]}, "protocol must be keys and values"),
    ({"protocol": {"n_batches_first": float("inf")}}, "n_batches_first: inf is not a whole number"),
    ({"cells": 3}, "cells must be a list"),
    ({"cells": []}, "cells is empty"),
    ({"s0": {"path": "bad.extxyz"}}, "bad.extxyz frame 1 has no energy"),
    ({"cells": [{"candidate": "best"}]}, "candidate must be a whole number"),
    ({"cells": [{"candidate": -1}]}, "candidate must be between 0 and 99"),
    ({"material": ["li3n"], "cells": None}, "material must be an example or the path"),
])  # fmt: skip
def test_a_wrong_settings_file_is_refused_with_the_key(changes, words, db, tmp_path):
    """In one process: nothing is started for a file that cannot be carried out."""
    from django.contrib.auth import get_user_model

    from campaigns.models import Campaign
    from campaigns.services import campaigns, settings_file
    from campaigns.services.errors import BadInput

    owner = get_user_model().objects.create_user("marie")
    path = tmp_path / "settings.yaml"
    path.write_text(yaml.safe_dump(SETTINGS | changes))
    (tmp_path / "bad.extxyz").write_text('1\nLattice="4 0 0 0 4 0 0 0 4" Properties=species:S:1:pos:R:3\nLi 0 0 0\n')
    with pytest.raises(BadInput, match=words):
        campaigns.create(owner, settings_file.to_request(owner, *settings_file.load(path), tmp_path))
    assert not Campaign.objects.exists()


@pytest.mark.parametrize(("changes", "every_word"), [
    ({"materiel": "li3n", "preset": ["quick"], "seed": "x", "mobile_ion": "Na", "protocol": {"max_loops": 0, "ramp_T_min_K": 2000}},
     ["unknown key materiel", "preset must be a word", "seed must be a whole number", "Na is not in the material",
      "max_loops: 0 is not between", "below the lowest"]),
    ({"cells": [{"supercell": "big", "candidate": "best"}, 3, {"colour": 1}], "s0": {"path": "nowhere.zip"}},
     ["number 1: supercell", "number 1: candidate", "number 2: must be keys", "number 3: unknown key colour", "nowhere.zip is not a file"]),
    ({"material": "nowhere.cif", "cells": None, "labeller": "oracle", "s0": {"route": "magic"}, "protocol": {"colour": 1}},
     ["nowhere.cif is neither", "labeller: must be one of", "s0_route: must be one of", "colour: is not a setting"]),
])  # fmt: skip
def test_everything_that_is_wrong_with_a_settings_file_is_said_at_once(changes, every_word, db, tmp_path):
    from django.contrib.auth import get_user_model

    from campaigns.services import settings_file
    from campaigns.services.errors import BadInput

    path = tmp_path / "settings.yaml"
    path.write_text(yaml.safe_dump(SETTINGS | changes))
    with pytest.raises(BadInput) as refused:
        settings_file.to_request(get_user_model().objects.create_user("marie"), *settings_file.load(path), tmp_path)
    said = str(refused.value)
    assert [word for word in every_word if said.count(word) != 1] == [], said


@pytest.mark.parametrize(("text", "words"), [
    ("- a list", "must hold keys"), ("a: [", "is not YAML"), ("name: x", "names no material"), ("\x00", "is not YAML")])  # fmt: skip
def test_what_is_no_settings_file_is_said(text, words, tmp_path):
    from campaigns.services import settings_file
    from campaigns.services.errors import BadInput

    path = tmp_path / "settings.yaml"
    path.write_text(text)
    with pytest.raises(BadInput, match=words):
        settings_file.load(path)


def test_a_corrected_cif_is_another_campaign(tmp_path):
    from campaigns.services import settings_file

    path, cif = tmp_path / "settings.yaml", tmp_path / "mine.cif"
    path.write_text(yaml.safe_dump({"material": "mine.cif"}))
    cif.write_text("data_one")
    first = settings_file.load(path)[1]
    assert settings_file.load(path)[1] == first
    cif.write_text("data_two")
    assert settings_file.load(path)[1] != first


def test_who_only_looks_on_at_another_server_is_told_that_the_campaign_goes_on():
    from sseweb.installation import Installation
    from sseweb.management.commands.campaign import _what_stops

    installation = Installation()
    installation.address = "http://127.0.0.1:8000/"
    campaign = Campaign(pk=7, state=CampaignState.RUNNING)
    assert "campaign 7 goes on under the server at http://127.0.0.1:8000/" in _what_stops(installation, campaign)
    assert "The same command goes on" not in _what_stops(installation, campaign)


def test_an_impatient_interruption_is_no_traceback_and_the_campaign_goes_on(campaign, tmp_path):
    slow = SETTINGS | {"name": "interrupted"}
    (tmp_path / "settings.yaml").write_text(yaml.safe_dump(slow))
    process = campaign.start("run", campaign.file)
    for line in process.stdout:  # until the campaign is there
        if "Campaign" in line:
            break
    process.send_signal(signal.SIGINT)
    time.sleep(0.3)
    process.send_signal(signal.SIGINT)
    out, problems = process.communicate(timeout=120)
    assert "Traceback" not in problems
    assert process.returncode in (0, 130)
    status, out, _ = campaign("run", campaign.file)
    assert status == 0, out
    assert "interrupted: converged" in out


def test_a_reference_method_is_checked_and_the_draft_is_there_to_run(campaign):
    status, out, said = campaign("check-method", campaign.file, document=SETTINGS)
    assert status == 0, out + said
    assert "Plane-wave cut-off 675 Ry" in out
    assert "One label takes 12.5 s on 1 core, 12.5 core-seconds." in out
    status, out, _ = campaign("check-method", campaign.file, "--json")
    found = json.loads(out)
    assert (found["verdict"], found["core_seconds"], found["labels"] > 0) == ("converged", 12.5, True)
    status, out, _ = campaign("list", "--json")
    assert [row["state"] for row in json.loads(out)] == ["draft"]
    status, _, problem = campaign("check-method", campaign.file, "--option", "colour")
    assert status == 1
    assert "has no colour" in problem
