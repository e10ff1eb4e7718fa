"""`manage.py test`: pytest on servers that exist for this run alone, also while `up` is running."""

import os
import signal
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from workers.supervisor.embedded import (
    SERVER_ENV,
    EmbeddedServerError,
    Postgres,
    Valkey,
    make_private_directory,
)
from workers.supervisor.environment import make_secrets
from workers.supervisor.spawn import (
    OURSELVES,
    Identity,
    NoUnprivilegedUser,
    choose_identity,
    has_user_namespaces,
    spawn,
)

START_SECONDS = 20


def run_tests(arguments: Sequence[str]) -> int:
    """Run pytest; returns its exit code. A DATABASE_URL or REDIS_URL that is set is used instead."""
    try:
        import pytest  # noqa: PLC0415  its absence is explained, not raised
    except ImportError:
        raise SystemExit(
            "pytest is not installed here: run `python3 manage.py test` outside of any virtual"
            " environment, or install requirements-dev.txt into this one."
        ) from None
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with throw_away_installation():
            return int(pytest.main(list(arguments)))
    except (EmbeddedServerError, NoUnprivilegedUser) as error:
        raise SystemExit(str(error)) from None


@contextmanager
def throw_away_installation() -> Iterator[None]:
    """Secrets, directories and servers for this run alone, in the environment that settings read."""
    with ExitStack() as stack:
        base = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="aristobot-test-")))
        os.environ |= make_secrets()
        os.environ |= {"ARISTOBOT_VAR": str(base / "var"), "ARISTOBOT_RUN": str(base / "run")}
        identity = choose_identity(os.geteuid(), has_namespaces=has_user_namespaces)
        if identity.uid is not None:
            base.chmod(0o711)  # PostgreSQL, as somebody else, has to pass through
        make_private_directory(base / "run", identity)
        if not os.environ.get("DATABASE_URL"):
            postgres = Postgres(
                data_dir=base / "postgres", run_dir=base / "run", identity=identity, durable=False
            )
            stack.enter_context(running(postgres, identity))
        if not os.environ.get("REDIS_URL"):
            valkey = Valkey(data_dir=base / "valkey", socket=base / "run" / "valkey.sock")
            stack.enter_context(running(valkey, OURSELVES))
        yield


@contextmanager
def running(server: Postgres | Valkey, identity: Identity) -> Iterator[None]:
    """Run `server` in the background until the block ends."""
    server.prepare()
    with tempfile.TemporaryFile() as output:
        child = spawn(
            server.argv,
            env=SERVER_ENV,
            output=output,
            identity=identity,
            death_signal=server.stop_signal,
        )
        try:
            deadline = time.monotonic() + START_SECONDS
            while not server.is_ready():
                if child.poll() is not None or time.monotonic() > deadline:
                    output.seek(0)
                    raise EmbeddedServerError(output.read().decode(errors="replace").strip())
                time.sleep(0.01)
            yield
        finally:
            child.send_signal(server.stop_signal)
            child.wait()
