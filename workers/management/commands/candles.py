"""`manage.py candles`: the stored history, from the shell."""

import time
import uuid
from argparse import ArgumentParser, ArgumentTypeError
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from apps.core.venues import NotRunning
from apps.domain.candles import Timeframe
from apps.domain.environments import Environment, Exchange
from apps.exchanges.errors import ExchangeError
from apps.markets.history.coverage import summarize
from apps.markets.history.downloads import DownloadRefused, begin_download, continue_download
from apps.markets.history.reading import list_missing, load_history
from apps.markets.history.storing import forget_history
from apps.markets.history.tables import BadFile
from apps.markets.history.transfer import import_candles, write_candles
from apps.markets.models import CandleDownload, Series, Symbol
from apps.markets.selectors import find_symbol, list_symbol_names
from apps.markets.symbols import sync_symbols

PARQUET = (".parquet", ".pq")


class Command(BaseCommand):
    """Reads and writes the database of this installation."""

    help = "List, download, check, import, export and delete the stored candles."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """What to do, and with which candles."""
        actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
        actions.add_parser("list", help="every series, with what it holds and lacks")
        for name, words in (
            ("gaps", "where candles are missing"),
            ("download", "fetch what is missing from the exchange"),
            ("import", "keep the candles of a CSV or Parquet file, all or none"),
            ("export", "write a CSV or Parquet file"),
            ("delete", "forget downloaded and imported candles, such as those of a wrong file"),
        ):
            action = actions.add_parser(name, help=words)
            if name in {"import", "export"}:
                action.add_argument("file", metavar="FILE", type=Path, help="*.csv or *.parquet")
            _add_series_arguments(action)
            if name != "import":
                _add_dates(action, are_required=name in {"download", "delete"})

    def handle(self, *_args: Any, **options: Any) -> None:
        """Do it, and say what came of it."""
        try:
            getattr(self, f"_{options['action']}")(options)
        except (BadFile, DownloadRefused, ExchangeError, NotRunning, OSError) as error:
            raise CommandError(str(error)) from error

    def _list(self, _options: dict[str, Any]) -> None:
        rows = Series.objects.select_related("symbol").order_by("symbol__exchange", "symbol__name")
        summaries = summarize([row.pk for row in rows])
        for row in rows:
            symbol, summary = row.symbol, summaries[row.pk]
            self.stdout.write(
                f"{symbol.exchange:8} {symbol.environment:10} {symbol.name:12} {row.timeframe:4}"
                f" {summary.describe_span():40} {summary.count:>12,}  {summary.describe_gaps()}"
            )

    def _gaps(self, options: dict[str, Any]) -> None:
        series = _find_series(options)
        summary = summarize([series.pk])[series.pk]
        if summary.first is None or summary.end is None:
            raise CommandError(f"There are no candles of {series}.")
        start, end = options["start"] or summary.first, options["end"] or summary.end
        step = Timeframe(series.timeframe).milliseconds
        missing = list_missing(series=series, start=start, end=end)
        for span in missing:
            self.stdout.write(
                f"{span.starts_at:%Y-%m-%d %H:%M} to {span.ends_at:%Y-%m-%d %H:%M}: {span.count(step):,}"
            )
        total = sum(span.count(step) for span in missing)
        self.stdout.write(f"{total:,} candles are missing in {len(missing):,} gaps.")

    def _download(self, options: dict[str, Any]) -> None:
        download = begin_download(
            user=None,
            symbol=find_listed(options),
            timeframe=options["timeframe"],
            start=options["start"],
            end=options["end"],
        )
        said = ""
        while download.is_going_on:
            # Workers that run take part; without any, this process does it all.
            continue_download(download_id=download.pk, worker=uuid.uuid4().hex, seconds=2.0)
            download.refresh_from_db()
            if download.progress != said and download.is_going_on:
                said = download.progress
                self.stdout.write(said)
            time.sleep(0.1)
        if download.state != CandleDownload.State.DONE:
            raise CommandError(download.message)
        self.stdout.write(download.message)

    def _import(self, options: dict[str, Any]) -> None:
        report = import_candles(
            symbol=find_listed(options),
            timeframe=options["timeframe"],
            path=options["file"],
            is_parquet=options["file"].suffix in PARQUET,
            now=timezone.now(),
        )
        self.stdout.write(report.describe())

    def _export(self, options: dict[str, Any]) -> None:
        candles = load_history(
            symbol=find_listed(options),
            timeframe=options["timeframe"],
            start=options["start"] or datetime(2000, 1, 1, tzinfo=UTC),
            end=options["end"] or timezone.now(),
        )
        if not len(candles):
            raise CommandError("None of these candles is stored.")
        file: Path = options["file"]
        file.write_bytes(write_candles(candles, is_parquet=file.suffix in PARQUET))
        self.stdout.write(f"{len(candles):,} candles written to {file}.")

    def _delete(self, options: dict[str, Any]) -> None:
        series = _find_series(options)
        count = forget_history(series=series, start=options["start"], end=options["end"])
        self.stdout.write(f"{count:,} candles of {series} deleted.")


def _add_series_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--exchange", type=Exchange, choices=list(Exchange), required=True)
    parser.add_argument(
        "--environment",
        type=Environment,
        choices=list(Environment),
        default=Environment.LIVE,
        help="whose prices (live: the exchange's own)",
    )
    parser.add_argument("--symbol", metavar="BTC/USDT", required=True)
    parser.add_argument(
        "--timeframe", type=Timeframe, choices=list(Timeframe), default=Timeframe.M1, help="(1m)"
    )


def _add_dates(parser: ArgumentParser, *, are_required: bool) -> None:
    words = "2025-01-31 or 2025-01-31T08:00, UTC"
    for flag, dest, which in (("--from", "start", "first"), ("--to", "end", "end, not included")):
        parser.add_argument(
            flag,
            dest=dest,
            metavar="TIME",
            type=parse_time,
            required=are_required,
            help=f"{which}: {words}",
        )


def parse_time(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ArgumentTypeError(
            f"{text} is no time: write 2025-01-31 or 2025-01-31T08:00"
        ) from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def find_listed(options: dict[str, Any]) -> Symbol:
    """It may be of an exchange that nobody has a broker at: its symbols are read first."""
    place = {"exchange": options["exchange"], "environment": options["environment"]}
    if not list_symbol_names(**place):
        sync_symbols(**place)
    symbol = find_symbol(**place, name=options["symbol"])
    if symbol is None:
        raise CommandError(f"{options['exchange'].title()} lists no {options['symbol']}.")
    return symbol


def _find_series(options: dict[str, Any]) -> Series:
    timeframe = options["timeframe"]
    series = find_listed(options).series.filter(timeframe=timeframe).first()
    if series is None:
        raise CommandError(f"There are no {timeframe} candles of {options['symbol']}.")
    return series
