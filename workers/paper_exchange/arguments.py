"""The paper exchange's command line, with or without Django around it."""

import time
from argparse import ArgumentParser, Namespace
from pathlib import Path

from apps.domain.environments import Exchange
from workers.paper_exchange.options import (
    Options,
    parse_balances,
    parse_market,
    parse_port,
    parse_speed,
    parse_start,
)
from workers.paper_exchange.server import run


def add_arguments(parser: ArgumentParser) -> None:
    """Market, speed, place of the state, and what a new account owns."""
    add = parser.add_argument
    add(
        "--exchange",
        choices=[exchange.value for exchange in Exchange],
        required=True,
        help="whose protocol is spoken",
    )
    add("--host", default="127.0.0.1", help="address to listen on (127.0.0.1)")
    add("--port", required=True, help="port to listen on; 0 takes a free one")
    add(
        "--market",
        default="simulated",
        help="simulated, replay:FILE[,FILE...] or live[:BASE_URL] (simulated)",
    )
    add(
        "--speed",
        default="1",
        help="market seconds per second, or max: as fast as the clients follow (1)",
    )
    add("--state", required=True, type=Path, help="file that remembers accounts and orders")
    add(
        "--book",
        choices=["depth", "none"],
        default="depth",
        help="what the market offers: depth with a spread, or none: candles alone, in lock-step with"
        " the clients (depth)",
    )
    add("--faults", type=Path, metavar="FILE", help="what goes wrong on purpose: TOML or JSON")
    add("--seed", default=25, type=int, help="which simulated market (25)")
    add("--start", help="where a new replay begins: ISO time with its offset")
    add(
        "--balance",
        action="append",
        default=[],
        metavar="ASSET=AMOUNT",
        help="what a new account owns; may be repeated (USDT=10000)",
    )


def serve(words: Namespace) -> None:
    """Read the options, and serve until a signal ends it; raises StartError."""
    kind, source = parse_market(words.market)
    options = Options(
        exchange=Exchange(words.exchange),
        host=words.host,
        port=parse_port(words.port),
        market_kind=kind,
        market_source=source,
        speed=parse_speed(words.speed, kind),
        state_path=words.state,
        seed=words.seed,
        start_ms=parse_start(words.start, kind),
        balances=parse_balances(words.balance),
        has_depth=words.book == "depth",
        faults_path=words.faults,
    )
    run(options, wall=time.time, announce=lambda line: print(line, flush=True))  # noqa: T201  its one line
