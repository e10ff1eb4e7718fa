from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from apps.domain.environments import Exchange
from workers.paper_exchange.assembly import build_exchange
from workers.paper_exchange.exchange import PaperExchange
from workers.paper_exchange.markets.candles import DAY_MS, MINUTE_MS, Candle
from workers.paper_exchange.options import Options
from workers.paper_exchange.startup import StartError
from workers.paper_exchange.tests.builders import KEY, START_MS, Wall, rising_candles
from workers.paper_exchange.tests.test_replay import write_csv


def options(tmp_path: Path, **changes: object) -> Options:
    usual = Options(
        exchange=Exchange.BINANCE,
        host="127.0.0.1",
        port=0,
        market_kind="simulated",
        market_source="",
        speed=3600.0,
        state_path=tmp_path / "state.jsonl",
        seed=7,
        start_ms=None,
        balances={"USDT": Decimal(10_000)},
    )
    return replace(usual, **changes)  # type: ignore[arg-type]  # a test names the fields it needs


def replay_options(tmp_path: Path, **changes: object) -> Options:
    recording = tmp_path / "BINANCE_BTCUSDT_1m.csv"
    if not recording.exists():
        write_csv(recording, rising_candles(700))
    return options(tmp_path, market_kind="replay", market_source=str(recording), **changes)


def last_candles(exchange: PaperExchange) -> list[Candle]:
    series = exchange.feed.series["SOL/USDT"]
    return series.newest(MINUTE_MS, until_ms=START_MS + DAY_MS, limit=3000)


def test_a_simulated_market_goes_on_where_it_stopped(tmp_path: Path) -> None:
    wall = Wall()
    exchange, memory = build_exchange(options(tmp_path), wall)
    hours = exchange.feed.series["SOL/USDT"].newest(60 * MINUTE_MS, until_ms=None, limit=500)
    wall.now += 30
    stopped_ms = exchange.advance()
    before = last_candles(exchange)
    exchange.close()
    memory.close()
    wall.now += 500

    exchange, memory = build_exchange(options(tmp_path), wall)
    memory.close()

    assert exchange.clock.now_ms() == stopped_ms
    assert last_candles(exchange) == before
    assert (len(hours), len(before)) == (500, 3000)


def test_a_replay_goes_on_where_it_stopped(tmp_path: Path) -> None:
    wall = Wall()
    exchange, memory = build_exchange(replay_options(tmp_path), wall)
    exchange.engine.account(KEY, exchange.advance())
    wall.now += 1
    stopped_ms = exchange.advance()
    exchange.close()
    memory.close()

    exchange, memory = build_exchange(replay_options(tmp_path), wall)
    memory.close()

    assert exchange.clock.now_ms() == stopped_ms == START_MS + 660 * MINUTE_MS
    assert list(exchange.engine.accounts) == [KEY]


def test_a_replay_that_has_ended_can_be_started_again(tmp_path: Path) -> None:
    wall = Wall()
    exchange, memory = build_exchange(replay_options(tmp_path), wall)
    wall.now += 100
    ended_ms = exchange.advance()
    exchange.close()
    memory.close()

    exchange, memory = build_exchange(replay_options(tmp_path), wall)
    wall.now += 100

    assert exchange.advance() == ended_ms == START_MS + 700 * MINUTE_MS
    assert exchange.quote("BTC/USDT") is None
    memory.close()


def test_a_replay_begins_where_it_is_told_to(tmp_path: Path) -> None:
    start_ms = START_MS + 5 * MINUTE_MS

    exchange, memory = build_exchange(replay_options(tmp_path, start_ms=start_ms), Wall())
    memory.close()

    assert exchange.advance() == start_ms


def test_a_start_after_the_end_is_refused(tmp_path: Path) -> None:
    start_ms = START_MS + DAY_MS

    with pytest.raises(StartError, match="ends before --start"):
        build_exchange(replay_options(tmp_path, start_ms=start_ms), Wall())


def test_a_state_file_belongs_to_one_market(tmp_path: Path) -> None:
    _, memory = build_exchange(replay_options(tmp_path), Wall())
    memory.close()

    with pytest.raises(StartError, match="belongs to another market"):
        build_exchange(options(tmp_path), Wall())


def test_a_state_file_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(StartError, match="can't be"):
        build_exchange(replay_options(tmp_path, state_path=tmp_path / "file" / "state"), Wall())
