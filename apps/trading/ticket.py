"""The manual ticket: a wish is checked, put in plain words, confirmed within seconds and placed once."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.core import signing
from django.db import transaction

from apps.accounts.models import User
from apps.brokers.models import Broker
from apps.core.formats import price, quantity, share
from apps.domain.environments import Environment
from apps.domain.markets import floor_to
from apps.domain.orders import OrderPurpose, OrderSide, OrderSource, OrderStatus, OrderType
from apps.domain.risk import DenialCode
from apps.markets.models import Symbol
from apps.markets.selectors import LastPrice, find_last_price
from apps.trading.gate import FEE_RATE, QUOTE_STEP, Signal, place
from apps.trading.models import Book, Order, Position, new_client_order_id

SALT = "aristobot.ticket"
NOT_PLACED = "Nothing was placed."
#: What a person types as one size; the gate's words about a size go beside it.
SIZE = "size"
_C = DenialCode
_DENIALS_OF = {
    SIZE: {
        _C.INSUFFICIENT_BALANCE,
        _C.BELOW_MINIMUM,
        _C.ABOVE_MAXIMUM,
        _C.NOT_SELLABLE,
        _C.INVALID_SIZE,
        _C.ORDER_TOO_LARGE,
        _C.POSITION_TOO_LARGE,
    },
    "side": {_C.NO_POSITION, _C.POSITION_OPEN, _C.POSITION_CHANGED},
    "price": {_C.PRICE_OFF},
    "broker": {_C.BROKER_INACTIVE, _C.AUTOMATION_OFF, _C.UNKNOWN_BALANCE, _C.NOT_RECONCILED},
    "symbol": {_C.MARKET_CLOSED, _C.STALE_DATA, _C.IN_FLIGHT},
}
FIELD_OF_DENIAL = {code: field for field, codes in _DENIALS_OF.items() for code in codes}


class Unconfirmed(Exception):
    """A confirmation that is too old, was tampered with, or is somebody else's; its words are for people."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One thing that is wrong with a wish: which field it is about, empty for the whole, and words."""

    field: str
    words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What a person typed; an amount that is missing, or could not be read, is None. `stop_loss` and
    `take_profit` are fractions of the entry price."""

    broker: Broker
    symbol: Symbol
    side: OrderSide
    order_type: OrderType
    quantity: Decimal | None = None
    value: Decimal | None = None
    price: Decimal | None = None
    trigger_price: Decimal | None = None
    stop_loss: Decimal | None = None
    take_profit: Decimal | None = None

    @property
    def buys(self) -> bool:
        """It opens a position, or adds to one."""
        return self.side is OrderSide.BUY


@dataclass(frozen=True, slots=True, kw_only=True)
class Reckoning:
    """The numbers of a wish at the price it will trade at: its own limit or trigger, or the last price.
    None is what can't be known yet."""

    last: LastPrice | None
    expected_price: Decimal | None
    quantity: Decimal | None
    value: Decimal | None

    @property
    def fee(self) -> Decimal | None:
        """About what the exchange takes, in quote."""
        return None if self.value is None else self.value * FEE_RATE


@dataclass(frozen=True, slots=True, kw_only=True)
class Quote:
    """A wish without faults in plain words, and the token that confirms exactly this one."""

    wish: Wish
    reckoning: Reckoning
    lines: list[str]
    token: str
    seconds: int

    @property
    def is_real_money(self) -> bool:
        """Whether what is lost here is lost."""
        return Environment(self.wish.broker.environment) is Environment.LIVE


def reckon(wish: Wish) -> Reckoning:
    """Quantity from value or value from quantity, on the market's grid."""
    last = find_last_price(wish.symbol)
    expected = wish.price or wish.trigger_price or (last.price if last else None)
    size, value = wish.quantity, wish.value
    if expected:
        market = wish.symbol.to_market()
        at_market = not wish.order_type.has_limit_price
        if value is not None and size is None:
            size = market.round_quantity(value / expected, at_market=at_market)
        elif size is not None and value is None:
            size = market.round_quantity(size, at_market=at_market)
            value = size * expected
    return Reckoning(last=last, expected_price=expected, quantity=size, value=value)


def find_problems(wish: Wish, *, now: datetime) -> list[Problem]:
    """Everything that is wrong with it, the gate's opinion included once the rest is right: the gate is
    asked for real, and what it did is undone."""
    mistakes = list(_find_mistakes(wish))
    if mistakes:
        return mistakes
    denial = _rehearse(wish, now=now)
    return [denial] if denial else []


def make_quote(wish: Wish, *, user: User, now: datetime) -> Quote:
    """The wish in words and its confirmation, good for CONFIRMATION_SECONDS and for this user."""
    seconds: int = settings.CONFIRMATION_SECONDS
    token = signing.dumps(
        {
            "id": new_client_order_id(),
            "user": user.pk,
            "until": (now + timedelta(seconds=seconds)).timestamp(),
            "version": _version(wish),
            "wish": _to_json(wish),
        },
        salt=SALT,
    )
    reckoning = reckon(wish)
    return Quote(
        wish=wish,
        reckoning=reckoning,
        lines=list(_describe(wish, reckoning)),
        token=token,
        seconds=seconds,
    )


