"""Mutated CIFs and data sets, read as the bounded children read them: the same commands under the same limits, in forks of one process.

A fresh Python for each of thousands would spend its time on imports.
"""

import os
import resource
import select
import signal
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from pathlib import Path

# Imported here, so that the forks need not: what the commands import when they begin.
import dpdata  # noqa: F401
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from campaigns.engines import bounded, upload, upload_formats  # noqa: F401
from campaigns.engines import read_cif as read_cif_command
from campaigns.science import structures  # noqa: F401

WORDS = r"""nan inf -1 0 1e999 9**9**9 ? . data_ ' " _atom_site_occupancy x,y,z -x,1/0,z Fm-3m 999999999999999999 1(2) Li Xx D # ../
Lattice=" Properties="""
TOKENS = (*(word.encode() for word in WORDS.split()), b"loop_\n", b"\x00", b"\xff\xfe", b"\n;\n", b"\r", b"  ")

mutation = st.one_of(
    st.tuples(st.just("cut"), st.floats(0, 1), st.integers(1, 200)),
    st.tuples(st.just("repeat"), st.floats(0, 1), st.integers(1, 400)),
    st.tuples(st.just("insert"), st.floats(0, 1), st.sampled_from(TOKENS)),
    st.tuples(st.just("number"), st.floats(0, 1), st.sampled_from(TOKENS)),
    st.tuples(st.just("byte"), st.floats(0, 1), st.integers(0, 255)),
    st.tuples(st.just("truncate"), st.floats(0, 1), st.just(0)),
    st.tuples(st.just("lines"), st.floats(0, 1), st.floats(0, 1)),
)


def mutated(content, changes):
    for kind, where, what in changes:
        at = int(where * len(content))
        if kind == "cut":
            content = content[:at] + content[at + what :]
        elif kind == "repeat":
            content = content[:at] + content[at : at + what] * 2 + content[at + what :]
        elif kind == "insert":
            content = content[:at] + what + content[at:]
        elif kind == "number":
            content = _other_number(content, at, what)
        elif kind == "byte":
            content = content[:at] + bytes([what]) + content[at + 1 :]
        elif kind == "truncate":
            content = content[:at]
        else:
            lines = content.split(b"\n")
            one, other = int(where * (len(lines) - 1)), int(what * (len(lines) - 1))
            lines[one], lines[other] = lines[other], lines[one]
            content = b"\n".join(lines)
    return content


def _other_number(content, at, token):
    """The next word that begins with a digit becomes something else."""
    start = next((i for i in range(at, len(content)) if content[i : i + 1].isdigit() and content[i - 1 : i].isspace()), None)
    if start is None:
        return content
    end = next((i for i in range(start, len(content)) if content[i : i + 1].isspace()), len(content))
    return content[:start] + token + content[end:]


class Fork:
    """How one input ended: accepted, refused (with a sentence), unforeseen (a traceback), or over a limit; and what it left."""

    def __init__(self, command, stdin, timeout_s):
        self.began = time.monotonic()
        with tempfile.TemporaryDirectory() as name:
            scratch = Path(name) / "scratch"
            scratch.mkdir()
            files = [(Path(name) / word).open("w+b") for word in ("in", "out", "err")]
            files[0].write(stdin)
            files[0].seek(0)
            pid = os.fork()
            if pid == 0:
                self._be_the_child(command, files, scratch, timeout_s)
            status = _wait(pid, timeout_s)
            self.seconds = time.monotonic() - self.began
            texts = []
            for file in files[1:]:
                file.seek(0)
                texts.append(file.read().decode("utf-8", "replace"))
            for file in files:
                file.close()
            self.out, self.err = texts
            self.left = [str(path.relative_to(scratch)) for path in scratch.rglob("*")]
        self.ending = "timeout" if status is None else _name(os.waitstatus_to_exitcode(status))

    def _be_the_child(self, command, files, scratch, timeout_s):
        try:
            for number, file in enumerate(files):
                os.dup2(file.fileno(), number)
            os.chdir(scratch)
            os.environ["TMPDIR"] = str(scratch)
            tempfile.tempdir = None
            warnings.simplefilter("default")  # as in a Python of its own; pytest would make errors of them
            for limit, value in (
                (resource.RLIMIT_CPU, int(timeout_s) + 1), (resource.RLIMIT_AS, bounded.MEMORY_LIMIT_BYTES),
                (resource.RLIMIT_FSIZE, bounded.FILE_LIMIT_BYTES), (resource.RLIMIT_CORE, 0),
            ):  # fmt: skip
                resource.setrlimit(limit, (value, value))
            sys.stdin, sys.stdout, sys.stderr = os.fdopen(0), os.fdopen(1, "w"), os.fdopen(2, "w")
            status = command()
            sys.stdout.flush()
        except BaseException:
            traceback.print_exc()
            sys.stderr.flush()
            status = 1
        os._exit(status)


