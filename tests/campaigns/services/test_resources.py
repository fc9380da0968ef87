"""Resources of a cluster: defined from a file, named in settings, refused where there are none."""

import importlib
import json
from dataclasses import replace

import pytest
from django.apps import apps
from django.core.management import CommandError, call_command

from campaigns.engines import backends
from campaigns.enums import StageKind
from campaigns.models import Resource, Stage
from campaigns.services import campaigns, requests, resources, settings_file, specs
from campaigns.services.errors import BadInput
from tests import factories
from tests.slurm import document

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_settings_file_names_resources(owner, material):
    resources.add("gpu", document())
    given = {"cells": [{"material": material.pk}], "resources": {"train": "gpu", "label": "gpu"}}
    campaign = campaigns.create(owner, settings_file.to_request(owner, given, "", None))
    assert campaign.resources == {"train": "gpu", "label": "gpu"}
    assert settings_file.document_of(campaign)[0]["resources"] == campaign.resources


@pytest.mark.parametrize(
    ("wanted", "field", "words"),
    [
        ({"train": "tpu"}, "resources.train", "there is: gpu"),
        ({"train": ["gpu"]}, "resources.train", "no resource"),
        ({"judge": "gpu"}, "resources.judge", "can be sent to a cluster"),
    ],
)
def test_resources_that_do_not_exist_are_refused(owner, material, wanted, field, words):
    resources.add("gpu", document())
    with pytest.raises(BadInput) as refused:
        campaigns.create(owner, settings_file.to_request(owner, {"cells": [{"material": material.pk}], "resources": wanted}, "", None))
    assert words in refused.value.fields[field]


def _wanted(owner, material, **kinds):
    given = {"cells": [{"material": material.pk}], "resources": kinds}
    return campaigns.create(owner, settings_file.to_request(owner, given, "", None))


def test_dynamics_are_sent_where_the_backend_of_their_model_is(owner, material, monkeypatch):
    resources.add("gpu", document(), backend="pytorch")
    resources.add("cpu", document())
    monkeypatch.setattr(backends, "version", {"torch": "2.13.0", "e3nn": "0.6.0"}.get)
    with pytest.raises(BadInput) as refused:
        _wanted(owner, material, train="gpu", explore="cpu")
    assert "cpu is of the TensorFlow backend" in refused.value.fields["resources.explore"]
    assert "this machine lacks DeePMD-kit's PyTorch backend (torch 2.13.0" in refused.value.fields["resources.evaluate"]
    assert _wanted(owner, material, train="gpu", explore="gpu", evaluate="gpu").pk
    assert _wanted(owner, material, train="cpu", explore="gpu").pk  # whose environment has both
    monkeypatch.setattr(backends, "missing", lambda backend: "")
    assert _wanted(owner, material, train="gpu").pk


def test_no_training_goes_on_from_a_model_of_the_other_backend(owner):
    row = factories.full_campaign(owner)
    stage = Stage(campaign=row, kind=StageKind.TRAIN, loop=1, step=4, cores=1)
    warm = specs.build(stage)
    assert (warm.backend, warm.n_batches) == ("tensorflow", row.settings.n_batches_step)
    assert warm.init_checkpoint
    resources.add("gpu", document(), backend="pytorch")
    stage.resource = "gpu"
    cold = specs.build(stage)
    assert (cold.backend, cold.n_batches, cold.init_checkpoint) == ("pytorch", row.settings.n_batches_first, None)
    assert cold.descriptor.sel is None


@pytest.mark.parametrize(
    ("method", "variable", "option"),
    [("vasp", "VASP_PP_PATH", "potcars"), ("espresso", "ESPRESSO_PSEUDO", "pseudopotentials"), ("cp2k", "CP2K_DATA_DIR", "basis")],
)
def test_the_files_of_a_method_are_needed_where_it_labels(owner, material, monkeypatch, tmp_path, method, variable, option):
    """The web server of a cluster has neither the program nor the licence."""
    resources.add("dft", document())
    monkeypatch.setenv(variable, str(tmp_path))
    monkeypatch.setenv("CP2K_DATA_DIR", str(tmp_path))  # Goedecker's pseudopotentials, which Quantum ESPRESSO has too
    everywhere = {"cells": [{"material": material.pk}], "labeller": {"name": method}}
    everywhere["resources"] = dict.fromkeys(("prepare", "s0", "label"), "dft")
    request = settings_file.to_request(owner, everywhere, "", None)
    assert campaigns.create(owner, request).pk
    (told,) = [text for text in requests.check(owner, request).warnings if "files of the reference method" in text]
    assert "computed on dft" in told
    with pytest.raises(BadInput) as refused:
        requests.check(owner, replace(request, resources={"label": "dft"}))
    assert f"labeller.{option}" in refused.value.fields


