"""`manage.py validate_strategy`: what the strategy's page checks, from the shell."""

import json
import socket
import sys
from argparse import ArgumentParser
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from apps.domain.candles import Timeframe
from apps.strategies.practice import ROWS, make_wave
from apps.strategies.sandbox import Candles, Sandbox, SandboxUnavailable
from apps.strategies.validation import Report, validate
from workers.paper_exchange.markets.replay import load_recording
from workers.paper_exchange.startup import StartError
from workers.sandbox.private import start_sandbox

#: Of a command that could not check at all; 1 is a strategy that may not run.
_NOT_CHECKED = 2


class Command(BaseCommand):
    """Needs no database and no running Aristobot; whoever runs it is the owner of the machine."""

    help = "Check a strategy and rehearse it in the sandbox. Exit code: 0 valid, 1 not valid, 2 not checked."
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        """The strategy, its candles, and how to tell."""
        parser.add_argument(
            "file", metavar="FILE", help="the strategy's code; - reads it from stdin"
        )
        parser.add_argument(
            "--candles",
            metavar="FILE",
            help="candles as EXCHANGE_SYMBOL_TIMEFRAME.csv or .parquet with the columns open_time (UTC "
            f"milliseconds), open, high, low, close, volume; the last {ROWS} count. Made-up ones without it",
        )
        parser.add_argument("--json", action="store_true", help="print the report as JSON")

    def handle(self, *_args: Any, **options: Any) -> None:
        """Print the report and leave with its exit code."""
        code = _read_code(options["file"])
        candles = _read_candles(options["candles"])
        try:
            with _find_sandbox() as path, Sandbox(path) as sandbox:
                report = validate(code, candles=candles, sandbox=sandbox, trusted=True)
        except SandboxUnavailable as error:
            raise CommandError(str(error), returncode=_NOT_CHECKED) from error
        self.stdout.write("\n".join(_list_json(report) if options["json"] else _list_words(report)))
        if not report.is_valid:
            sys.exit(1)


def _read_code(file: str) -> str:
    try:
        return sys.stdin.read() if file == "-" else Path(file).read_text(encoding="utf-8")
    except OSError as error:
        message = f"{file} can't be read: {error.strerror}."
        raise CommandError(message, returncode=_NOT_CHECKED) from error
    except UnicodeDecodeError as error:
        message = f"{file} is no text in UTF-8. Save it as such."
        raise CommandError(message, returncode=_NOT_CHECKED) from error


def _read_candles(file: str | None) -> Candles:
    if file is None:
        return make_wave(Timeframe.M15)
    try:
        recording = load_recording(Path(file))
    except StartError as error:
        raise CommandError(str(error), returncode=_NOT_CHECKED) from error
    names = ("open", "high", "low", "close", "volume")
    columns = dict(zip(names, recording.columns, strict=True))
    return Candles.from_columns(opened_at_ms=recording.opened, **columns).newest(ROWS)


@contextmanager
def _find_sandbox() -> Iterator[str]:
    """The one that runs, else one for this command."""
    with socket.socket(socket.AF_UNIX) as probe:
        runs = probe.connect_ex(settings.SANDBOX_SOCKET) == 0
    if runs:
        yield settings.SANDBOX_SOCKET
    else:
        with start_sandbox() as (path, _pid):
            yield path


def _list_json(report: Report) -> Iterator[str]:
    info, rehearsal = report.info, report.rehearsal
    yield json.dumps(
        {
            "valid": report.is_valid,
            "problems": [problem.as_dict() for problem in report.problems],
            "class_name": info.class_name if info else None,
            "parameters": info.parameters if info else None,
            "lookback": info.lookback if info else None,
            "elapsed_ms": rehearsal.elapsed_ms if rehearsal else None,
            "memory_bytes": rehearsal.memory_bytes if rehearsal else None,
            "output": rehearsal.output if rehearsal else None,
        },
        indent=2,
    )


def _list_words(report: Report) -> Iterator[str]:
    for problem in report.problems:
        place = f"line {problem.line}: " if problem.line else ""
        yield f"{problem.severity}: {place}{problem.message}"
    if report.info:
        parameters = ", ".join(report.info.parameters) or "none"
        yield f"{report.info.class_name}: parameters {parameters}; lookback {report.info.lookback}"
    if report.rehearsal:
        megabytes = report.rehearsal.memory_bytes // 10**6
        memory = f", {megabytes} MB of memory" if megabytes else ""
        yield f"dry run: {report.rehearsal.elapsed_ms:.0f} ms{memory}"
    yield "valid" if report.is_valid else "not valid: it may not run"
