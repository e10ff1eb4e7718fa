"""The fill rules, numbered as docs/backtests.md numbers them, in each of the ways to run them.

Rules 6 and 7 are of orders that no strategy can place: the paper exchange's test_candle_rules has them."""

from dataclasses import replace
from decimal import Decimal

import pytest

from apps.backtests.engine.results import ExitReason, OrderKind
from apps.backtests.engine.settings import FeeIn, Fees, Mode
from apps.backtests.engine.tests.builders import CALM, HOUR_MS, MARKET, START_MS, history
from apps.backtests.engine.tests.conftest import Backtest
from apps.domain.risk import DenialCode

SIGNAL, STOP, TARGET = ExitReason.SIGNAL, ExitReason.STOP_LOSS, ExitReason.TAKE_PROFIT
GENEROUS = (Mode.OPTIMISTIC, Mode.PARITY)


# 0. Evaluation and size


def test_rule_0_quantity_is_the_amount_by_the_fill_price(backtest: Backtest) -> None:
    result = backtest(CALM, (80, 80, 80, 80), CALM, amount=100)

    assert result.open_trade is not None
    assert (result.open_trade.quantity, result.open_trade.entry_price) == (1.25, 80)


def test_rule_0_a_share_is_of_the_free_balance_of_that_moment(backtest: Backtest) -> None:
    result = backtest(CALM, CALM, (100, 100, 50, 50), *[(50, 50, 50, 50)] * 4,
                      long=[0, 4], exits=[2], amount=0, share=0.5)  # fmt: skip

    assert [order.amount for order in result.orders] == [500, None, 375]


def test_rule_0_stop_and_target_are_fractions_of_the_fill_price(backtest: Backtest) -> None:
    candles = CALM, (200, 200, 200, 200), (200, 200, 180, 190), CALM

    result = backtest(*candles, stop_loss=0.1, take_profit=0.5)

    assert result.trades[0].exit_price == 180


def test_rule_0_zero_is_no_stop_and_no_target(backtest: Backtest) -> None:
    result = backtest(CALM, CALM, (100, 900, 1, 100), CALM)

    assert result.trades == []
    assert result.open_trade is not None


def test_rule_0_after_a_stop_the_same_candle_may_decide_the_next_entry(backtest: Backtest) -> None:
    result = backtest(CALM, (100, 100, 89, 95), CALM, CALM, long=[0, 1], stop_loss=0.1)

    assert result.trades[0].exit_time == START_MS + HOUR_MS
    assert result.open_trade is not None
    assert result.open_trade.entry_time == START_MS + 2 * HOUR_MS


# 1. Market orders


def test_rule_1_a_signal_fills_at_the_next_open(backtest: Backtest) -> None:
    result = backtest((90, 95, 85, 93), (100, 110, 90, 105), (120, 120, 120, 120), exits=[1])

    trade = result.trades[0]
    assert (trade.entry_time, trade.entry_price) == (START_MS + HOUR_MS, 100)
    assert (trade.exit_time, trade.exit_price) == (START_MS + 2 * HOUR_MS, 120)
    assert trade.exit_reason is SIGNAL


def test_rule_1_a_signal_on_the_last_candle_fills_nothing(backtest: Backtest) -> None:
    assert backtest(CALM, CALM, long=[1]).orders == []


# 2. Stop and target inside one candle


@pytest.mark.parametrize(
    ("mode", "reason"), [("pessimistic", STOP), ("parity", STOP), ("optimistic", TARGET)]
)
def test_rule_2_the_mode_settles_what_a_candle_does_not_tell(
    backtest: Backtest, mode: str, reason: ExitReason
) -> None:
    candles = CALM, CALM, (100, 115, 85, 100)

    result = backtest(*candles, stop_loss=0.1, take_profit=0.1, mode=Mode(mode))

    assert result.trades[0].exit_reason is reason


