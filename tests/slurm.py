"""A whole Slurm on this machine for the tests of clusters: no root, no munge, ports of its own, gone with the tests."""

import getpass
import os
import shutil
import socket
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

PROGRAMS = ("slurmctld", "slurmd", "sbatch", "squeue", "scancel", "scontrol")
SYSTEM = "/usr/sbin:/usr/local/sbin"
CORES = 4
MACHINE = {"batch_type": "Slurm", "context_type": "LocalContext", "local_root": "./"}
CONF = """ClusterName=tests
SlurmctldHost={host}(127.0.0.1)
AuthType=auth/none
CredType=cred/none
SlurmUser={user}
SlurmdUser={user}
SlurmctldPort={ctld_port}
SlurmdPort={d_port}
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmdParameters=config_overrides
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/none
JobCompType=jobcomp/none
MpiDefault=none
ReturnToService=2
SchedulerType=sched/backfill
SchedulerParameters=sched_min_interval=100000,batch_sched_delay=0
MinJobAge=300
OverTimeLimit=0
KillWait=1
MessageTimeout=2
InactiveLimit=0
NodeName={host} NodeAddr=127.0.0.1 CPUs={cores} State=UNKNOWN
PartitionName=debug Nodes={host} Default=YES MaxTime=INFINITE State=UP
PartitionName=closed Nodes={host} MaxTime=INFINITE State=DOWN
"""


@dataclass
class Slurm:
    folder: Path

    @property
    def conf(self) -> str:
        return str(self.folder / "slurm.conf")

    def command(self, *argv: str) -> str:
        done = subprocess.run(argv, env=os.environ | {"SLURM_CONF": self.conf}, capture_output=True, text=True, timeout=60)
        return done.stdout.strip()

    def start(self, daemon: str) -> None:
        subprocess.run([shutil.which(daemon, path=_path())], env=os.environ | {"SLURM_CONF": self.conf}, check=True, capture_output=True)

    def stop(self, daemon: str) -> None:
        """By the process number that it wrote down itself."""
        path = self.folder / f"{daemon}.pid"
        if path.exists():
            process = int(path.read_text())
            os.kill(process, 15)
            _until(lambda: not Path(f"/proc/{process}").exists())

    def wait_idle(self) -> None:
        _until(lambda: self.command("sinfo", "-h", "-p", "debug", "-o", "%t") == "idle")

    def jobs(self, name: str = "") -> list[str]:
        """Ids of the jobs that wait or run."""
        return self.command("squeue", "-h", "-o", "%i", *(["-n", name] if name else [])).split()


def _path() -> str:
    return f"{os.environ['PATH']}:{SYSTEM}"


def _until(condition, limit_s: float = 20.0) -> None:
    deadline = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < deadline, "Slurm does not come up"
        time.sleep(0.1)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture(scope="session")
def slurm_installation(tmp_path_factory):
    missing = [name for name in PROGRAMS if not shutil.which(name, path=_path())]
    if missing:
        pytest.skip(f"no {', '.join(missing)}: apt-get install slurm-wlm")
    slurm = Slurm(tmp_path_factory.mktemp("slurm"))
    for name in ("state", "spool"):
        (slurm.folder / name).mkdir()
    host = socket.gethostname().split(".")[0]
    text = CONF.format(
        host=host, user=getpass.getuser(), folder=slurm.folder, ctld_port=_free_port(), d_port=_free_port(), cores=CORES
    )  # fmt: skip
    Path(slurm.conf).write_text(text)
    slurm.start("slurmctld")
    slurm.start("slurmd")
    try:
        slurm.wait_idle()
        yield slurm
    finally:
        slurm.command("scancel", "-u", getpass.getuser())
        slurm.stop("slurmd")
        slurm.stop("slurmctld")


@pytest.fixture
def login_node(tmp_path):
    """This machine over SSH, as `remote_profile` has it: a server on a port of its own that lets one key in."""
    server = shutil.which("sshd", path=_path())
    if not server:
        pytest.skip("no sshd: apt-get install openssh-server")
    for name in ("host", "key"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(tmp_path / name)], check=True)
    if os.getuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)
    port = _free_port()
    settings = {
        "Port": port,
        "ListenAddress": "127.0.0.1",
        "HostKey": tmp_path / "host",
        "AuthorizedKeysFile": tmp_path / "key.pub",
        "StrictModes": "no",
        "PidFile": "none",
        "PermitRootLogin": "yes",
        "Subsystem": "sftp internal-sftp",
    }
    (tmp_path / "sshd_config").write_text("".join(f"{name} {value}\n" for name, value in settings.items()))
    with subprocess.Popen([server, "-D", "-f", str(tmp_path / "sshd_config")]) as process:
        try:
            _until(lambda: _listens(port))
            yield {
                "hostname": "127.0.0.1",
                "port": port,
                "username": getpass.getuser(),
                "key_filename": str(tmp_path / "key"),
                "timeout": 5,
            }
        finally:
            process.terminate()


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture
def slurm(slurm_installation, monkeypatch):
    """The cluster, with its commands known to what the test starts, and no job of another test in it."""
    monkeypatch.setenv("SLURM_CONF", slurm_installation.conf)
    yield slurm_installation
    slurm_installation.command("scancel", "-u", getpass.getuser())
    slurm_installation.wait_idle()


def document(*flags, cores=1, queue="debug"):
    """Of a machine.json: a resource on this Slurm."""
    return {"machine": MACHINE, "resources": {"cpu_per_node": cores, "queue_name": queue, "group_size": 1, "custom_flags": list(flags)}}
