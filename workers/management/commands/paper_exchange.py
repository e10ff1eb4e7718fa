"""`manage.py paper_exchange`: an exchange with paper money on this machine."""

import time
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from workers.paper_exchange.options import (
    Options,
    parse_balances,
    parse_market,
    parse_port,
    parse_speed,
    parse_start,
)
from workers.paper_exchange.server import run
from workers.paper_exchange.startup import StartError


class Command(BaseCommand):
    """Start the paper exchange and serve until it is told to stop."""

    help = "Run an exchange with paper money that speaks a real exchange's protocol."
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Market, speed, place of the state, and what a new account owns."""
        add = parser.add_argument
        add("--exchange", choices=["binance"], required=True, help="whose protocol is spoken")
        add("--host", default="127.0.0.1", help="address to listen on (127.0.0.1)")
        add("--port", required=True, help="port to listen on; 0 takes a free one")
        add(
            "--market",
            default="simulated",
            help="simulated, replay:FILE[,FILE...] or live[:BASE_URL] (simulated)",
        )
        add("--speed", default="1", help="market seconds per second (1)")
        add("--state", required=True, type=Path, help="file that remembers accounts and orders")
        add("--seed", default=25, type=int, help="which simulated market (25)")
        add("--start", help="where a new replay begins: ISO time with its offset")
        add(
            "--balance",
            action="append",
            default=[],
            metavar="ASSET=AMOUNT",
            help="what a new account owns; may be repeated (USDT=10000)",
        )

    def handle(self, *args: Any, **words: Any) -> None:
        """Read the options, and run."""
        try:
            kind, source = parse_market(words["market"])
            options = Options(
                host=words["host"],
                port=parse_port(words["port"]),
                market_kind=kind,
                market_source=source,
                speed=parse_speed(words["speed"], kind),
                state_path=words["state"],
                seed=words["seed"],
                start_ms=parse_start(words["start"], kind),
                balances=parse_balances(words["balance"]),
            )
            run(options, wall=time.time, announce=self._announce)
        except StartError as error:
            raise CommandError(f"paper exchange: {error}") from error

    def _announce(self, line: str) -> None:
        self.stdout.write(line)
        self.stdout.flush()
