"""The process table: everything that `up` runs on one machine."""

import hashlib
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

from django.conf import settings

from apps.core.venues import paper_speed
from workers.sandbox import zygote_command
from workers.supervisor.broker import restore_unacknowledged
from workers.supervisor.embedded import SERVER_ENV, Postgres, Valkey
from workers.supervisor.leftovers import MARK
from workers.supervisor.process import ProcessSpec, Stage
from workers.supervisor.readiness import accepts_tcp, accepts_unix, answers_http, shows_life

PYTHON = (sys.executable, "-m")
CELERY = (*PYTHON, "celery", "-q", "-A", "aristobot")
MANAGE = (sys.executable, "manage.py")
ROOT_WARNING = "ignore:You're running the worker with superuser"


@dataclass(frozen=True, slots=True)
class WorkerGroup:
    """A Celery worker: its queues, and how many tasks it runs side by side."""

    name: str
    queues: tuple[str, ...]
    concurrency: int


WORKER_GROUPS = (
    WorkerGroup("orders", ("orders", "webhooks"), 2),
    WorkerGroup("monitor", ("monitor", "market_data", "maintenance"), 2),
    WorkerGroup("strategies", ("strategies",), 1),
    WorkerGroup("downloads", ("downloads",), 2),
    WorkerGroup("backtests", ("backtests",), 1),
)


def processes() -> list[ProcessSpec]:
    """All of them but the embedded servers, in the order in which they start."""
    host, web, webhook = settings.BIND_HOST, str(settings.WEB_PORT), str(settings.WEBHOOK_PORT)
    asked = "127.0.0.1" if host in {"0.0.0.0", "::"} else host  # noqa: S104  compared, not bound
    flower = urlsplit(settings.FLOWER_URL)
    # fmt: off
    return [
        _sandbox("sandbox", settings.SANDBOX_SOCKET, "live"),
        _sandbox("backtest sandbox", settings.BACKTEST_SOCKET, "backtest"),
        *(_paper_exchange(name, url) for name, url in settings.PAPER_EXCHANGE_URLS.items()),
        *(_worker(group) for group in WORKER_GROUPS),
        _process(
            "web", Stage.DOORS,
            [*PYTHON, "uvicorn", "aristobot.asgi:application", "--host", host, "--port", web,
             "--lifespan", "off", "--no-access-log", "--log-level", "warning",
             "--timeout-graceful-shutdown", "2"],
            partial(answers_http, f"http://{asked}:{web}/healthz"),
        ),
        _process(
            "webhook", Stage.DOORS,
            [*PYTHON, "gunicorn", "aristobot.wsgi:application", "--bind", f"{host}:{webhook}",
             "--workers", "2", "--preload", "--graceful-timeout", "20", "--log-level", "warning",
             "--no-control-socket"],
            partial(answers_http, f"http://{asked}:{webhook}/healthz"),
        ),
        _process(
            "heartbeat", Stage.DOORS, [*MANAGE, "heartbeat"], partial(shows_life, "heartbeat"),
        ),
        _process("streams", Stage.DOORS, [*MANAGE, "streams"], partial(shows_life, "streams")),
        _process(
            "beat", Stage.DOORS, [*CELERY, "beat", "-l", "warning", "--pidfile="],
            partial(shows_life, "beat"),
        ),
        _process(
            "flower", Stage.DOORS,
            [*PYTHON, "celery", "-q", "flower", f"--address={flower.hostname}",
             f"--port={flower.port}", "--url_prefix=flower", "--logging=error"],
            partial(accepts_tcp, flower.hostname or "", flower.port or 80),
            # It watches the broker and needs neither our code nor our secrets.
            env=_flower_environment(),
        ),
    ]
    # fmt: on


