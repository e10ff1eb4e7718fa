"""The fill rules of a careful backtest, as an exchange without depth keeps them; numbers as in its spec."""

from decimal import Decimal

import pytest

from apps.domain.orders import OrderSide, OrderStatus, OrderType
from workers.paper_exchange.markets.candles import MINUTE_MS
from workers.paper_exchange.orders import ExitTemplate
from workers.paper_exchange.tests.builders import START_MS
from workers.paper_exchange.tests.replaying import Prices, Replay

BUY, SELL = OrderSide.BUY, OrderSide.SELL
CALM: Prices = (100, 100, 100, 100)


def test_a_market_order_after_a_close_fills_at_the_next_open() -> None:
    replay = Replay((90, 95, 85, 93), (100, 110, 90, 105))
    replay.step()

    order = replay.place(BUY, OrderType.MARKET)

    assert replay.fills() == [("buy", "100.00", False)]
    assert order.created_ms == START_MS + MINUTE_MS


def test_stop_loss_comes_before_take_profit_inside_one_candle() -> None:
    replay = Replay((100, 115, 85, 110), CALM)
    loss, profit = replay.oco("90", "110")

    replay.step()

    assert replay.fills() == [("sell", "90", False)]
    assert (loss.status, profit.status) == (OrderStatus.FILLED, OrderStatus.EXPIRED)


def test_exits_may_fire_on_the_entry_s_own_candle() -> None:
    replay = Replay((100, 100, 85, 90), CALM)
    replay.place(BUY, OrderType.MARKET)
    replay.oco("90", "110")

    replay.step()

    assert replay.fills() == [("buy", "100.00", False), ("sell", "90", False)]


def test_an_open_beyond_the_stop_fills_at_the_open() -> None:
    replay = Replay(CALM, (85, 95, 80, 90), CALM)
    replay.place(SELL, OrderType.STOP_LOSS, trigger_price=Decimal(90))
    replay.step()

    replay.step()

    assert replay.fills() == [("sell", "85.00", False)]


@pytest.mark.parametrize(
    ("candle", "filled"),
    [
        ((100, 110, 99, 100), []),
        ((100, 110.01, 99, 100), [("sell", "110", True)]),
        ((120, 121, 119, 120), [("sell", "110", True)]),
    ],
)
def test_a_take_profit_fills_at_its_price_when_traded_through(
    candle: Prices, filled: list[tuple[str, str, bool]]
) -> None:
    replay = Replay(CALM, candle, CALM)
    replay.place(SELL, OrderType.LIMIT, price=Decimal(110))
    replay.step()

    replay.step()

    assert replay.fills() == filled


def test_a_limit_buy_takes_at_the_open_or_rests_at_its_price() -> None:
    replay = Replay((100, 101, 94, 100), CALM)
    replay.place(BUY, OrderType.LIMIT, price=Decimal(102))
    replay.place(BUY, OrderType.LIMIT, price=Decimal(95))
    replay.place(BUY, OrderType.LIMIT, price=Decimal(94))

    replay.step()

    assert replay.fills() == [("buy", "100.00", False), ("buy", "95", True)]


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ({"order_type": OrderType.LIMIT, "price": Decimal(95)}, [("buy", "95", True)]),
        (
            {"order_type": OrderType.STOP_LOSS, "trigger_price": Decimal(105)},
            [("buy", "105", False)],
        ),
    ],
)
def test_after_an_entry_inside_a_candle_the_stop_may_fire_and_the_profit_may_not(
    entry: dict[str, object], expected: list[tuple[str, str, bool]]
) -> None:
    exits = (
        ExitTemplate(order_type=OrderType.LIMIT, trigger_price=Decimal(0), price=Decimal(110)),
        ExitTemplate(order_type=OrderType.STOP_LOSS, trigger_price=Decimal(90)),
    )
    for low, seen in ((91.0, expected), (89.0, [*expected, ("sell", "90", False)])):
        replay = Replay((100, 120, low, 115), CALM)
        replay.place(BUY, exits=exits, **entry)  # type: ignore[arg-type]

        replay.step()

        assert replay.fills() == seen


def test_a_trailing_stop_is_raised_by_the_high_and_hit_by_the_low() -> None:
    replay = Replay((100, 120, 107, 110), CALM)
    replay.place(SELL, OrderType.TRAILING_STOP, trailing_share=Decimal("0.1"))

    replay.step()

    assert replay.fills() == [("sell", "108.00", False)]


def test_a_stop_limit_fills_at_its_trigger_or_rests_for_another_candle() -> None:
    replay = Replay((100, 100, 85, 90), (90, 92, 89, 90), CALM)
    for price in (89, 91):
        replay.place(
            SELL,
            OrderType.STOP_LOSS_LIMIT,
            trigger_price=Decimal(90),
            price=Decimal(price),
            quantity=Decimal("0.5"),
        )

    replay.step()
    first = replay.fills()
    replay.step()

    assert first == [("sell", "90", False)]
    assert replay.fills() == [*first, ("sell", "91", True)]


def test_an_exit_signal_comes_before_the_stop() -> None:
    replay = Replay(CALM, (85, 95, 80, 90), CALM)
    loss, _profit = replay.oco("90", "110")
    replay.step()

    replay.exchange.engine.cancel(replay.account, loss, START_MS)
    replay.place(SELL, OrderType.MARKET)
    replay.step()

    assert replay.fills() == [("sell", "85.00", False)]


def test_a_hole_in_the_candles_is_jumped_over() -> None:
    replay = Replay(CALM, (110, 110, 110, 110))
    # The second candle opens much later.
    tape = replay.exchange.feed.tapes[0]  # type: ignore[attr-defined]
    tape._next_candle = tape._next_candle._replace(opened_ms=START_MS + 9 * MINUTE_MS)

    assert replay.step() is True
    assert replay.exchange.clock.now_ms() == START_MS + 9 * MINUTE_MS
    assert replay.place(BUY, OrderType.MARKET).status is OrderStatus.FILLED
    assert replay.step() is False
    assert replay.exchange.clock.now_ms() == START_MS + 10 * MINUTE_MS
