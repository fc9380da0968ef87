"""A cluster resource as DP-GEN users write it down: `machine` and `resources` of dpdispatcher, read and checked.

What stands in these files ends in a job script. Every string is checked against a list of harmless characters, so that no line,
command or variable can be added to the script by what looks like the name of a queue.
"""

import re
import shlex
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from campaigns.engines.backends import BACKENDS, DEFAULT, Backend

SECTIONS = ("train", "model_devi", "fp")  # of DP-GEN's machine.json
BATCH_TYPES = {name.lower(): name for name in ("Slurm", "PBS", "Torque", "LSF", "Shell")}
CONTEXTS = {
    spelling: name
    for name in ("LocalContext", "LazyLocalContext", "SSHContext")
    for spelling in (name.lower(), name.lower().removesuffix("context"))
}
MAX_LENGTH = 400
MAX_CORES = 4096
NAME = re.compile(r"[A-Za-z0-9_.:@,-]*")
TEXT = re.compile(r"[A-Za-z0-9_.:/=+ @%,-]*")
FLAG = re.compile(r"#(SBATCH|PBS|BSUB) [A-Za-z0-9_.:/=+ @%,\"'\[\]-]*")  # a comment for the shell: only a new line could do harm
VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
# Name, array and dependency: with their value attached, behind options without a value, and shortened, as each queue reads them.
OURS = {
    "#SBATCH": re.compile(r"-[HIOQWhksv]*[Jad]|--(j|ar|dep)"),
    "#PBS": re.compile(r"-[IVXfhxz]*[NJt]"),
    "#BSUB": re.compile(r"-J(?!d$)"),  # -Jd is a description
}
SPLIT_UP = ("group_size", "para_deg", "strategy")  # of DP-GEN: how many tasks share a job and its cores
SECRETS = ("password", "passphrase", "totp_secret")


class ProfileRefused(ValueError):
    """A machine file that cannot be used. `problems`: what to correct, by the place in the file."""

    def __init__(self, problems: Mapping[str, str]) -> None:
        super().__init__("; ".join(f"{place}: {problem}" for place, problem in problems.items()))
        self.problems = dict(problems)


@dataclass(frozen=True)
class Profile:
    """A resource that passed. `machine` and `resources` hold only what is used; `cores` is what a stage may use of its node.

    `backend` is the one that trains there. It belongs to the resource, for what can train is a matter of the environment of `python`.
    """

    machine: dict[str, Any]
    resources: dict[str, Any]
    python: str
    backend: Backend
    notes: list[str] = field(default_factory=list)

    @property
    def batch_type(self) -> str:
        return self.machine["batch_type"]

    @property
    def cores(self) -> int:
        return self.resources["cpu_per_node"]

    @property
    def is_remote(self) -> bool:
        return self.machine["context_type"] == "SSHContext"

    @property
    def where(self) -> str:
        return f"at {self.machine['remote_profile']['hostname']}" if self.is_remote else "from this machine"

    def to_json(self) -> dict[str, Any]:
        return {"machine": self.machine, "resources": self.resources, "python": self.python, "backend": self.backend.name}


def read(document: Any, python: str = "", backend: str = "") -> dict[str, Profile]:
    """The resources of a file, by section: '' where it holds one `machine` with its `resources`. Raises ProfileRefused.

    `python` and `backend`, where they are given, stand above what the file says.
    """
    if not isinstance(document, dict):
        raise ProfileRefused({"file": "it must hold `machine` and `resources`, as dpdispatcher and DP-GEN have them"})
    document = _without_comments(document)
    if "machine" in document:
        return {"": read_one(document, python, backend)}
    sections = {name: document[name] for name in SECTIONS if name in document}
    if not sections:
        raise ProfileRefused({"file": f"it has neither `machine` and `resources` nor one of DP-GEN's sections {', '.join(SECTIONS)}"})
    return {name: read_one(_only(found, name), python, backend, f"{name}.") for name, found in sections.items()}


def _only(section: Any, name: str) -> Any:
    """DP-GEN has a list of one machine; a plain mapping is accepted too."""
    if isinstance(section, list):
        if len(section) != 1:
            raise ProfileRefused({name: f"it must hold one machine, not {len(section)}"})
        return section[0]
    return section


