import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import psutil
import psycopg
import pytest
from redis import Redis

from workers.supervisor.embedded import (
    SERVER_ENV,
    EmbeddedServerError,
    Postgres,
    Valkey,
    make_private_directory,
)
from workers.supervisor.spawn import (
    OURSELVES,
    Identity,
    choose_identity,
    has_user_namespaces,
    spawn,
)
from workers.supervisor.tests.conftest import ends

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def identity() -> Identity:
    return choose_identity(os.geteuid(), has_namespaces=has_user_namespaces)


@pytest.fixture
def postgres(tmp_path_factory: pytest.TempPathFactory, identity: Identity) -> Postgres:
    base = tmp_path_factory.mktemp("pg")
    make_private_directory(base / "run", identity)
    return Postgres(data_dir=base / "data", run_dir=base / "run", identity=identity, durable=False)


@pytest.fixture
def started() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def start(server: Postgres | Valkey, stack: ExitStack) -> "subprocess.Popen[bytes]":
    server.prepare()
    child = spawn(
        server.argv,
        env=SERVER_ENV,
        identity=server.identity if isinstance(server, Postgres) else OURSELVES,
        death_signal=server.stop_signal,
    )
    stack.callback(child.wait)
    stack.callback(child.send_signal, server.stop_signal)
    deadline = time.monotonic() + 10
    while not server.is_ready():
        assert child.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.005)
    return child


def test_postgres_starts_again_after_a_kill_with_what_was_committed(
    postgres: Postgres, started: ExitStack
) -> None:
    postgres = replace(postgres, durable=True)
    killed = start(postgres, started)
    address = f"host={postgres.run_dir} user=aristobot dbname=aristobot"
    with psycopg.connect(address, autocommit=True) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 'Gr\u00fcn' AS word")
    killed.kill()
    killed.wait()

    start(postgres, started)

    with psycopg.connect(address) as connection:
        assert connection.execute("SELECT upper(word) FROM kept").fetchone() == ("GR\u00dcN",)


def test_postgres_is_private_and_its_files_stay_ours(
    postgres: Postgres, started: ExitStack
) -> None:
    child = start(postgres, started)

    assert stat.S_IMODE(postgres.data_dir.stat().st_mode) == 0o700
    assert stat.S_IMODE((postgres.run_dir / ".s.PGSQL.5432").stat().st_mode) == 0o700
    assert psutil.Process(child.pid).net_connections("tcp") == []


def test_a_server_that_was_left_running_is_stopped_first(
    postgres: Postgres, started: ExitStack
) -> None:
    left = start(postgres, started)

    start(postgres, started)

    assert left.wait(timeout=5) == 0


def test_a_pid_file_of_another_process_does_not_prevent_the_start(
    postgres: Postgres, started: ExitStack
) -> None:
    postgres.prepare()
    (postgres.data_dir / "postmaster.pid").write_text(f"{os.getpid()}\n{postgres.data_dir}\n")

    start(postgres, started)


def test_half_a_database_is_made_anew(postgres: Postgres, started: ExitStack) -> None:
    unfinished = postgres.data_dir.with_name("data.unfinished")
    unfinished.mkdir()
    (unfinished / "PG_VERSION").write_text("18\n")

    start(postgres, started)

    assert not unfinished.exists()


def test_valkey_keeps_its_messages_over_a_kill(tmp_path: Path, started: ExitStack) -> None:
    run_dir = tmp_path / "run"
    run_dir.mkdir(mode=0o700)
    valkey = Valkey(data_dir=tmp_path / "data", socket=run_dir / "valkey.sock")
    killed = start(valkey, started)
    with Redis(unix_socket_path=str(valkey.socket)) as client:
        client.lpush("orders", "message")
    killed.kill()
    killed.wait()

    start(valkey, started)

    with Redis(unix_socket_path=str(valkey.socket)) as client:
        assert client.llen("orders") == 1


def test_a_directory_of_somebody_else_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)

    with pytest.raises(EmbeddedServerError, match="belongs to somebody else"):
        make_private_directory(tmp_path, OURSELVES)


def test_who_is_not_root_runs_postgres_directly() -> None:
    assert choose_identity(1000, has_namespaces=pytest.fail) == OURSELVES


def test_root_runs_postgres_in_a_user_namespace() -> None:
    assert choose_identity(0, has_namespaces=lambda: True) == Identity(in_namespace=True)


def test_root_without_namespaces_runs_postgres_as_an_unprivileged_user() -> None:
    identity = choose_identity(0, has_namespaces=lambda: False)

    assert identity.uid not in {0, None}
    assert identity.gid not in {0, None}


@pytest.mark.skipif(
    sys.platform != "linux", reason="only Linux tells a child of its parent's death"
)
def test_a_child_ends_with_its_supervisor() -> None:
    code = (
        "import sys\nfrom workers.supervisor.spawn import spawn\n"
        "child = spawn([sys.executable, '-S', '-c', 'import time; time.sleep(60)'], env={})\n"
        "print(child.pid, flush=True)\nchild.wait()"
    )
    supervisor = subprocess.Popen(
        [sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    with supervisor:
        assert supervisor.stdout is not None
        pid = int(supervisor.stdout.readline())

        supervisor.send_signal(signal.SIGKILL)

        assert ends(pid)
