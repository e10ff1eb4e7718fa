"""`manage.py backtest`: one run from the shell, for scripts and for people."""

import json
import socket
import sys
from argparse import ArgumentParser, ArgumentTypeError
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
from django.conf import settings as installation
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.db import OperationalError
from django.utils import timezone

from apps.backtests.engine.results import State
from apps.backtests.engine.settings import FeeIn, Fees, Mode, Settings
from apps.backtests.figures import list_groups
from apps.backtests.inputs import to_history
from apps.backtests.sandbox import Job, Outcome, run_confined
from apps.domain.candles import Timeframe
from apps.domain.environments import Environment, Exchange
from apps.domain.metrics import CONVENTION
from apps.exchanges.errors import ExchangeError
from apps.markets.history import reading
from apps.markets.history.columns import CandleColumns
from apps.markets.history.downloads import DownloadRefused
from apps.markets.history.tables import BadFile, read_file
from apps.markets.models import Symbol
from apps.strategies.catalogue import get_sample, list_samples
from apps.strategies.contract.answers import StrategyFailed
from apps.strategies.models import StrategyVersion
from apps.strategies.sandbox import SandboxUnavailable
from workers.management.commands.candles import PARQUET, find_listed, parse_time
from workers.sandbox.private import start_sandbox

#: Of a command that could not run at all; 1 is a run that brought no whole result.
_NOT_RUN = 2
_FLAGS = {"start": "from", "end": "to"}


class Command(BaseCommand):
    """Needs no running Aristobot, and no database where the candles are in a file; whoever runs it is the
    owner of the machine."""

    help = "Backtest a strategy. Exit code: 0 done, 1 ended with an error, 2 could not run."
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        """The strategy, its candles, what a fill costs, and how to tell."""
        parser.add_argument(
            "strategy",
            metavar="FILE_OR_NAME",
            help="a file with its code, a sample such as ema_cross, or a strategy's name",
        )
        parser.add_argument("--candles", metavar="FILE", type=Path, help="*.csv or *.parquet")
        parser.add_argument("--exchange", type=Exchange, choices=list(Exchange))
        parser.add_argument(
            "--environment",
            type=Environment,
            choices=list(Environment),
            default=Environment.LIVE,
            help="whose prices (live: the exchange's own)",
        )
        parser.add_argument("--symbol", metavar="BTC/USDT")
        parser.add_argument("--timeframe", type=Timeframe, choices=list(Timeframe))
        parser.add_argument("--from", dest="start", metavar="TIME", type=parse_time)
        parser.add_argument(
            "--to", dest="end", metavar="TIME", type=parse_time, help="not included"
        )
        parser.add_argument("--balance", type=float, default=10_000.0, help="(%(default)s)")
        parser.add_argument(
            "--fee-rate", type=float, default=0.001, help="a share of each fill (%(default)s)"
        )
        parser.add_argument("--fee-in", type=FeeIn, choices=list(FeeIn), default=FeeIn.QUOTE)
        parser.add_argument("--slippage-bps", type=float, default=5.0, help="(%(default)s)")
        parser.add_argument("--mode", type=Mode, choices=list(Mode), default=Mode.PESSIMISTIC)
        parser.add_argument(
            "--param", metavar="NAME=VALUE", type=_parse_param, action="append", default=[]
        )
        parser.add_argument("--json", action="store_true", help="print the result as JSON")

    def handle(self, *_args: Any, **options: Any) -> None:
        """Print the result and leave with its exit code."""
        settings = _read_settings(options)
        try:
            code = _read_code(options["strategy"])
            candles, symbol = self._find_candles(options)
            if symbol:
                settings = replace(settings, market=symbol.to_market())
            job = Job(code=code, settings=settings, candles=to_history(candles), trusted=True)
            with _find_sandbox() as path:
                outcome = run_confined(job, socket_path=path, tell=lambda _progress: None)
        except (SandboxUnavailable, DownloadRefused, ExchangeError) as error:
            raise CommandError(str(error), returncode=_NOT_RUN) from error
        except OperationalError as error:
            message = f"The database can't be reached: {error} Give files of the strategy and its candles."
            raise CommandError(message, returncode=_NOT_RUN) from error
        except (StrategyFailed, BadFile) as error:
            result = {"state": State.ERROR, "reason": str(error), "settings": settings.to_json()}
            told: dict[str, Any] = {**result, "metrics": {}, "warnings": [], "trades": []}
            words = iter([f"error: {error}"])
        else:
            honesty = outcome.honesty.to_json() if outcome.honesty else None
            told = {**outcome.result.to_json(), "honesty": honesty}
            words = _list_words(outcome)
        self.stdout.write(json.dumps(told) if options["json"] else "\n".join(words))
        if told["state"] != State.DONE:
            sys.exit(1)

    def _find_candles(self, options: dict[str, Any]) -> tuple[CandleColumns, Symbol | None]:
        """From the file, else from the store, what is missing fetched first; with their symbol, which a
        file has none of."""
        start, end = options["start"], options["end"]
        if options["candles"]:
            return _cut(_read_file(options), start, end), None
        if missing := [
            name for name in ("exchange", "symbol", "start", "end") if not options[name]
        ]:
            flags = ", ".join(f"--{_FLAGS.get(name, name)}" for name in missing)
            message = f"Say which candles: --candles FILE, or {flags} as well."
            raise CommandError(message, returncode=_NOT_RUN)
        timeframe = options["timeframe"] or Timeframe.M1
        place = {name: options[name] for name in ("exchange", "environment", "symbol")}
        symbol = find_listed(place)
        series = reading.find_source(symbol=symbol, timeframe=timeframe, start=start, end=end)
        if not series or reading.list_missing(series=series, start=start, end=end):
            span = {"timeframe": timeframe, "start": start, "end": end}
            call_command("candles", "download", **place, **span, stdout=self.stderr)
        return reading.load_history(
            symbol=symbol, timeframe=timeframe, start=start, end=end
        ), symbol