@pytest.mark.parametrize(
    ("minutes", "reason"),
    [
        ([CALM, (100, 111, 100, 105), (105, 105, 85, 90)], TARGET),
        ([CALM, (100, 100, 85, 90), (90, 115, 90, 100)], STOP),
        ([CALM, (100, 111, 85, 90), CALM], STOP),
        ([CALM, CALM, CALM], STOP),
    ],
)
def test_rule_2_finer_candles_tell_which_came_first(
    backtest: Backtest, minutes: list[tuple[float, ...]], reason: ExitReason
) -> None:
    rows = [CALM] * 6 + minutes
    detail = history(*rows, duration_ms=HOUR_MS // 3)  # type: ignore[arg-type]

    result = backtest(
        CALM, CALM, (100, 115, 85, 100), stop_loss=0.1, take_profit=0.1, detail=detail
    )

    assert result.trades[0].exit_reason is reason


def test_rule_2_an_open_beyond_the_target_leaves_no_doubt(backtest: Backtest) -> None:
    result = backtest(CALM, CALM, (112, 115, 85, 100), stop_loss=0.1, take_profit=0.1)

    assert result.trades[0].exit_reason is TARGET


# 3. The entry's own candle


@pytest.mark.parametrize(
    ("candle", "reason"), [((100, 100, 85, 90), STOP), ((100, 115, 100, 105), TARGET)]
)
def test_rule_3_stop_and_target_may_fire_on_the_candle_of_the_entry(
    backtest: Backtest, candle: tuple[float, float, float, float], reason: ExitReason
) -> None:
    trade = backtest(CALM, candle, CALM, stop_loss=0.1, take_profit=0.1).trades[0]

    assert (trade.entry_time, trade.exit_reason) == (trade.exit_time, reason)


# 4. An open beyond the stop


@pytest.mark.parametrize(
    ("mode", "price"), [("pessimistic", 85), ("parity", 85), ("optimistic", 90)]
)
def test_rule_4_an_open_beyond_the_stop_fills_there(
    backtest: Backtest, mode: str, price: float
) -> None:
    result = backtest(CALM, CALM, (85, 95, 80, 90), stop_loss=0.1, mode=Mode(mode))

    assert result.trades[0].exit_price == price


# 5. The target


@pytest.mark.parametrize(
    ("mode", "price"), [("pessimistic", 110), ("parity", 120), ("optimistic", 120)]
)
def test_rule_5_a_target_fills_at_its_own_price_or_the_better_open(
    backtest: Backtest, mode: str, price: float
) -> None:
    result = backtest(CALM, CALM, (120, 121, 119, 120), take_profit=0.1, mode=Mode(mode))

    assert result.trades[0].exit_price == pytest.approx(price, rel=1e-15)


@pytest.mark.parametrize(("mode", "fills"), [("pessimistic", 0), ("parity", 1), ("optimistic", 1)])
def test_rule_5_a_touch_fills_in_the_generous_modes_only(
    backtest: Backtest, mode: str, fills: int
) -> None:
    result = backtest(CALM, CALM, (100, 150, 100, 100), CALM, take_profit=0.5, mode=Mode(mode))

    assert len(result.trades) == fills


def test_rule_5_a_target_is_a_maker(backtest: Backtest) -> None:
    fees = Fees(maker=0.001, taker=0.002)

    result = backtest(CALM, CALM, (120, 151, 119, 120), take_profit=0.5, fees=fees)

    order = result.orders[1]
    assert (order.kind, order.price, order.fee) == (OrderKind.LIMIT, 150, 150 * 0.001)


# 8. The exit signal


def test_rule_8_an_exit_signal_wins_over_what_the_candle_does_after_its_open(
    backtest: Backtest,
) -> None:
    candles = CALM, CALM, (100, 115, 85, 100), CALM

    trade = backtest(*candles, exits=[1], stop_loss=0.1, take_profit=0.1).trades[0]

    assert (trade.exit_price, trade.exit_reason) == (100, SIGNAL)


def test_rule_8_on_the_candle_of_the_signal_the_stop_comes_first(backtest: Backtest) -> None:
    candles = CALM, CALM, (100, 100, 85, 100), CALM

    trade = backtest(*candles, exits=[2], stop_loss=0.1).trades[0]

    assert (trade.exit_price, trade.exit_reason) == (90, STOP)


# 9. Fees


@pytest.mark.parametrize(
    ("candle", "gain"), [((110, 110, 110, 110), 0.097802), ((90, 90, 90, 90), -0.101798)]
)
def test_rule_9_fees_in_quote_come_on_top(
    backtest: Backtest, candle: tuple[float, float, float, float], gain: float
) -> None:
    fees = Fees(maker=0.001, taker=0.001)

    trade = backtest(CALM, CALM, candle, exits=[1], fees=fees, stop_loss=0.1).trades[0]

    assert trade.pnl / (100 * 1.001) == pytest.approx(gain, abs=5e-7)
    assert trade.fees == pytest.approx(0.1 + candle[0] * 0.001)


def test_rule_9_a_fee_in_coins_comes_off_them(backtest: Backtest) -> None:
    fees = Fees(maker=0.001, taker=0.001, fee_in=FeeIn.BASE)

    trade = backtest(CALM, CALM, (110, 110, 110, 110), exits=[1], fees=fees).trades[0]

    assert trade.pnl == pytest.approx(0.999 * 110 * 0.999 - 100)


def test_rule_9_parity_always_pays_in_quote(backtest: Backtest) -> None:
    fees = Fees(maker=0.001, taker=0.001, fee_in=FeeIn.BASE)

    result = backtest(CALM, CALM, CALM, fees=fees, mode=Mode.PARITY)

    assert result.equity[-1] == 1000 - 0.1


# 10. Slippage


def test_rule_10_every_taker_slips_against_the_user(backtest: Backtest) -> None:
    result = backtest(CALM, CALM, (200, 200, 200, 200), exits=[1], slippage_bps=50)

    assert [order.price for order in result.orders] == [100.49999999999999, 199]
    assert result.metrics["slippage"] == pytest.approx(100 / 100.5 * (0.5 + 1))


def test_rule_10_a_stop_slips_and_a_target_does_not(backtest: Backtest) -> None:
    stopped = backtest(CALM, CALM, (100, 100, 50, 60), stop_loss=0.25, slippage_bps=100)
    taken = backtest(CALM, CALM, (100, 200, 100, 100), take_profit=0.25, slippage_bps=100)

    assert stopped.trades[0].exit_price == pytest.approx(101 * 0.75 * 0.99)
    assert taken.trades[0].exit_price == 101 * 1.25


def test_rule_10_stop_and_target_follow_the_fill_with_its_slippage(backtest: Backtest) -> None:
    result = backtest(CALM, CALM, CALM, stop_loss=0.5, slippage_bps=100)

    assert result.positions["stop"][0] == 50.5


@pytest.mark.parametrize("mode", GENEROUS)
def test_rule_10_nothing_slips_in_the_generous_modes(backtest: Backtest, mode: Mode) -> None:
    assert backtest(CALM, CALM, slippage_bps=50, mode=mode).orders[0].price == 100


# 11. The market's rules


def test_rule_11_quantities_round_down_to_the_step(backtest: Backtest) -> None:
    result = backtest(CALM, (30, 30, 30, 30), market=MARKET)

    assert result.orders[0].quantity == 3.33
    assert result.equity[-1] == pytest.approx(1000)


def test_rule_11_decimal_quantities_lose_no_step_to_binary_ones(backtest: Backtest) -> None:
    assert backtest(CALM, CALM, CALM, amount=29, market=MARKET).orders[0].quantity == 0.29


@pytest.mark.parametrize(("price", "amount"), [(100, 1.99), (100, 4.99), (1, 4.99)])
def test_rule_11_what_is_too_small_is_refused_and_listed(
    backtest: Backtest, price: float, amount: float
) -> None:
    result = backtest(CALM, (price,) * 4, CALM, amount=amount, market=MARKET)

    order = result.orders[0]
    assert (order.denial, order.amount) == (DenialCode.BELOW_MINIMUM, amount)
    assert (order.time, order.quantity) == (START_MS + HOUR_MS, 0)
    assert result.metrics["refused_orders"] == 1
    assert result.equity[-1] == 1000


def test_rule_11_exactly_the_minimum_is_enough(backtest: Backtest) -> None:
    assert backtest(CALM, CALM, CALM, amount=5, market=MARKET).orders[0].denial is None


def test_rule_11_what_is_too_large_is_refused(backtest: Backtest) -> None:
    result = backtest(CALM, (0.5,) * 4, CALM, amount=501, market=MARKET)

    assert result.orders[0].denial is DenialCode.ABOVE_MAXIMUM


def test_rule_11_what_could_not_be_sold_at_its_stop_is_refused(backtest: Backtest) -> None:
    result = backtest(CALM, CALM, CALM, amount=5, stop_loss=0.1, market=MARKET)

    assert result.orders[0].denial is DenialCode.NOT_SELLABLE


def test_rule_11_dust_stays_in_the_balance(backtest: Backtest) -> None:
    fees = Fees(maker=0.0, taker=0.001, fee_in=FeeIn.BASE)

    result = backtest(CALM, CALM, CALM, CALM, exits=[1], market=MARKET, fees=fees)

    order = result.orders[1]
    assert order.quantity == 0.99
    assert result.positions["dust_after"][0] == pytest.approx(0.009)
    assert result.equity[-1] == pytest.approx(1000 - 100 + 99 * 0.999 + 0.9)


def test_rule_11_the_stop_rounds_down_to_the_tick_and_the_target_up(backtest: Backtest) -> None:
    result = backtest(CALM, CALM, CALM, stop_loss=0.0123, take_profit=0.0123, market=MARKET)

    assert (result.positions["stop"][0], result.positions["target"][0]) == (98.7, 101.3)


def test_rule_11_the_stricter_of_two_steps_holds(backtest: Backtest) -> None:
    market = replace(MARKET, market_step_size=Decimal("0.5"))

    assert backtest(CALM, CALM, CALM, amount=180, market=market).orders[0].quantity == 1.5


# 12. Cash


def test_rule_12_an_order_is_cut_to_what_is_affordable_with_its_fee(backtest: Backtest) -> None:
    fees = Fees(maker=0.0, taker=0.25)

    result = backtest(CALM, CALM, CALM, amount=5000, fees=fees)

    order = result.orders[0]
    assert (order.amount, order.quantity, order.fee) == (5000, 8, 200)
    assert result.equity[-1] == 800


def test_rule_12_what_is_not_affordable_is_refused(backtest: Backtest) -> None:
    result = backtest(CALM, CALM, CALM, amount=5000, balance=4.0, market=MARKET)

    assert result.orders[0].denial is DenialCode.INSUFFICIENT_BALANCE


# 13. The end


def test_rule_13_an_open_position_is_marked_at_the_last_close(backtest: Backtest) -> None:
    result = backtest(CALM, CALM, (100, 130, 100, 130))

    assert result.trades == []
    assert result.open_trade is not None
    assert (result.open_trade.pnl, result.open_trade.exit_time) == (30, None)
    assert result.equity.tolist() == [1000, 1000, 1030]
    assert (result.metrics["trades"], result.metrics["open_trades"]) == (0, 1)


def test_rule_13_finalize_sells_at_the_last_close(backtest: Backtest) -> None:
    fees = Fees(maker=0.0, taker=0.1)

    result = backtest(CALM, CALM, (100, 130, 100, 130), finalize=True, fees=fees)

    trade = result.trades[0]
    assert (trade.exit_price, trade.exit_reason) == (130, ExitReason.END)
    assert trade.exit_time == START_MS + 2 * HOUR_MS
    assert result.equity[-1] == 1000 - 110 + 117
    assert result.open_trade is None


# 14. No short positions


def test_rule_14_an_exit_signal_without_a_position_does_nothing(backtest: Backtest) -> None:
    assert backtest(CALM, CALM, CALM, long=[], exits=[0, 1]).orders == []
