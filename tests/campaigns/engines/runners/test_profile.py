"""What an administrator may write down: DP-GEN's files as they are, and nothing that a shell would understand."""

import json

import pytest

from campaigns.engines.backends import PYTORCH, TENSORFLOW
from campaigns.engines.runners import profile
from campaigns.engines.runners.profile import ProfileRefused

MACHINE = {"batch_type": "Slurm", "context_type": "SSHContext", "local_root": "./", "remote_root": "/scratch/marie",
           "remote_profile": {"hostname": "login.cluster.org", "username": "marie", "port": 22}}  # fmt: skip
RESOURCES = {"number_node": 1, "cpu_per_node": 8, "gpu_per_node": 1, "queue_name": "gpu,long", "group_size": 5,
             "custom_flags": ["#SBATCH --time=24:00:00", "#SBATCH --mem=32G"], "module_list": ["cuda/12.4"],
             "source_list": ["/opt/env.sh"], "envs": {"KMP_BLOCKTIME": 0, "LANG": "C"}, "para_deg": 2}  # fmt: skip


POISON = ("x\ny", "x;y", "$(y)", "`y`", "a|b", "a&b", "a>b", "a<b", "a'b", 'a"b', "a\\b", "a\0b", "a\rb", "é")


def document(where="resources", **changes):
    found = {"machine": MACHINE, "resources": RESOURCES}
    return found | {where: found[where] | changes}


def test_one_machine():
    found = profile.read(document())[""]
    assert (found.batch_type, found.cores, found.is_remote) == ("Slurm", 8, True)
    assert found.resources["queue_name"] == "gpu,long"
    assert found.resources["group_size"] == 1
    assert any("remote_root" in note for note in found.notes)
    assert any("group_size, para_deg: not used" in note for note in found.notes)
    assert not any("group_size" in note for note in profile.read(document(group_size=1, para_deg=1, strategy={}))[""].notes)
    assert profile.from_json(found.to_json()).to_json() == found.to_json()


def test_a_file_of_dpgen_has_three():
    one = {"command": "dp", "_comment": "a note", **document()}
    found = profile.read({"api_version": "1.0", "deepmd_version": "2.1", "train": [one], "model_devi": [one], "fp": one})
    assert list(found) == ["train", "model_devi", "fp"]
    assert any("'dp' is not used" in note for note in found["train"].notes)


@pytest.mark.parametrize(
    ("where", "name", "wrap"),
    [
        ("resources", "queue_name", str),
        ("resources", "module_list", lambda text: [text]),
        ("resources", "module_unload_list", lambda text: [text]),
        ("resources", "source_list", lambda text: [text]),
        ("resources", "prepend_script", lambda text: [text]),
        ("resources", "append_script", lambda text: [text]),
        ("resources", "custom_flags", lambda text: [text]),
        ("resources", "kwargs", lambda text: {"custom_gpu_line": text}),
        ("resources", "kwargs", lambda text: {text: "#SBATCH a"}),
        ("resources", "envs", lambda text: {"A": text}),
        ("resources", "envs", lambda text: {text: "a"}),
        ("machine", "local_root", str),
        ("machine", "remote_root", str),
        ("machine", "batch_type", str),
        ("machine", "context_type", str),
        ("machine", "remote_profile", lambda text: {"hostname": text, "username": "marie"}),
        ("machine", "remote_profile", lambda text: {"hostname": "h", "username": text}),
        ("machine", "remote_profile", lambda text: {"hostname": "h", "username": "m", "key_filename": text}),
        ("machine", "remote_profile", lambda text: {"hostname": "h", "username": "m", "proxy_command": text}),
    ],
)
def test_shell_characters_are_refused_in_every_field(where, name, wrap):
    for poison in POISON:
        with pytest.raises(ProfileRefused) as refused:
            profile.read(document(where, **{name: wrap(poison)}))
        assert any(place.startswith(f"{where}.{name}") for place in refused.value.problems)


@pytest.mark.parametrize("name", ["python", "backend"])
def test_shell_characters_are_refused_beside_machine_and_resources(name):
    for poison in POISON:
        with pytest.raises(ProfileRefused) as refused:
            profile.read(document() | {name: f"/{poison}"})
        assert set(refused.value.problems) == {name}


def test_no_text_of_a_file_is_kept_unchecked():
    """Every field of what is kept, at any depth, with a new line in it: refused, or not used. One that is added later, too."""
    kept = profile.read(EVERYTHING)[""].to_json()
    paths = list(_paths(kept))
    assert len(paths) > 20
    passed = {path[-1] for path in paths if _is_kept(_with(kept, path, "x\ntouch y"))}
    assert passed == set()


def _is_kept(document):
    try:
        return "touch y" in json.dumps(profile.from_json(document).to_json())
    except ProfileRefused:
        return False


EVERYTHING = {
    "machine": MACHINE | {"remote_profile": MACHINE["remote_profile"] | {"key_filename": "/k", "proxy_command": "p", "timeout": 5,
                                                                         "look_for_keys": True}},
    "resources": RESOURCES | {"module_unload_list": ["m"], "prepend_script": ["p"], "append_script": ["a"], "module_purge": True,
                              "kwargs": {"custom_gpu_line": "#SBATCH --gres=gpu:1"}},
    "python": "/opt/bin/python",
    "backend": "pytorch",
}  # fmt: skip


