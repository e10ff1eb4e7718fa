"""`manage.py bench`: what is fast is measured."""

from argparse import ArgumentParser
from collections.abc import Callable
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError

from workers.bench import (
    backtest,
    backtest_parity,
    exchanges,
    gate,
    history,
    live,
    monitor,
    pages,
    paper,
    sandbox,
    webhooks,
)
from workers.bench.chaos.plan import make_plan
from workers.bench.chaos.run import run

RECORDED = settings.BASE_DIR.parent / "shared" / "data" / "BINANCE_BTCUSDT_1m.parquet"


def _add_webhooks(kinds: Any) -> None:
    alerts = kinds.add_parser("webhooks", help="answers under load, and the way to the exchange")
    alerts.add_argument("--orders", type=int, default=200, help="how many to time (200)")
    alerts.add_argument(
        "--rates", type=float, nargs="*", default=[100.0, 500.0], help="a second (100 500)"
    )
    alerts.add_argument("--seconds", type=float, default=60.0, help="of each rate (60)")


class Command(BaseCommand):
    """Runs on servers and processes of its own; nothing of an installation is touched."""

    help = "Measure Aristobot on its real processes and throw-away servers."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """One subcommand a measurement."""
        kinds = parser.add_subparsers(dest="kind", required=True)
        trading = kinds.add_parser("live", help="closed candle to order at the exchange's door")
        trading.add_argument("--orders", type=int, default=300, help="how many to measure (300)")
        trading.add_argument(
            "--rate", type=float, default=4.0, help="candles a second, an order on each (4)"
        )
        trading.add_argument(
            "--activations", type=int, default=1, help="strategies on each candle (1)"
        )
        clients = kinds.add_parser("exchanges", help="our exchange clients beside ccxt")
        clients.add_argument("--rounds", type=int, default=30, help="turns of each side (30)")
        papers = kinds.add_parser(
            "paper", help="the paper exchange: matching, REST, a year, memory"
        )
        papers.add_argument("--orders", type=int, default=5000, help="how many to place (5000)")
        papers.add_argument(
            "--recording", type=Path, default=RECORDED, help="1m candles; without them, simulated"
        )
        orders = kinds.add_parser("pages", help="the pages of orders when there are many")
        orders.add_argument("--orders", type=int, default=1_000_000, help="how many (1,000,000)")
        kinds.add_parser("candles", help="a year of minutes stored, read, imported and exported")
        watching = kinds.add_parser(
            "monitor", help="50 brokers and 2,000 open orders against limits that count"
        )
        watching.add_argument("--minutes", type=float, default=60.0, help="simulated minutes (60)")
        watching.add_argument("--seed", type=int, default=1, help="which orders change (1)")
        gates = kinds.add_parser("gate", help="an order through gate and claim")
        gates.add_argument(
            "--orders", type=int, default=100_000, help="how many there are already (100,000)"
        )
        gates.add_argument("--rounds", type=int, default=500, help="orders to measure (500)")
        sandboxes = kinds.add_parser("sandbox", help="what asking a strategy costs")
        sandboxes.add_argument(
            "--seconds", type=float, default=20.0, help="how long to take turns (20)"
        )
        runs = kinds.add_parser("backtest", help="what a backtest costs, beside its peers")
        runs.add_argument("--rounds", type=int, default=5, help="turns of each side (5)")
        runs.add_argument(
            "--recording", type=Path, default=RECORDED, help="1m candles, those of 2025 count"
        )
        parity = kinds.add_parser(
            "backtest_parity", help="backtests beside backtesting.py: the same trades"
        )
        parity.add_argument(
            "--recordings", type=Path, default=RECORDED.parent, help="folder of candles in Parquet"
        )
        parity.add_argument("--only", default="*", help="part of the recordings, such as '*_1d'")
        _add_webhooks(kinds)
        chaos = kinds.add_parser(
            "chaos", help="trading while everything breaks: no order lost, none sent twice"
        )
        chaos.add_argument(
            "--minutes", type=float, default=10.0, help="how long to break things (10)"
        )
        chaos.add_argument("--seed", type=int, default=1, help="what breaks, and when (1)")
        chaos.add_argument("--rate", type=float, default=8.0, help="signals a second (8)")
        chaos.add_argument(
            "--settle", type=float, default=180.0, help="seconds in which all must be settled (180)"
        )
        chaos.add_argument("--log", type=Path, help="file that keeps what the processes print")

    def handle(self, *_args: Any, **options: Any) -> None:
        """Measure and print."""
        measures: dict[str, Callable[[], None]] = {
            "live": lambda: self._time_orders(options),
            "exchanges": lambda: self._compare_clients(options["rounds"]),
            "paper": lambda: self._measure_paper(options["orders"], options["recording"]),
            "pages": lambda: self._time_pages(options["orders"]),
            "candles": self._time_history,
            "monitor": lambda: self._watch(options["minutes"], options["seed"]),
            "gate": lambda: self._time_gate(options),
            "sandbox": lambda: sandbox.measure(seconds=options["seconds"], say=self.stdout.write),
            "backtest": lambda: self._time_backtests(options["rounds"], options["recording"]),
            "backtest_parity": lambda: self._compare_backtests(
                options["recordings"], options["only"]
            ),
            "webhooks": lambda: self._post(options),
            "chaos": lambda: self._break_things(options),
        }
        measures[options["kind"]]()

    def _compare_clients(self, rounds: int) -> None:
        try:
            comparisons = list(exchanges.measure(rounds=rounds, say=self.stdout.write))
        except ModuleNotFoundError as error:
            raise CommandError(
                f"{error}: what is compared with is in requirements-dev.txt, which is not installed."
            ) from None
        for line in exchanges.describe(comparisons):
            self.stdout.write(line)

    def _time_backtests(self, rounds: int, recording: Path) -> None:
        known = recording if recording.is_file() else None
        for line in backtest.measure(rounds=rounds, recording=known, say=self.stdout.write):
            self.stdout.write(line)

    def _compare_backtests(self, recordings: Path, only: str) -> None:
        different = 0
        try:
            for each in backtest_parity.measure(recordings=recordings, only=only):
                different += len(each.differences)
                self.stdout.write(each.describe())
        except ModuleNotFoundError as error:
            raise CommandError(f"{error}: install backtesting to compare with it.") from None
        if different:
            raise CommandError(f"Trades that differ: {different}.", returncode=1)

    def _measure_paper(self, orders: int, recording: Path) -> None:
        known = recording if recording.is_file() else None
        self.stdout.write(f"Candles: {known or 'simulated'}")
        for result in paper.measure(orders=orders, recording=known, say=self.stdout.write):
            self.stdout.write(result.describe())

    def _time_pages(self, orders: int) -> None:
        call_command("migrate", verbosity=0, interactive=False)
        for page in pages.measure(orders=orders, say=self.stdout.write):
            self.stdout.write(page.describe())

    def _time_history(self) -> None:
        call_command("migrate", verbosity=0, interactive=False)
        for timing in history.measure(say=self.stdout.write):
            self.stdout.write(timing.describe())

    def _watch(self, minutes: float, seed: int) -> None:
        call_command("migrate", verbosity=0, interactive=False)
        outcome = monitor.measure(minutes=minutes, seed=seed, say=self.stdout.write)
        for line in outcome.describe():
            self.stdout.write(line)
        if not outcome.is_good:
            raise CommandError("A limit was broken, or a change was seen late.", returncode=1)

    def _time_gate(self, options: dict[str, Any]) -> None:
        call_command("migrate", verbosity=0, interactive=False)
        for timing in gate.measure(
            orders=options["orders"], rounds=options["rounds"], say=self.stdout.write
        ):
            self.stdout.write(timing.describe())
        self.stdout.write(f"Aim: p50 {gate.AIM_MS:.0f} ms.")

    def _post(self, options: dict[str, Any]) -> None:
        call_command("migrate", verbosity=0, interactive=False)
        loads = webhooks.measure(
            orders=options["orders"],
            rates=options["rates"],
            seconds=options["seconds"],
            say=self.stdout.write,
        )
        for load in loads:
            self.stdout.write(load.describe())
        self.stdout.write("Aims: p99 15 ms at 100/s, 50 ms at 500/s; an order p50 25 ms.")
        if not all(load.is_whole for load in loads):
            raise CommandError("Not every webhook was stored and answered 200.", returncode=1)

    def _break_things(self, options: dict[str, Any]) -> None:
        plan = make_plan(seed=options["seed"], seconds=60 * options["minutes"])
        report = run(
            plan,
            rate=options["rate"],
            settle_seconds=options["settle"],
            log=options["log"] or Path(settings.VAR_DIR).with_name("up.log"),
            say=self.stdout.write,
        )
        for line in report.describe():
            self.stdout.write(line)
        if report.violations:
            raise CommandError("The books differ.", returncode=1)

    def _time_orders(self, options: dict[str, Any]) -> None:
        call_command("migrate", verbosity=0, interactive=False)
        latencies = live.measure(
            candles=options["orders"] // options["activations"],
            activations=options["activations"],
            candles_per_second=options["rate"],
            say=self.stdout.write,
        )
        self.stdout.write(
            f"Closed candle sent -> last order request received, {options['activations']} strategies, warm"
        )
        self.stdout.write(latencies.describe())
        self.stdout.write(
            "Aim on two cores: p50 15 ms, p99 40 ms with one strategy; p95 150 ms with 20."
        )