def execute(*, user: User, token: str, now: datetime) -> Order:
    """Place what was confirmed; the same token again gives the same order. Raises Unconfirmed."""
    try:
        confirmed: dict[str, Any] = signing.loads(token, salt=SALT)
    except signing.BadSignature as error:
        raise Unconfirmed(f"This is no confirmation of ours. {NOT_PLACED}") from error
    if confirmed["user"] != user.pk:
        raise Unconfirmed(f"Somebody else was asked to confirm this. {NOT_PLACED}")
    key = f"ticket-{confirmed['id']}"
    earlier = Order.objects.for_user(user).filter(dedup_key=key).first()
    if earlier:
        return earlier
    until = datetime.fromtimestamp(confirmed["until"], UTC)
    if now > until:
        seconds = settings.CONFIRMATION_SECONDS
        raise Unconfirmed(f"It was not confirmed within {seconds} s. {NOT_PLACED} Validate again.")
    wish = _from_json(user, confirmed["wish"])
    mistakes = list(_find_mistakes(wish))
    if mistakes:
        raise Unconfirmed(" ".join([*(mistake.words for mistake in mistakes), NOT_PLACED]))
    return _place(wish, key=key, version=confirmed["version"], now=now)


def close_position(*, position: Position, key: str, now: datetime) -> Order:
    """Sell all of it at market; the same key again gives the same order. A price nobody follows any more
    is no obstacle: the entry price stands in for it."""
    last = find_last_price(position.symbol)
    signal = Signal(
        side=OrderSide.SELL,
        order_type=OrderType.MARKET,
        purpose=OrderPurpose.EXIT,
        source=OrderSource.MANUAL,
        dedup_key=f"close-{position.pk}-{key}",
        reason="Closed by hand.",
        reference_price=(last.price if last else None)
        or position.to_holding().average_price
        or position.symbol.tick_size,
        valid_until=now + timedelta(seconds=settings.CONFIRMATION_SECONDS),
    )
    return place(book=position.book, symbol=position.symbol, signal=signal, now=now)


def manual_book(broker: Broker) -> Book:
    """The book of what a person trades by hand on this broker, made when it is first needed."""
    return Book.objects.get_or_create(
        broker=broker,
        kind=Book.Kind.MANUAL,
        defaults={"owner_id": broker.owner_id, "label": "Manual trading"},
    )[0]


def find_manual_position(broker: Broker, symbol: Symbol) -> Position | None:
    """What was bought by hand and is not sold yet."""
    return Position.objects.filter(
        book__broker=broker, book__kind=Book.Kind.MANUAL, symbol=symbol, closed_at=None
    ).first()


def _find_mistakes(wish: Wish) -> Iterator[Problem]:
    """What can be said without the gate, all of it at once."""
    if (wish.quantity is None) == (wish.value is None):
        words = "Give a quantity or a value." if wish.value is None else "Give one of the two."
        yield Problem(field="quantity", words=words)
    if wish.order_type.has_limit_price and wish.price is None:
        yield Problem(field="price", words="A limit order needs its price.")
    if wish.order_type.is_conditional and wish.trigger_price is None:
        yield Problem(field="trigger_price", words="Say at which price it wakes up.")
    reckoning = reckon(wish)
    if reckoning.last is None:
        words = "No price is known of it: its market is followed, but no candle has come yet."
        yield Problem(field="symbol", words=words)
    if wish.buys:
        yield from _find_missing_money(wish, reckoning)
    else:
        yield from _find_missing_coins(wish, reckoning)


def _find_missing_money(wish: Wish, reckoning: Reckoning) -> Iterator[Problem]:
    quote = wish.symbol.quote
    if reckoning.value is None or wish.broker.balances_as_of is None:
        return
    row = wish.broker.balances.filter(asset=quote).first()
    free = row.free if row else Decimal(0)
    needed = reckoning.value
    if needed > free:
        words = f"This needs {price(needed)} {quote}, and {price(free)} {quote} are free."
        yield Problem(field=SIZE, words=words)


def _find_missing_coins(wish: Wish, reckoning: Reckoning) -> Iterator[Problem]:
    base = wish.symbol.base
    position = find_manual_position(wish.broker, wish.symbol)
    if position is None:
        yield Problem(
            field="side",
            words=f"You hold no {base} bought by hand on {wish.broker}. What a strategy holds is sold"
            " on the Positions page; what came from elsewhere is sold where it came from.",
        )
    elif reckoning.quantity is not None and reckoning.quantity > position.quantity:
        held = f"{quantity(position.quantity)} {base}"
        yield Problem(field=SIZE, words=f"Only {held} bought by hand can be sold here.")
    if wish.stop_loss or wish.take_profit:
        words = "A sale ends the position: there is nothing left to protect."
        yield Problem(field="stop_loss" if wish.stop_loss else "take_profit", words=words)


