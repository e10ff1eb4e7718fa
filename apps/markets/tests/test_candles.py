from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from apps.core.tasks import TaskName
from apps.domain.environments import Environment, Exchange
from apps.exchanges import ports
from apps.markets.models import Candle, Series
from apps.markets.selectors import find_default_symbol, get_window
from apps.markets.services import (
    dispatch_candle,
    store_candles,
    store_live_candle,
    sweep_candles,
)
from apps.markets.symbols import store_symbols
from apps.markets.tests.fakes import market

START = datetime(2026, 1, 1, tzinfo=UTC)


def candle(minute: int, close: float = 1.0, *, is_closed: bool = True) -> ports.Candle:
    return ports.Candle(
        opened_at=START + timedelta(minutes=minute),
        open=1.0,
        high=2.0,
        low=0.5,
        close=close,
        volume=3.0,
        is_closed=is_closed,
    )


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Candles whose strategies were called."""
    ids: list[int] = []

    def send(task: TaskName, *, candle_id: int) -> bool:
        ids.append(candle_id)
        return True

    monkeypatch.setattr("apps.markets.services.send", send)
    return ids


def test_only_closed_candles_are_stored_and_only_once(series: Series, now: datetime) -> None:
    page = [candle(0), candle(1), candle(2, is_closed=False)]

    first = store_candles(series=series, candles=page, received_at=now)
    second = store_candles(series=series, candles=page, received_at=now)

    assert (len(first), second, Candle.objects.count()) == (2, [], 2)


def test_a_closed_candle_is_never_rewritten(series: Series, now: datetime) -> None:
    store_candles(series=series, candles=[candle(0, close=1.0)], received_at=now)

    store_candles(series=series, candles=[candle(0, close=9.0)], received_at=now)
    again = store_live_candle(series_id=series.pk, candle=candle(0, close=9.0), received_at=now)

    assert again is None
    assert Candle.objects.get().close == 1.0


def test_a_window_ends_with_its_candle_and_is_oldest_first(series: Series, now: datetime) -> None:
    page = [candle(minute, close=float(minute)) for minute in range(5)]
    store_candles(series=series, candles=page, received_at=now)

    window = get_window(series_id=series.pk, until=START + timedelta(minutes=3), limit=3)

    assert list(window.close) == [1.0, 2.0, 3.0]
    assert window.opened_at_ms[-1] == int((START + timedelta(minutes=3)).timestamp() * 1000)
    assert list(window.high) == [2.0] * 3


def test_an_empty_series_has_an_empty_window(series: Series) -> None:
    assert list(get_window(series_id=series.pk, until=START, limit=3).close) == []


def test_a_dispatched_candle_is_marked(
    add_candle: Callable[..., Candle], now: datetime, sent: list[int]
) -> None:
    row = add_candle()

    assert dispatch_candle(candle_id=row.pk, now=now)

    assert (sent, Candle.objects.get().dispatched_at) == ([row.pk], now)


def test_the_sweep_finds_the_newest_candle_that_was_not_dispatched(
    add_candle: Callable[..., Candle], now: datetime, sent: list[int]
) -> None:
    add_candle(minute=1)
    newest = add_candle(minute=2)

    swept = [sweep_candles(now=now + timedelta(seconds=second)) for second in (3, 6)]

    assert (swept, sent) == ([1, 0], [newest.pk])


def test_the_sweep_leaves_what_is_too_old_to_trade_on(
    add_candle: Callable[..., Candle], now: datetime, sent: list[int]
) -> None:
    add_candle()

    assert sweep_candles(now=now + timedelta(minutes=1)) == 0
    assert sent == []


@pytest.mark.parametrize(
    ("names", "default"),
    [(["ETH/USDT", "BTC/USDT"], "BTC/USDT"), (["ETH/USDT", "SOL/USDT"], "ETH/USDT")],
)
def test_bitcoin_is_the_default_where_it_is_listed(
    db: None, names: list[str], default: str
) -> None:
    store_symbols(
        exchange=Exchange.BINANCE,
        environment=Environment.REPLAY,
        markets=[market(name) for name in names],
    )

    assert find_default_symbol(Exchange.BINANCE, Environment.REPLAY).name == default