def read_one(document: Any, python: str = "", backend: str = "", where: str = "", *, is_new: bool = True) -> Profile:
    """One `{machine, resources}`. Raises ProfileRefused with every problem."""
    given = document if isinstance(document, dict) else {}
    if not all(isinstance(given.get(name), dict) for name in ("machine", "resources")):
        raise ProfileRefused({where.rstrip(".") or "file": "give `machine` and `resources`, each with keys and values"})
    if "machine_type" in given["machine"]:
        text = "this is the format of DP-GEN before 0.10: write `machine` and `resources` as dpdispatcher has them"
        raise ProfileRefused({where.rstrip(".") or "file": text})
    document = _without_comments(document)
    problems = _Problems(where)
    machine = _machine(_without_comments(document["machine"]), problems)
    resources = _resources(_without_comments(document["resources"]), problems)
    if is_new:
        _refuse_ours(resources, problems)
    python = python or document.get("python") or sys.executable
    problems.text("python", python, TEXT)
    if not str(python).startswith("/"):
        problems.add("python", "give the full path of the Python of this program's environment, as the cluster's nodes see it")
    backend = backend or document.get("backend") or DEFAULT
    if not isinstance(backend, str) or backend not in BACKENDS:
        problems.add("backend", f"it must be one of {', '.join(BACKENDS)}")
    known = {"machine", "resources", "command", "python", "backend", "user_forward_files", "user_backward_files"}
    problems.unknown("", set(document) - known)
    if problems.found:
        raise ProfileRefused(problems.found)
    command = [f"command {document['command']!r} is not used: a stage starts its programs itself"] if document.get("command") else []
    return Profile(machine, resources, python, BACKENDS[backend], command + problems.notes)


def from_json(document: Mapping[str, Any]) -> Profile:
    """A profile that was read and kept. It is checked again: what it makes is a script. One of an earlier release, which looked at the
    first option of a flag alone, still counts.
    """
    return read_one(dict(document), is_new=False)


def _without_comments(mapping: dict[str, Any]) -> dict[str, Any]:
    """Keys that begin with an underscore are comments, there as here."""
    return {key: value for key, value in mapping.items() if not str(key).startswith("_")}


class _Problems:
    def __init__(self, where: str) -> None:
        self._where = where
        self.found: dict[str, str] = {}
        self.notes: list[str] = []

    def add(self, place: str, text: str) -> None:
        self.found.setdefault(self._where + place, text)

    def unknown(self, place: str, names: set[str]) -> None:
        for name in sorted(map(str, names)):
            self.add(f"{place}{name[:40]}", "this key is not known")

    def text(self, place: str, value: Any, allowed: re.Pattern[str]) -> None:
        """Refuse what is no string, too long, or has a character that may mean something to a shell."""
        if not isinstance(value, str):
            self.add(place, f"it must be text, not {value!r}")
        elif len(value) > MAX_LENGTH:
            self.add(place, f"it is longer than {MAX_LENGTH} characters")
        elif not allowed.fullmatch(value):
            strange = next((character for character in value if not TEXT.fullmatch(character)), value[:1])
            what = "a new line" if strange in "\r\n" else f"the character {strange!r}"
            self.add(place, f"{what} is not allowed here, for it may mean something to a shell; put what needs it into a "
                            "script on the cluster and name that in source_list")  # fmt: skip

    def whole(self, place: str, value: Any, low: int, high: int) -> None:
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            self.add(place, f"it must be a whole number between {low} and {high}, not {value!r}")


def _machine(given: dict[str, Any], problems: _Problems) -> dict[str, Any]:
    batch, context = str(given.get("batch_type", "")).lower(), str(given.get("context_type", "")).lower()
    if batch not in BATCH_TYPES:
        problems.add("machine.batch_type", f"it must be one of {', '.join(BATCH_TYPES.values())}")
    if context not in CONTEXTS:
        problems.add("machine.context_type", "it must be LocalContext, or SSHContext with a folder that both machines share")
    known = {"batch_type", "context_type", "local_root", "remote_root", "remote_profile", "retry_count", "clean_asynchronously",
             "create_remote_root"}  # fmt: skip
    problems.unknown("machine.", set(given) - known)
    for name in ("local_root", "remote_root"):
        if given.get(name):
            problems.text(f"machine.{name}", given[name], TEXT)
    if given.get("remote_root"):
        problems.notes.append("local_root and remote_root are not used: a job works in the stage's own folder, which its node must see")
    found: dict[str, Any] = {"batch_type": BATCH_TYPES.get(batch, ""), "context_type": CONTEXTS.get(context, "")}
    if found["context_type"] == "SSHContext":
        found["remote_profile"] = _remote_profile(given.get("remote_profile"), problems)
    return found


def _remote_profile(given: Any, problems: _Problems) -> dict[str, Any]:
    place = "machine.remote_profile"
    if not isinstance(given, dict) or not given.get("hostname") or not given.get("username"):
        problems.add(place, "give hostname and username")
        return {}
    given = _without_comments(given)
    if any(given.get(name) for name in SECRETS):
        problems.add(place, "secrets are not kept here: sign in with a key file (key_filename) or an agent, without a password")
    for name, allowed in (("hostname", NAME), ("username", NAME), ("key_filename", TEXT), ("proxy_command", TEXT)):
        if given.get(name) is not None:
            problems.text(f"{place}.{name}", given[name], allowed)
    for name, low, high in (("port", 1, 65535), ("timeout", 1, 60)):
        if name in given:
            problems.whole(f"{place}.{name}", given[name], low, high)
    if not isinstance(given.get("look_for_keys", True), bool):
        problems.add(f"{place}.look_for_keys", f"it must be true or false, not {given['look_for_keys']!r}")
    kept = ("hostname", "username", "key_filename", "proxy_command", "port", "timeout", "look_for_keys")
    problems.unknown(f"{place}.", set(given) - {*kept, *SECRETS, "tar_compress", "archive_chunk_size"})
    return {name: given[name] for name in kept if given.get(name) is not None}