def _rehearse(wish: Wish, *, now: datetime) -> Problem | None:
    """What the gate would say to it now."""
    with transaction.atomic():
        key = f"rehearsal-{new_client_order_id()}"
        order = _place(wish, key=key, version=_version(wish), now=now)
        said = order.events.last() if order.status == OrderStatus.DENIED else None
        transaction.set_rollback(True)
    if said is None:
        return None
    code = DenialCode(order.denial_code)
    return Problem(field=FIELD_OF_DENIAL.get(code, ""), words=said.message)


def _version(wish: Wish) -> int | None:
    """Of the position that a sale is about: one that has changed since is not sold on an old idea of it."""
    position = None if wish.buys else find_manual_position(wish.broker, wish.symbol)
    return position.version if position else None


def _place(wish: Wish, *, key: str, version: int | None, now: datetime) -> Order:
    """Through the gate. A market buy is sent as the amount to spend, which every exchange takes and which
    is never more than what was confirmed."""
    reckoning = reckon(wish)
    assert reckoning.last  # noqa: S101  only wishes with a price are placed
    spends = wish.buys and wish.order_type is OrderType.MARKET
    signal = Signal(
        side=wish.side,
        order_type=wish.order_type,
        purpose=OrderPurpose.ENTRY if wish.buys else OrderPurpose.EXIT,
        source=OrderSource.MANUAL,
        dedup_key=key,
        reason="Placed by hand.",
        reference_price=reckoning.last.price,
        valid_until=now + timedelta(seconds=settings.CONFIRMATION_SECONDS),
        quantity=None if spends else reckoning.quantity,
        quote_amount=floor_to(reckoning.value or Decimal(0), QUOTE_STEP) if spends else None,
        price=wish.price,
        trigger_price=wish.trigger_price,
        stop_loss=wish.stop_loss,
        take_profit=wish.take_profit,
        position_version=version,
    )
    return place(book=manual_book(wish.broker), symbol=wish.symbol, signal=signal, now=now)


def _describe(wish: Wish, reckoning: Reckoning) -> Iterator[str]:
    """What will be sent and what it will cost, for somebody who reads nothing else."""
    base, quote = wish.symbol.base, wish.symbol.quote
    size = f"{quantity(reckoning.quantity)} {base}"
    worth = f"{price(reckoning.value)} {quote}"
    yield f"{'Buy' if wish.buys else 'Sell'} {size} {_how(wish)} for about {worth} on {wish.broker}."
    if reckoning.last:
        seen = f"{price(reckoning.last.price)} {quote} at {reckoning.last.at:%H:%M:%S} UTC"
        yield f"Last price {seen}, fee about {price(reckoning.fee)} {quote}."
    if dust := _dust(wish, reckoning):
        yield f"{quantity(dust)} {base} will be left that are too little to sell."
    if wish.stop_loss or wish.take_profit:
        yield f"Once it is filled, {' and '.join(_protections(wish))}."
    yield f"{Environment(wish.broker.environment).money}."


def _how(wish: Wish) -> str:
    quote = wish.symbol.quote
    limit = f"at {price(wish.price)} {quote} or better"
    wakes = f"once the price reaches {price(wish.trigger_price)} {quote}"
    if not wish.order_type.is_conditional:
        return limit if wish.price else "at market"
    return f"{wakes}, {limit}," if wish.price else f"{wakes}, at market,"


def _protections(wish: Wish) -> Iterator[str]:
    if wish.stop_loss:
        yield f"a stop-loss {share(wish.stop_loss)} below its price"
    if wish.take_profit:
        yield f"a take-profit {share(wish.take_profit)} above it"


def _dust(wish: Wish, reckoning: Reckoning) -> Decimal | None:
    """What could never be sold: the fee and the market's step leave it."""
    if reckoning.quantity is None or reckoning.expected_price is None:
        return None
    market = wish.symbol.to_market()
    if wish.buys:
        bought = reckoning.quantity * (1 - FEE_RATE)
        return bought - market.round_quantity(bought)
    position = find_manual_position(wish.broker, wish.symbol)
    left = position.quantity - reckoning.quantity if position else Decimal(0)
    return None if market.is_sellable(left, reckoning.expected_price) else left


_AMOUNTS = ("quantity", "value", "price", "trigger_price", "stop_loss", "take_profit")


def _to_json(wish: Wish) -> dict[str, Any]:
    amounts = {name: getattr(wish, name) for name in _AMOUNTS}
    return {
        "broker": wish.broker.pk,
        "symbol": wish.symbol.pk,
        "side": wish.side,
        "order_type": wish.order_type,
        **{name: str(amount) for name, amount in amounts.items() if amount is not None},
    }


def _from_json(user: User, values: dict[str, Any]) -> Wish:
    return Wish(
        broker=Broker.objects.for_user(user).get(pk=values["broker"]),
        symbol=Symbol.objects.get(pk=values["symbol"]),
        side=OrderSide(values["side"]),
        order_type=OrderType(values["order_type"]),
        **{name: Decimal(values[name]) for name in _AMOUNTS if name in values},
    )