def _parse_param(text: str) -> tuple[str, float]:
    name, _, value = text.partition("=")
    try:
        return name, int(value) if value.lstrip("-").isdigit() else float(value)
    except ValueError:
        raise ArgumentTypeError(f"{text} is no parameter: write fast=12") from None


def _read_settings(options: dict[str, Any]) -> Settings:
    rate = options["fee_rate"]
    return Settings(
        balance=options["balance"],
        fees=Fees(maker=rate, taker=rate, fee_in=options["fee_in"]),
        slippage_bps=options["slippage_bps"],
        mode=options["mode"],
        params=dict(options["param"]),
    )


def _read_code(strategy: str) -> str:
    """Of a file, a sample, or the newest version of the strategy that is called so."""
    path = Path(strategy)
    try:
        if path.suffix == ".py" or path.is_file():
            return path.read_text(encoding="utf-8")
        if strategy in {sample.name for sample in list_samples()}:
            return get_sample(strategy).code
    except OSError as error:
        message = f"{strategy} can't be read: {error.strerror}."
        raise CommandError(message, returncode=_NOT_RUN) from error
    except UnicodeDecodeError as error:
        message = f"{strategy} is no text in UTF-8. Save it as such."
        raise CommandError(message, returncode=_NOT_RUN) from error
    found = StrategyVersion.objects.filter(strategy__name=strategy).order_by("-number")
    owners = found.values_list("owner__username", flat=True).order_by().distinct()
    if len(owners) != 1:
        whose = f"It belongs to {' and '.join(owners)}" if owners else "There is none"
        message = f"{strategy} is no file and no strategy of one user. {whose}: give a file."
        raise CommandError(message, returncode=_NOT_RUN)
    return found[0].code


def _read_file(options: dict[str, Any]) -> CandleColumns:
    path: Path = options["candles"]
    try:
        content = read_file(
            path,
            is_parquet=path.suffix in PARQUET,
            timeframe=options["timeframe"],
            now=timezone.now(),
        )
    except OSError as error:
        message = f"{path} can't be read: {error.strerror}."
        raise CommandError(message, returncode=_NOT_RUN) from error
    return content.candles


def _cut(candles: CandleColumns, start: datetime | None, end: datetime | None) -> CandleColumns:
    times = candles.opened_at_ms
    first = np.searchsorted(times, start.timestamp() * 1000) if start else 0
    last = np.searchsorted(times, end.timestamp() * 1000) if end else len(times)
    return candles.where(slice(int(first), int(last)))


@contextmanager
def _find_sandbox() -> Iterator[str]:
    """The one that runs, else one for this command."""
    with socket.socket(socket.AF_UNIX) as probe:
        runs = probe.connect_ex(installation.BACKTEST_SOCKET) == 0
    if runs:
        yield installation.BACKTEST_SOCKET
    else:
        with start_sandbox("backtest") as (path, _pid):
            yield path


def _list_words(outcome: Outcome) -> Iterator[str]:
    result = outcome.result
    if result.reason:
        yield f"error: {result.reason}"
    if outcome.traceback:
        yield outcome.traceback
    yield result.evaluation.reason
    yield from (f"note: {warning}" for warning in result.warnings)
    for title, figures in list_groups(result.metrics).items():
        yield f"\n{title}"
        yield from (f"  {words:24} {number:>16}" for words, number in figures)
    yield f"\n{CONVENTION}"
    if outcome.honesty:
        yield f"\nHow far to trust it: {outcome.honesty.badge}"
        for finding in outcome.honesty.findings:
            yield f"  {finding.badge}: {finding.doubt}: {finding.words}"
