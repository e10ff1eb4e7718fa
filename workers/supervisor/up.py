"""`up`: checks, servers, database, processes, in this order, and then supervision."""

import io
import os
import time
from contextlib import closing
from pathlib import Path

import psutil
from django.conf import settings
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from workers.supervisor import table
from workers.supervisor.broker import forget_signs_of_life
from workers.supervisor.embedded import (
    EmbeddedServerError,
    Postgres,
    Valkey,
    make_private_directory,
)
from workers.supervisor.leftovers import (
    AlreadyRunning,
    find_processes_of,
    only_supervisor,
    stop_processes,
)
from workers.supervisor.log import Log
from workers.supervisor.preflight import (
    CanNotStart,
    check_broker,
    check_database,
    check_market,
    check_ports,
    ports,
)
from workers.supervisor.process import ProcessSpec, Stage
from workers.supervisor.spawn import NoUnprivilegedUser, choose_identity, has_user_namespaces
from workers.supervisor.supervise import CUT_AFTER_SECONDS, StartFailed, Supervisor

FAILURES = (AlreadyRunning, CanNotStart, EmbeddedServerError, NoUnprivilegedUser, StartFailed)


def run() -> None:
    """Run everything until a signal asks to stop; SystemExit with one line when it can't start."""
    log = Log()
    supervisor = Supervisor(log, settings.BASE_DIR)
    supervisor.listen_to_signals()
    try:
        check_market(settings.PAPER_MARKET, settings.PAPER_SPEED, settings.BASE_DIR)
        with only_supervisor(settings.VAR_DIR):
            _supervise(supervisor, log)
    except FAILURES as error:
        raise SystemExit(str(error)) from None


def _supervise(supervisor: Supervisor, log: Log) -> None:
    try:
        with supervisor.interruptible():
            _stop_leftovers(log)
            check_ports(ports())
        _start(supervisor, log)
        supervisor.run()
    except KeyboardInterrupt:
        pass  # asked to stop while starting
    finally:
        supervisor.stop()
    log.say("Stopped; nothing is left running.")


def _start(supervisor: Supervisor, log: Log) -> None:
    log.say("Starting ...")
    # The sandbox first: nothing of this installation is in its environment or memory.
    with supervisor.interruptible():
        servers = _server_processes()
    processes = table.processes()
    outside = [process for process in processes if process.stage is Stage.OUTSIDE]
    others = [process for process in processes if process.stage is not Stage.OUTSIDE]
    supervisor.start([*outside, *servers])
    supervisor.wait_until_ready(servers)
    with supervisor.interruptible():
        _migrate()
    # The demo asks the paper exchange for its symbols and the sandbox about its strategy.
    supervisor.wait_until_ready(outside)
    with supervisor.interruptible():
        notes = _seed()
    supervisor.start(others)
    supervisor.wait_until_ready(processes)
    if not supervisor.stop_requested:
        log.say(_welcome(time.time() - psutil.Process().create_time(), notes))


def _server_processes() -> list[ProcessSpec]:
    identity = choose_identity(
        os.geteuid() if settings.EMBEDDED_POSTGRES else -1, has_namespaces=has_user_namespaces
    )
    make_private_directory(settings.RUN_DIR, identity)
    var_dir = Path(settings.VAR_DIR)
    servers = []
    if settings.EMBEDDED_POSTGRES:
        postgres = Postgres(
            data_dir=var_dir / "postgres", run_dir=settings.POSTGRES_DIR, identity=identity
        )
        servers.append(table.postgres_process(postgres))
    else:
        check_database()
    if settings.EMBEDDED_VALKEY:
        valkey = Valkey(data_dir=var_dir / "valkey", socket=settings.VALKEY_SOCKET)
        servers.append(table.valkey_process(valkey))
    else:
        check_broker()
    return servers


def _migrate() -> None:
    if settings.EMBEDDED_VALKEY:
        forget_signs_of_life()
    # WhiteNoise warns about a directory that isn't there, though it finds the files without it.
    (settings.VAR_DIR / "static").mkdir(exist_ok=True)
    with closing(connection):
        executor = MigrationExecutor(connection)
        if executor.migration_plan(executor.loader.graph.leaf_nodes()):
            call_command("migrate", verbosity=0, interactive=False)


def _seed() -> str:
    """Create what is missing; returns what the reader has to know, such as a password made just now."""
    notes = io.StringIO()
    with closing(connection):
        call_command("init_aristobot", stdout=notes)
        try:
            call_command("seed_demo", stdout=notes)
        except CommandError as error:
            notes.write(f"{error}\n")  # real trading needs no demo
    return notes.getvalue().strip()


def _stop_leftovers(log: Log) -> None:
    leftovers = find_processes_of(settings.VAR_DIR)
    if leftovers:
        log.say(f"Waiting for {len(leftovers)} processes of an earlier start, which was killed ...")
        stop_processes(leftovers, seconds=CUT_AFTER_SECONDS)


def _welcome(seconds: float, notes: str) -> str:
    host = settings.BIND_HOST
    lines = [
        f"Ready in {seconds:.1f} s. Open http://{host}:{settings.WEB_PORT}/ in a browser.",
        f"Webhooks arrive at http://{host}:{settings.WEBHOOK_PORT}/. Ctrl-C stops everything.",
        *notes.splitlines(),
    ]
    return "\n".join(["", *(f"  {line}".rstrip() for line in lines), ""])