@pytest.mark.parametrize(("option", "field"), [({"potcars": ["Li ../x"]}, "labeller.potcars"), ({"potcar": ["Li Li_sv"]}, "labeller")])
def test_an_option_that_makes_no_sense_is_refused_wherever_the_files_are(owner, material, option, field):
    resources.add("dft", document())
    given = {"cells": [{"material": material.pk}], "labeller": {"name": "vasp"} | option}
    given["resources"] = dict.fromkeys(("prepare", "s0", "label"), "dft")
    with pytest.raises(BadInput) as refused:
        campaigns.create(owner, settings_file.to_request(owner, given, "", None))
    assert field in refused.value.fields


def test_the_command_says_what_trains_there(db, tmp_path, capsys):
    (tmp_path / "machine.json").write_text(json.dumps(document()))
    call_command("resource", "add", "gpu", str(tmp_path / "machine.json"), "--backend", "pytorch", "--python", "/opt/pt/bin/python")
    assert "1 cores for a stage, any number of jobs at a time, trains with PyTorch" in capsys.readouterr().out
    assert resources.get("gpu").profile.to_json()["backend"] == "pytorch"
    with pytest.raises(CommandError, match="invalid choice"):
        call_command("resource", "add", "tpu", str(tmp_path / "machine.json"), "--backend", "jax")


def test_the_command_limits_the_jobs_at_a_time(db, tmp_path, capsys):
    (tmp_path / "machine.json").write_text(json.dumps(document()))
    call_command("resource", "add", "gpu", str(tmp_path / "machine.json"), "--max-jobs", "4")
    assert "4 jobs at a time" in capsys.readouterr().out
    call_command("resource", "limit", "gpu", "1")
    assert "1 job at a time" in capsys.readouterr().out
    assert resources.get("gpu").max_jobs == 1
    with pytest.raises(CommandError, match="or 0 for no limit"):
        call_command("resource", "limit", "gpu", "-1")


def test_the_command_adds_checks_lists_and_removes(slurm, tmp_path, capsys):
    path = tmp_path / "machine.json"
    one = {"command": "dp"} | document()
    path.write_text(json.dumps({"train": [one], "model_devi": [one], "fp": [one | {"resources": document(queue="closed")["resources"]}]}))
    call_command("resource", "add", "ci", str(path))
    assert list(Resource.objects.values_list("name", flat=True)) == ["ci-explore", "ci-label", "ci-train"]
    assert "command 'dp' is not used" in capsys.readouterr().out
    call_command("resource", "check", "ci-train")
    assert "ci-train is ready: a job ran on" in capsys.readouterr().out
    with pytest.raises(CommandError, match="still in the queue"):
        call_command("resource", "check", "ci-label", "--limit-s", "1")
    with pytest.raises(CommandError, match="already"):
        call_command("resource", "add", "ci", str(path))
    call_command("resource", "list")
    assert (
        "ci-train: Slurm from this machine, queue debug, 1 cores for a stage, any number of jobs at a time, trains with TensorFlow"
        in capsys.readouterr().out
    )
    call_command("resource", "remove", "ci-train")
    with pytest.raises(CommandError, match="There is no resource"):
        call_command("resource", "check", "ci-train")


def test_machines_without_a_queue_that_were_there_before_limits_take_one_job(db):
    migration = importlib.import_module("campaigns.migrations.0013_resource_max_jobs")
    resources.add("queue", document())
    resources.add("node", document() | {"machine": {"batch_type": "Shell", "context_type": "local"}}, max_jobs=0)
    migration.one_on_machines_without_a_queue(apps, None)
    assert dict(Resource.objects.values_list("name", "max_jobs")) == {"node": 1, "queue": None}


@pytest.mark.parametrize("text", ["{", "[]", '{"machine": {}, "resources": {}}'])
def test_the_command_says_what_is_wrong_with_a_file(db, tmp_path, text):
    path = tmp_path / "machine.json"
    path.write_text(text)
    with pytest.raises(CommandError, match=r"JSON|machine"):
        call_command("resource", "add", "ci", str(path))
    assert not Resource.objects.exists()
