import logging
from pathlib import Path

import pytest

from apps.domain.orders import OrderSide
from workers.paper_exchange.journal import Journal, compact_journal, read_journal
from workers.paper_exchange.markets.simulated import Checkpoint
from workers.paper_exchange.orders import Account
from workers.paper_exchange.startup import StartError
from workers.paper_exchange.state import State, change_record, checkpoint_record, clock_record
from workers.paper_exchange.tests.builders import (
    BTC,
    KEY,
    Change,
    engine_of,
    limit_order,
    market_order,
    quote_at,
)


def empty_state() -> State:
    return State(market="simulated", origin_ms=0, clock_ms=0)


def traded() -> tuple[Account, list[Change]]:
    """An account with a fill, a filled resting order, and one that still rests."""
    changes: list[Change] = []
    engine = engine_of(changes)
    account = engine.account(KEY, 1)
    engine.place(account, market_order(OrderSide.BUY), quote_at("50000"), 2)
    engine.place(account, limit_order(OrderSide.SELL, "51000"), quote_at("50000"), 3)
    engine.on_price(BTC.symbol, quote_at("51001"), 4)
    engine.place(account, limit_order(OrderSide.BUY, "40000"), quote_at("51001"), 5)
    return account, changes


def test_what_was_written_comes_back(tmp_path: Path) -> None:
    path = tmp_path / "state.jsonl"
    journal = Journal(path)
    engine = engine_of()
    account = engine.account(KEY, 1)
    journal.append(change_record(account, None, None))
    order = engine.place(account, market_order(OrderSide.BUY), quote_at("50000"), 2)
    fill = next(iter(engine.accounts[KEY].fills), None)
    journal.append(change_record(account, order, fill))
    journal.append(clock_record(9))
    journal.close()

    state = empty_state()
    read_journal(path, state)

    assert state.accounts == {KEY: account}
    assert state.clock_ms == 9


def test_compacting_keeps_everything_that_counts(tmp_path: Path) -> None:
    path = tmp_path / "state.jsonl"
    account, _ = traded()
    before = empty_state()
    before.accounts[KEY] = account
    before.clock_ms = 7
    checkpoint = Checkpoint(symbol="BTC/USDT", block=3, price=1.5, variance=2.5, trend=-1)
    before.remember(checkpoint)

    compact_journal(path, before)
    after = State(market="", origin_ms=1, clock_ms=0)
    read_journal(path, after)

    assert after == before
    assert path.stat().st_mode & 0o077 == 0


def test_resting_orders_go_on_after_a_restart() -> None:
    account, _ = traded()

    engine = engine_of(accounts={KEY: account})

    assert engine.open_order_count == 1
    engine.cancel(account, account.open_orders()[0], 6)
    order = engine.place(account, market_order(OrderSide.SELL), quote_at("50000"), 7)
    assert order.order_id == 4
    assert account.fills[-1].trade_id == 3


def test_an_unreadable_line_is_named(tmp_path: Path) -> None:
    path = tmp_path / "state.jsonl"
    path.write_text('{"clock_ms":5}\n{"clock\n{"clock_ms":6}\n')

    with pytest.raises(StartError, match=r"state\.jsonl:2: can't be read"):
        read_journal(path, empty_state())


def test_an_unknown_record_is_named(tmp_path: Path) -> None:
    path = tmp_path / "state.jsonl"
    path.write_text('{"clok":5}\n')

    with pytest.raises(StartError, match=r"state\.jsonl:1: can't be read"):
        read_journal(path, empty_state())


def test_a_torn_last_line_is_dropped_with_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "state.jsonl"
    path.write_text('{"clock_ms":5}\n{"clock_ms":99')
    state = empty_state()

    with caplog.at_level(logging.WARNING):
        read_journal(path, state)

    assert state.clock_ms == 5
    assert "cut off" in caplog.text


def test_blocks_that_no_restart_needs_are_forgotten() -> None:
    state = empty_state()
    for block in range(4):
        state.remember(Checkpoint(symbol="A", block=block, price=1.0, variance=1.0, trend=1))

    state.forget_blocks_before(2)

    kept = [record for record in state.records() if "checkpoint" in record]
    assert kept == [checkpoint_record(state.checkpoints["A"][n]) for n in (2, 3)]