def _wait(pid, timeout_s):
    handle = os.pidfd_open(pid)
    try:
        ready, _, _ = select.select([handle], [], [], timeout_s)
        if not ready:
            os.kill(pid, signal.SIGKILL)
        status = os.waitpid(pid, 0)[1]
        return status if ready else None
    finally:
        os.close(handle)


def _name(status):
    return {0: "accepted", 3: "refused", 1: "unforeseen"}.get(status, "over a limit")


def play(seeds, command_of, n_examples, timeout_s):
    """Counter of endings, the unforeseen ones' last lines, what was left behind, and the longest seconds."""
    endings, unforeseen, left, longest = Counter(), Counter(), [], [0.0]

    @settings(max_examples=n_examples, derandomize=True, database=None, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.sampled_from(seeds), st.lists(mutation, min_size=1, max_size=6))
    def one(seed, changes):
        fork = Fork(*command_of(seed[0], mutated(seed[1], changes)), timeout_s)
        endings[fork.ending] += 1
        longest[0] = max(longest[0], fork.seconds)
        left.extend(fork.left)
        if fork.ending not in ("accepted", "refused"):
            unforeseen[(fork.ending, (fork.err.strip().splitlines() or [""])[-1][:200])] += 1
        elif fork.ending == "refused":
            assert fork.out.strip(), "refused without a sentence"

    one()
    return endings, unforeseen, left, longest[0]


# --- what is fuzzed ---


def cif_seeds():
    root = Path(__file__).resolve().parents[1]
    found = [*sorted((root / "campaigns/examples/cifs").glob("*.cif")), *sorted((root / "tests/data/cifs").glob("*.cif"))]
    return [(path.name, path.read_bytes()) for path in found if path.stat().st_size < 20_000]


def read_cif(name, content):
    """(command, stdin) as the service runs it: what is no text is refused before a child starts."""
    try:
        text = read_cif_command.decode(content)
    except read_cif_command.CifRejected as error:
        sentence = str(error)
        return (lambda: print(sentence) or 3), b""
    return read_cif_command._command, text.encode()


def data_set_seeds(folder):
    """Small sets in every family of formats; archives unpacked by nobody but the reader."""
    import io
    import tarfile

    import numpy as np

    rng = np.random.default_rng(1)
    frames, positions = 3, rng.uniform(0, 6, (1, 4, 3)) + 0.05 * rng.normal(size=(3, 4, 3))
    symbols = ["Li", "Li", "Li", "N"]
    xyz = "".join(
        f'4\nLattice="6 0 0 0 6 0 0 0 6" Properties=species:S:1:pos:R:3:forces:R:3 energy={-20 + 0.1 * f} stress="{"0 " * 9}" pbc="T T T"\n'
        + "".join(
            f"{s} {x:.6f} {y:.6f} {z:.6f} 0.1 -0.2 {0.01 * i}\n" for i, (s, (x, y, z)) in enumerate(zip(symbols, positions[f], strict=True))
        )
        for f in range(frames)
    ).encode()
    arrays = {"coord": positions.reshape(frames, -1), "box": np.tile(6 * np.eye(3).ravel(), (frames, 1)), "energy": np.full(frames, -20.0),
              "force": rng.normal(size=(frames, 12)), "virial": np.zeros((frames, 9))}  # fmt: skip
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        members = {"set/type.raw": b"0\n0\n0\n1\n", "set/type_map.raw": b"Li\nN\n"}
        for name, array in arrays.items():
            stream = io.BytesIO()
            np.save(stream, array)
            members[f"set/set.000/{name}.npy"] = stream.getvalue()
        for name, content in members.items():
            facts = tarfile.TarInfo(name)
            facts.size = len(content)
            archive.addfile(facts, io.BytesIO(content))
    return [("set.extxyz", xyz), ("set.tar", packed.getvalue())]


def read_data_set(folder):
    def command_of(name, content):
        path = folder / name
        path.write_bytes(content)
        return (lambda: upload._command([str(path), "auto", "Li", "N"])), b""

    return command_of