def _paths(value, path=()):
    """Paths to everything below a document that is no mapping and no list."""
    parts = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else None
    if parts is None:
        yield path
    else:
        for key, part in parts:
            yield from _paths(part, (*path, key))


def _with(value, path, text):
    if not path:
        return text
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[path[0]] = _with(value[path[0]], path[1:], text)
    return copy


def test_the_backend_that_trains_is_tensorflow_where_nothing_is_said():
    assert profile.read(document())[""].backend is TENSORFLOW
    assert profile.read(document() | {"backend": "pytorch"})[""].backend is PYTORCH
    assert profile.read(document(), backend="pytorch")[""].to_json()["backend"] == "pytorch"


@pytest.mark.parametrize("poison", ["#SBATCH -t 5\ntouch x", "touch x", "#SBATCH $(touch x)", "#SBATCH -t 5; touch x", "# SBATCH -t 5"])
def test_a_flag_is_one_line_for_the_queue(poison):
    with pytest.raises(ProfileRefused):
        profile.read(document(custom_flags=[poison]))
    with pytest.raises(ProfileRefused):
        profile.read(document(kwargs={"custom_gpu_line": poison}))


@pytest.mark.parametrize(
    "flag",
    [
        "#SBATCH -d singleton",
        "#SBATCH -A proj -J dpgen",
        "#SBATCH --ntasks=4 --array=0-3",
        "#SBATCH -Jdpgen",
        "#SBATCH -HJ dpgen",
        "#SBATCH --job=dpgen",
        "#SBATCH --mem=4G '--dep'=afterok:5",
        "#SBATCH --comment='unbalanced",
        "#PBS -q long -N mine",
        "#PBS -J 0-3",
        "#BSUB -q long -J 'mine[1-4]'",
    ],
)
def test_neither_name_nor_array_nor_dependency_wherever_it_stands(flag):
    with pytest.raises(ProfileRefused, match="so that none runs twice"):
        profile.read(document(custom_flags=[flag]))


def test_a_resource_that_was_kept_by_an_earlier_release_still_counts():
    kept = document(custom_flags=["#SBATCH -A proj -J dpgen"]) | {"python": "/opt/bin/python", "backend": "tensorflow"}
    assert profile.from_json(kept).resources["custom_flags"] == ["#SBATCH -A proj -J dpgen"]


def test_flags_of_other_queues_pass():
    flags = ["#BSUB -R 'span[ptile=8]'", "#PBS -l walltime=24:00:00", "#SBATCH --gres=gpu:a100:1", "#BSUB -Jd 'what it is'",
             "#SBATCH -p debug --distribution=block --account=jda -t 5", "#SBATCH --comment='a -J b'"]  # fmt: skip
    assert profile.read(document(custom_flags=flags))[""].resources["custom_flags"] == flags


@pytest.mark.parametrize(
    ("where", "changes", "place", "words"),
    [
        ("resources", {"custom_flags": ["#SBATCH --job-name=mine"]}, "resources.custom_flags", "leave this option out"),
        (
            "resources",
            {"kwargs": {"custom_gpu_line": "#SBATCH --gres=gpu:1 --job-name=x"}},
            "resources.kwargs.custom_gpu_line",
            "leave this",
        ),
        ("resources", {"number_node": 2}, "resources.number_node", "one node"),
        ("resources", {"cpu_per_node": 0}, "resources.cpu_per_node", "between 1"),
        ("resources", {"cpu_per_node": "8"}, "resources.cpu_per_node", "whole number"),
        ("resources", {"queue": "gpu"}, "resources.queue", "not known"),
        ("resources", {"strategy": {"customized_script_header_template_file": "x"}}, "resources.strategy", "not supported"),
        ("machine", {"batch_type": "Kubernetes"}, "machine.batch_type", "Slurm"),
        ("machine", {"context_type": "HDFSContext"}, "machine.context_type", "share"),
        ("machine", {"remote_profile": {"hostname": "h"}}, "machine.remote_profile", "username"),
        ("machine", {"remote_profile": {"hostname": "h", "username": "m", "password": "tiger"}}, "machine.remote_profile", "key file"),
    ],
)
def test_what_cannot_be_used_is_said_at_its_place(where, changes, place, words):
    with pytest.raises(ProfileRefused) as refused:
        profile.read(document(where, **changes))
    assert words in refused.value.problems[place]
    assert "tiger" not in str(refused.value)


@pytest.mark.parametrize("nonsense", [None, [], {}, {"machine": {}}, {"machine": 1, "resources": {}}, {"train": []}, {"train": [1]}])
def test_other_files_are_refused(nonsense):
    with pytest.raises(ProfileRefused):
        profile.read(nonsense)


def test_the_old_format_of_dpgen_is_named():
    with pytest.raises(ProfileRefused, match=r"before 0\.10"):
        profile.read({"train": [{"machine": {"machine_type": "slurm"}, "resources": {}}]})


@pytest.mark.parametrize("python", ["python", "/bin/sh -c x;y", "/opt/$HOME/python"])
def test_python_is_a_full_path(python):
    with pytest.raises(ProfileRefused) as refused:
        profile.read(document(), python)
    assert "python" in refused.value.problems