def postgres_process(server: Postgres) -> ProcessSpec:
    """The embedded PostgreSQL."""
    return ProcessSpec(
        name="postgres",
        argv=server.argv,
        env=SERVER_ENV,
        is_ready=server.is_ready,
        stage=Stage.SERVERS,
        look_at=f"its lines above and {server.data_dir}",
        before_start=server.prepare,
        stop_signal=server.stop_signal,
        must_start=True,
        identity=server.identity,
    )


def valkey_process(server: Valkey) -> ProcessSpec:
    """The embedded Valkey."""
    return ProcessSpec(
        name="valkey",
        argv=server.argv,
        env=SERVER_ENV,
        is_ready=server.is_ready,
        stage=Stage.SERVERS,
        look_at=str(server.log),
        must_start=True,
        before_start=server.prepare,
    )


def paper_state_file(exchange: str, market: str) -> Path:
    """Where a paper exchange keeps its balances: one file per kind of prices, which never mix."""
    kind, _, details = market.partition(":")
    suffix = f"-{hashlib.sha256(details.encode()).hexdigest()[:8]}" if details else ""
    return Path(settings.VAR_DIR) / "paper" / f"{exchange}-{kind}{suffix}.jsonl"


def _process(
    name: str,
    stage: Stage,
    argv: list[str],
    is_ready: Callable[[], bool],
    *,
    env: Mapping[str, str] | None = None,
    must_start: bool = False,
) -> ProcessSpec:
    return ProcessSpec(
        name=name,
        argv=argv,
        env=child_environment() if env is None else env,
        is_ready=is_ready,
        stage=stage,
        look_at="its lines above",
        must_start=must_start,
    )


def _sandbox(name: str, path: str, profile: str) -> ProcessSpec:
    # Strategies' code runs in it: nothing of this installation is in its environment.
    argv = zygote_command(path, profile)
    return _process(name, Stage.OUTSIDE, argv, partial(accepts_unix, path), env={})


def _paper_exchange(exchange: str, url: str) -> ProcessSpec:
    market = settings.PAPER_MARKET
    # fmt: off
    argv = [
        *PYTHON, "workers.paper_exchange", "--exchange", exchange, "--port", str(urlsplit(url).port),
        "--market", market, "--speed", str(paper_speed()), "--state", str(paper_state_file(exchange, market)),
    ]
    # fmt: on
    is_ready = partial(answers_http, f"{url}/paper/state")
    return _process(f"paper {exchange}", Stage.OUTSIDE, argv, is_ready, must_start=True)


def _worker(group: WorkerGroup) -> ProcessSpec:
    # fmt: off
    argv = [
        *CELERY, "worker", "-l", "warning", "-n", f"{group.name}@%h", "-Q", ",".join(group.queues),
        "-c", str(group.concurrency), "--without-mingle", "--without-gossip",
    ]
    # fmt: on
    spec = _process(group.name, Stage.WORKERS, argv, partial(shows_life, f"worker {group.name}"))
    if not settings.EMBEDDED_VALKEY:
        return spec  # workers on other machines may hold messages of these queues
    return replace(spec, before_start=partial(restore_unacknowledged, group.queues))


def _flower_environment() -> dict[str, str]:
    environment = child_environment()
    for name in (
        "DJANGO_SETTINGS_MODULE",
        "SECRET_KEY",
        "ARISTOBOT_ENCRYPTION_KEYS",
        "DATABASE_URL",
    ):
        environment.pop(name, None)
    return environment | {"CELERY_BROKER_URL": settings.CELERY_BROKER_URL}


def child_environment() -> dict[str, str]:
    """What every process but the sandbox and the servers inherits."""
    environment = dict(os.environ)
    # Compiled once, every later start is faster.
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    # Celery's advice against root is for workers that unpickle; ours take JSON.
    warnings = [*environment.get("PYTHONWARNINGS", "").split(","), ROOT_WARNING]
    return environment | {
        "PYTHONUNBUFFERED": "1",
        "PYTHONWARNINGS": ",".join(filter(None, warnings)),
        MARK: str(settings.VAR_DIR),
    }
