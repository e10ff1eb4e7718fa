"""Buying and selling: what one purchase and its sale make of the money. numba compiles this too."""

from typing import NamedTuple

from apps.backtests.engine.rules import (
    STOP,
    TARGET,
    Rules,
    enter,
    price_bought,
    price_sold,
    price_stopped,
    price_taken,
    round_down,
    stop_price,
    target_price,
)

#: Why a position was sold, besides STOP and TARGET.
SIGNAL, END = 4, 5
#: The exit row of a position that is still open.
OPEN = -1.0


class Position(NamedTuple):
    """What was bought at the open of candle `row`. `received` is `quantity` less a fee in coins, `cost` what
    left the cash. `cash` and `dust` are what there is besides."""

    row: float
    amount: float
    quantity: float
    received: float
    price: float
    stop: float
    target: float
    cost: float
    fee: float
    slippage: float
    cash: float
    dust: float


class Held(NamedTuple):
    """A position from purchase to sale. Rows are candles, money is in quote: `cash` and `coins` are what is
    there while it is held, `cash_after` and `dust_after` what is there then."""

    entry_row: float
    exit_row: float
    reason: float
    amount: float
    quantity: float
    sold: float
    entry_price: float
    exit_price: float
    stop: float
    target: float
    entry_fee: float
    exit_fee: float
    slippage: float
    cost: float
    pnl: float
    lowest: float
    highest: float
    cash: float
    coins: float
    cash_after: float
    dust_after: float


class Refused(NamedTuple):
    """An entry that was not made at the open of candle `row`, and why."""

    row: float
    denial: float
    amount: float
    price: float


def buy(
    rules: Rules,
    row: float,
    opened: float,
    wish: tuple[float, float, float],
    cash: float,
    dust: float,
) -> tuple[int, Position]:
    """Buy at the open: ACCEPTED or why not, and the position. The wish is an amount of quote to spend, and
    stop-loss and take-profit as fractions."""
    amount, stop_loss, take_profit = wish
    price = price_bought(rules, opened)
    stop = stop_price(rules, price, stop_loss)
    denial, quantity, received, cost, fee = enter(rules, amount, cash, price, stop)
    position = Position(
        row,
        amount,
        quantity,
        received,
        price,
        stop,
        target_price(rules, price, take_profit),
        cost,
        fee,
        quantity * (price - opened),
        # The last digits of an amount that takes everything may take a little more.
        max(0.0, cash - cost),
        dust,
    )
    return denial, position


def sell(
    rules: Rules,
    position: Position,
    row: float,
    reason: int,
    opened: float,
    lowest: float,
    highest: float,
) -> Held:
    """Sell what the market's step allows; the rest is dust. `opened` is the price that the market has come
    from: the open, or what a signal sells at."""
    if reason == STOP:
        reached = price_stopped(rules, opened, position.stop)
    elif reason == TARGET:
        reached = price_taken(rules, opened, position.target)
    else:
        reached = opened
    price = reached if reason == TARGET else price_sold(rules, reached)
    sold = round_down(position.received, rules.step_numerator, rules.step_denominator)
    proceeds = sold * price
    fee = proceeds * (rules.maker if reason == TARGET else rules.taker)
    return Held(
        position.row,
        row,
        float(reason),
        position.amount,
        position.quantity,
        sold,
        position.price,
        price,
        position.stop,
        position.target,
        position.fee,
        fee,
        position.slippage + sold * (reached - price),
        position.cost,
        proceeds - fee - position.cost,
        min(lowest, reached),
        max(highest, reached),
        position.cash,
        position.dust + position.received,
        position.cash + (proceeds - fee),
        position.dust + (position.received - sold),
    )


def keep(position: Position, close: float, lowest: float, highest: float) -> Held:
    """A position that is still open, at the last close."""
    coins = position.dust + position.received
    return Held(
        position.row,
        OPEN,
        OPEN,
        position.amount,
        position.quantity,
        0.0,
        position.price,
        0.0,
        position.stop,
        position.target,
        position.fee,
        0.0,
        position.slippage,
        position.cost,
        position.received * close - position.cost,
        lowest,
        highest,
        position.cash,
        coins,
        position.cash,
        coins,
    )
