"""What becomes of one order or one position in one candle: numbers in, numbers out.

The simulation and the kernel both settle everything here, so that each rule stands once. numba compiles it,
hence the plain style. A position without stop-loss has its stop at 0, without take-profit its target at
infinity.
"""

import math
from decimal import Decimal
from typing import NamedTuple

from apps.backtests.engine.settings import FeeIn, Mode, Settings

#: What a candle does to a position; BOTH where it doesn't tell whether stop or target came first.
NOTHING, STOP, TARGET, BOTH = 0, 1, 2, 3
#: Why an entry is refused.
ACCEPTED, NO_CASH, BELOW_MINIMUM, ABOVE_MAXIMUM, NOT_SELLABLE = 0, 1, 2, 3, 4
#: Binary numbers miss decimal ones in their last digits: what is as near to a whole number is one.
NOISE = 2e-15
#: From here on every float is a whole number.
WHOLE = 2.0**53


class Rules(NamedTuple):
    """Settings as numbers. Steps and ticks are fractions of whole numbers, so that multiples of them are
    exact; without such a rule the numerator is 0. `generous` fills a resting order at a touch, and at the
    open where that is better."""

    maker: float
    taker: float
    fee_in_base: bool
    slip: float
    generous: bool
    target_first: bool
    stop_keeps_price: bool
    step_numerator: float
    step_denominator: float
    tick_numerator: float
    tick_denominator: float
    min_quantity: float
    max_quantity: float
    min_notional: float
    max_notional: float
    finalize: bool


def rules_of(settings: Settings) -> Rules:
    """The numbers of these settings in their mode."""
    mode, fees, market = settings.mode, settings.fees, settings.market
    step = max(market.step_size, market.market_step_size) if market else Decimal(0)
    tick = market.tick_size if market else Decimal(0)
    step_numerator, step_denominator = step.as_integer_ratio()
    tick_numerator, tick_denominator = tick.as_integer_ratio()
    return Rules(
        maker=fees.maker,
        taker=fees.taker,
        fee_in_base=fees.fee_in is FeeIn.BASE and mode is not Mode.PARITY,
        slip=settings.slippage_bps / 10_000 if mode is Mode.PESSIMISTIC else 0.0,
        generous=mode is not Mode.PESSIMISTIC,
        target_first=mode is Mode.OPTIMISTIC,
        stop_keeps_price=mode is Mode.OPTIMISTIC,
        step_numerator=float(step_numerator),
        step_denominator=float(step_denominator),
        tick_numerator=float(tick_numerator),
        tick_denominator=float(tick_denominator),
        min_quantity=float(max(market.min_quantity, market.market_min_quantity)) if market else 0.0,
        max_quantity=_limit(market.max_quantity, market.market_max_quantity)
        if market
        else math.inf,
        min_notional=float(market.min_notional) if market else 0.0,
        max_notional=_limit(market.max_notional) if market else math.inf,
        finalize=settings.finalize,
    )


def _limit(*limits: Decimal) -> float:
    return float(min(filter(None, limits), default=math.inf))


def count_steps(quotient: float) -> float:
    """How many whole steps there are in a quotient of amounts."""
    if quotient >= WHOLE:
        return quotient
    nearest = float(math.floor(quotient + 0.5))
    if abs(quotient - nearest) <= NOISE * nearest:
        return nearest
    return float(math.floor(quotient))


def round_down(value: float, numerator: float, denominator: float) -> float:
    """The largest multiple of a step that is not above a value, as its decimal digits read."""
    if numerator == 0.0:
        return value
    return count_steps(value * denominator / numerator) * numerator / denominator


def round_up(value: float, numerator: float, denominator: float) -> float:
    """The smallest multiple of a step that is not below a value, as its decimal digits read."""
    if numerator == 0.0 or value == math.inf:
        return value
    quotient = value * denominator / numerator
    steps = count_steps(quotient)
    if quotient > steps * (1.0 + NOISE):
        steps += 1.0
    return steps * numerator / denominator


def price_bought(rules: Rules, price: float) -> float:
    """What a purchase at the market pays per unit."""
    return price * (1.0 + rules.slip)


def price_sold(rules: Rules, price: float) -> float:
    """What a sale at the market gets per unit."""
    return price * (1.0 - rules.slip)


def stop_price(rules: Rules, price: float, fraction: float) -> float:
    """Where the stop-loss of an entry at this price stands."""
    if fraction == 0.0:
        return 0.0
    return round_down(price * (1.0 - fraction), rules.tick_numerator, rules.tick_denominator)


def target_price(rules: Rules, price: float, fraction: float) -> float:
    """Where the take-profit of an entry at this price stands."""
    if fraction == 0.0:
        return math.inf
    return round_up(price * (1.0 + fraction), rules.tick_numerator, rules.tick_denominator)


def enter(
    rules: Rules, amount: float, cash: float, price: float, stop: float
) -> tuple[int, float, float, float, float]:
    """Spend an amount at a price: why not, else the quantity bought, what of it arrives, what that takes
    from the cash, and the fee in it, which is in quote."""
    most = cash if rules.fee_in_base else cash / (1.0 + rules.taker)
    wanted = min(amount, most)
    quantity = round_down(wanted / price, rules.step_numerator, rules.step_denominator)
    notional = quantity * price
    received = quantity * (1.0 - rules.taker) if rules.fee_in_base else quantity
    sellable = round_down(received, rules.step_numerator, rules.step_denominator)
    lowest = min(price, stop) if stop > 0.0 else price
    denial = ACCEPTED
    if quantity <= 0.0 or quantity < rules.min_quantity or falls_short(notional, rules):
        denial = NO_CASH if amount > most else BELOW_MINIMUM
    elif quantity > rules.max_quantity or notional > rules.max_notional:
        denial = ABOVE_MAXIMUM
    elif sellable < rules.min_quantity or falls_short(sellable * lowest, rules):
        denial = NOT_SELLABLE
    fee = notional * rules.taker
    cost = notional if rules.fee_in_base else notional + fee
    return denial, quantity, received, cost, fee


def falls_short(notional: float, rules: Rules) -> bool:
    """Whether an order is worth less than the market takes."""
    return notional < rules.min_notional * (1.0 - NOISE) or notional <= 0.0


def judge(rules: Rules, opened: float, high: float, low: float, stop: float, target: float) -> int:
    """What a candle does to a position that is held from its open on."""
    stops = low <= stop
    takes = high > target or (rules.generous and high >= target)
    if stops and takes:
        if opened <= stop:
            return STOP
        if opened > target or (rules.generous and opened >= target):
            return TARGET
        return BOTH
    if stops:
        return STOP
    return TARGET if takes else NOTHING


def settle_doubt(rules: Rules) -> int:
    """What counts as first where no candle tells."""
    return TARGET if rules.target_first else STOP


def price_stopped(rules: Rules, opened: float, stop: float) -> float:
    """What a stop-loss sells at, before slippage: an open beyond it is all that is left."""
    return stop if rules.stop_keeps_price else min(opened, stop)


def price_taken(rules: Rules, opened: float, target: float) -> float:
    """What a take-profit sells at: a resting limit gets its own price."""
    return max(opened, target) if rules.generous else target