def _resources(given: dict[str, Any], problems: _Problems) -> dict[str, Any]:
    known = {"number_node", "cpu_per_node", "gpu_per_node", "queue_name", "group_size", "custom_flags", "para_deg", "strategy",
             "source_list", "module_list", "module_unload_list", "module_purge", "envs", "prepend_script", "append_script",
             "wait_time", "kwargs", "batch_type"}  # fmt: skip
    problems.unknown("resources.", set(given) - known)
    whole = {"number_node": (1, 1), "cpu_per_node": (1, MAX_CORES), "gpu_per_node": (0, 64)}
    for name, (low, high) in whole.items():
        if name == "number_node" and given.get(name, 1) != 1:
            problems.add("resources.number_node", "a stage runs on one node: give 1, and its cores as cpu_per_node")
        else:
            problems.whole(f"resources.{name}", given.get(name, low), low, high)
    problems.text("resources.queue_name", given.get("queue_name", ""), NAME)
    strategy = given.get("strategy")
    if isinstance(strategy, dict) and strategy.get("customized_script_header_template_file"):
        problems.add("resources.strategy", "a header template of one's own is not supported: use custom_flags")
    if unused := [name for name in SPLIT_UP if given.get(name, 1) not in (1, None, {})]:
        problems.notes.append(f"{', '.join(unused)}: not used, for a stage is one job, whose program takes all of its cores and GPUs")
    found: dict[str, Any] = {name: given.get(name, low) for name, (low, _) in whole.items()}
    found |= {"queue_name": given.get("queue_name", ""), "group_size": 1, "module_purge": bool(given.get("module_purge", False))}
    for name, allowed in (("source_list", TEXT), ("module_list", TEXT), ("module_unload_list", TEXT), ("prepend_script", TEXT),
                          ("append_script", TEXT), ("custom_flags", FLAG)):  # fmt: skip
        found[name] = _texts(f"resources.{name}", given.get(name, []), allowed, problems)
    found["envs"] = _envs(given.get("envs", {}), problems)
    found["kwargs"] = _kwargs(given.get("kwargs", {}), problems)
    return found


def _refuse_ours(resources: dict[str, Any], problems: _Problems) -> None:
    flags = [("custom_flags", flag) for flag in resources["custom_flags"]]
    flags += [(f"kwargs.{name}", flag) for name, flag in resources["kwargs"].items() if isinstance(flag, str)]
    for place, flag in flags:
        if _is_ours(flag):
            problems.add(f"resources.{place}", f"{flag}: jobs are named here, so that none runs twice; leave this option out")


def _is_ours(flag: str) -> bool:
    """Whether one of its options is. Quotes that do not match are the queue's to read, and nobody knows how."""
    try:
        queue, *words = shlex.split(flag)
    except ValueError:
        return True
    return queue in OURS and any(OURS[queue].match(word) for word in words)


def _texts(place: str, given: Any, allowed: re.Pattern[str], problems: _Problems) -> list[str]:
    if not isinstance(given, list):
        problems.add(place, f"it must be a list, not {given!r}")
        return []
    for text in given:
        if allowed is FLAG and isinstance(text, str) and "\n" not in text and not FLAG.match(text):
            problems.add(place, f"{text[:60]!r}: a flag begins with #SBATCH, #PBS or #BSUB")
        problems.text(place, text, allowed)
    return [text for text in given if isinstance(text, str)]


def _envs(given: Any, problems: _Problems) -> dict[str, Any]:
    return _scalars("resources.envs", given, problems, lambda place, value: problems.text(place, value, TEXT))


def _kwargs(given: Any, problems: _Problems) -> dict[str, Any]:
    return _scalars("resources.kwargs", given, problems, lambda place, value: problems.text(place, value, FLAG))


def _scalars(place: str, given: Any, problems: _Problems, check: Callable[[str, str], None]) -> dict[str, Any]:
    if not isinstance(given, dict):
        problems.add(place, f"it must be names and values, not {given!r}")
        return {}
    for name, value in given.items():
        if not VARIABLE.fullmatch(str(name)):
            problems.add(place, f"{str(name)[:40]!r} is no name of a variable")
        elif not isinstance(value, int | float):
            check(f"{place}.{name}", value)
    return dict(given)
