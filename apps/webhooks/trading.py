"""What one webhook does: its verb, by way of the order gate and the protection of positions."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from django.conf import settings
from django.db.models import Value
from django.db.models.functions import Replace

from apps.core.formats import price, quantity
from apps.domain.candles import Timeframe
from apps.domain.environments import Environment
from apps.domain.orders import (
    OrderPurpose,
    OrderSide,
    OrderSource,
    OrderStatus,
    OrderType,
)
from apps.markets.models import Symbol
from apps.markets.selectors import find_last_price
from apps.markets.services import follow
from apps.trading.gate import Signal, place
from apps.trading.models import Book, Order, Position
from apps.trading.path import lock_order, request_cancel
from apps.trading.protection import Keep, set_exit_prices
from apps.webhooks.models import Webhook, WebhookSource
from apps.webhooks.reading import BadBody, Message, read_message, read_price
from apps.webhooks.symbols import find_symbol
from apps.webhooks.verbs import Verb

#: The longest bar of a chart whose webhooks do not name theirs.
LONGEST_BAR = timedelta(days=1)
WHOLE = Decimal(100)
_RESTING = (OrderStatus.OPEN, OrderStatus.PARTIALLY_FILLED)


class Refused(Exception):
    """A webhook that is not traded; its words say why and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of a webhook, in words, with the order it was made for."""

    is_done: bool
    words: str
    order: Order | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Case:
    """A webhook with what it means here; `last` is the market's last price, None where it is unknown."""

    webhook: Webhook
    message: Message
    book: Book
    symbol: Symbol
    last: Decimal | None
    now: datetime

    @property
    def position(self) -> Position | None:
        return Position.objects.filter(book=self.book, symbol=self.symbol, closed_at=None).first()


def is_in_flight(webhook: Webhook, now: datetime) -> bool:
    """Whether an order is on its way that decides what this one finds, a position or none. It is waited
    for, but no longer than a webhook may be old."""
    if webhook.destination is None or now - webhook.received_at > _most_age():
        return False
    unsettled = Order.objects.annotate(pair=Replace("symbol__name", Value("/"))).filter(
        book=webhook.destination.book_id,
        pair=webhook.symbol_name,
        purpose__in=(OrderPurpose.ENTRY, OrderPurpose.EXIT),
        is_settled=False,
    )
    return unsettled.exclude(status__in=_RESTING).exists()


def carry_out(webhook: Webhook, now: datetime) -> Outcome:
    """Do what a webhook asks for, as far as that may be done now."""
    try:
        _check(webhook)
        case = _make_case(webhook, now)
        if case.message.verb is Verb.MAJ:
            return _move_exits(case)
        return _buy(case) if case.message.verb.buys else _sell(case)
    except (Refused, BadBody) as refusal:
        return Outcome(is_done=False, words=str(refusal))


def _most_age() -> timedelta:
    return timedelta(seconds=settings.WEBHOOK_SECONDS)


def _check(webhook: Webhook) -> None:
    """Raise Refused where its source may not trade now, or it speaks of another time."""
    source = webhook.source
    if source.state == WebhookSource.State.PAUSED:
        raise Refused(
            "The source is paused, since webhooks were missing. Resume it when they come again."
        )
    if source.state != WebhookSource.State.ACTIVE:
        raise Refused("The source is switched off. Switch it on to trade.")
    if webhook.destination is None or not webhook.destination.is_allowed:
        raise Refused("The source may not trade on this broker any more.")
    if webhook.bar_at is None:
        return
    bar = webhook.interval or source.interval or LONGEST_BAR
    age = webhook.received_at - webhook.bar_at
    if age > bar + _most_age():
        raise Refused(f"Too old: its bar of {webhook.bar_at:%Y-%m-%d %H:%M} UTC had long closed.")
    if -age > bar + _most_age():
        raise Refused(f"Its bar of {webhook.bar_at:%Y-%m-%d %H:%M} UTC lies in the future.")


def _make_case(webhook: Webhook, now: datetime) -> _Case:
    assert webhook.destination  # noqa: S101  checked before
    message = read_message(webhook.fields)
    book = webhook.destination.book
    symbol = find_symbol(book.broker, message)
    last = find_last_price(symbol)
    return _Case(
        webhook=webhook,
        message=message,
        book=book,
        symbol=symbol,
        last=last.price if last else None,
        now=now,
    )


def _buy(case: _Case) -> Outcome:
    broker, message = case.book.broker, case.message
    if case.webhook.source.is_paper_only and Environment(broker.environment) is Environment.LIVE:
        raise Refused(
            f"The source trades paper and testnet money first, and {broker} holds real money. Switch that"
            " off on the source's page."
        )
    if case.last is None:
        # From the next webhook on its prices are compared with the market's.
        follow(case.symbol, Timeframe.M1)
    reference = message.price if message.verb.has_limit else case.last
    reference = reference or message.price or read_price(case.webhook.fields, "Close")
    if reference is None:
        raise Refused("No price of the symbol is known yet. Send Prix or Close as well.")
    _check_exits(message, reference)
    return _place(case, reference, OrderPurpose.ENTRY)


def _sell(case: _Case) -> Outcome:
    """A sale at market takes the place of one that rests at a limit; one of everything also calls off what
    would buy again."""
    message, position = case.message, case.position
    called_off = 0
    if message.verb is Verb.SELL_MARKET and message.percent == WHOLE:
        called_off = _call_off(case, OrderPurpose.ENTRY)
    if position is None:
        if called_off:
            return Outcome(is_done=True, words="Nothing was held; what was to buy is called off.")
        raise Refused(f"Nothing of {case.symbol} is held here: there is nothing to sell.")
    entry_price = position.to_holding().average_price
    reference = message.price if message.verb.has_limit else case.last
    return _place(case, reference or entry_price or case.symbol.tick_size, OrderPurpose.EXIT)


def _call_off(case: _Case, purpose: OrderPurpose) -> int:
    orders = Order.objects.filter(
        book=case.book, symbol=case.symbol, purpose=purpose, is_settled=False
    )
    for order_id in orders.values_list("pk", flat=True):
        request_cancel(order_id=order_id, now=case.now, reason=f"Webhook {case.webhook.pk} sells.")
    return len(orders)


def _place(case: _Case, reference: Decimal, purpose: OrderPurpose) -> Outcome:
    message, webhook = case.message, case.webhook
    buys = purpose is OrderPurpose.ENTRY
    resting = None if buys else _lock_resting_exit(case)
    limit = message.price if message.verb.has_limit else None
    signal = Signal(
        side=OrderSide.BUY if buys else OrderSide.SELL,
        order_type=OrderType.LIMIT if limit else OrderType.MARKET,
        purpose=purpose,
        source=OrderSource.WEBHOOK,
        dedup_key=f"webhook-{webhook.pk}",
        reason=f"{message.verb} of {quantity(message.percent)} % by {webhook.source}.",
        reference_price=reference,
        valid_until=webhook.received_at + _most_age(),
        share=message.percent / WHOLE,
        price=limit and case.symbol.to_market().round_price(limit),
        stop_loss_price=message.stop_loss if buys else None,
        take_profit_price=message.take_profit if buys else None,
        replaces=resting,
        owner_id=webhook.owner_id,
    )
    order = place(book=case.book, symbol=case.symbol, signal=signal, now=case.now)
    if order.status == OrderStatus.DENIED:
        return Outcome(is_done=False, words=f"Denied: {order.denial_words}", order=order)
    if resting:
        reason = f"Order {order.pk} takes its place."
        request_cancel(order_id=resting.pk, now=case.now, reason=reason)
    return Outcome(is_done=True, words=f"Order {order.pk}: {signal.reason}", order=order)


def _lock_resting_exit(case: _Case) -> Order | None:
    """The sale that rests at a limit, which a newer one replaces; orders are locked before their broker."""
    exits = Order.objects.filter(
        book=case.book, symbol=case.symbol, purpose=OrderPurpose.EXIT, status__in=_RESTING
    )
    newest = exits.order_by("-pk").values_list("pk", flat=True).first()
    return lock_order(newest) if newest else None


def _move_exits(case: _Case) -> Outcome:
    position, message = case.position, case.message
    if position is None:
        words = f"Nothing of {case.symbol} is held here: there is nothing to protect."
        return Outcome(is_done=True, words=words)
    if case.last:
        _check_exits(message, case.last)
    set_exit_prices(
        position=position,
        stop_loss=Keep.KEEP if message.stop_loss is None else message.stop_loss,
        take_profit=Keep.KEEP if message.take_profit is None else message.take_profit,
        now=case.now,
    )
    given = (("stop-loss", message.stop_loss), ("take-profit", message.take_profit))
    moves = [f"the {name} is at {price(value)}" for name, value in given if value is not None]
    return Outcome(is_done=True, words=f"From now on {' and '.join(moves)}.")


def _check_exits(message: Message, reference: Decimal) -> None:
    """Exits on the wrong side of the market would sell at once: nobody means that by them."""
    if message.stop_loss is not None and message.stop_loss >= reference:
        words = f"{price(message.stop_loss)} is not below the price, which is {price(reference)}."
        raise BadBody(words, field="PrixSL")
    if message.take_profit is not None and message.take_profit <= reference:
        words = f"{price(message.take_profit)} is not above the price, which is {price(reference)}."
        raise BadBody(words, field="PrixTP")
