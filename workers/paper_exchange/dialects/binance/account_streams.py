"""Who hears of an account, and what he is told: orders, balances and order lists."""

import asyncio
import json
from typing import Protocol

from apps.domain.orders import OrderListKind, OrderStatus
from workers.paper_exchange.dialects.binance import account_rows, errors
from workers.paper_exchange.dialects.binance.changes import CANCEL_ID, FORMER_ID
from workers.paper_exchange.dialects.binance.filters import Row, plain
from workers.paper_exchange.dialects.binance.names import (
    expiry_word,
    self_trade_word,
    status_word,
    time_word,
    trailing_delta,
    type_word,
)
from workers.paper_exchange.events import Event, EventKind
from workers.paper_exchange.exchange import PaperExchange
from workers.paper_exchange.orders import ZERO, Account, EndReason, Fill, Order, OrderList, Phase

_ZERO = plain(ZERO)
_ENDINGS = {
    OrderStatus.CANCELLED: "CANCELED",
    OrderStatus.EXPIRED: "EXPIRED",
    OrderStatus.REJECTED: "REJECTED",
}


class Listener(Protocol):
    """A connection that hears of accounts."""

    def send(self, text: str) -> None:
        """Write a text frame."""


class AccountStreams:
    """Turns the engine's events into frames for the connections that listen to an account."""

    def __init__(self, exchange: PaperExchange) -> None:
        self._exchange = exchange
        self._listeners: dict[str, dict[Listener, int]] = {}
        self._changed: dict[str, set[str]] = {}
        self._last_id = -1
        exchange.engine.listeners.append(self.on_event)

    def subscribe(self, account: Account, listener: Listener) -> int:
        """Let a connection hear of an account; the number of the subscription.

        Raises BinanceError where it does already.
        """
        listeners = self._listeners.setdefault(account.key, {})
        if listener in listeners:
            raise errors.already_subscribed()
        self._last_id += 1
        listeners[listener] = self._last_id
        return self._last_id

    def unsubscribe(self, listener: Listener, subscription_id: int | None = None) -> None:
        """Forget one subscription of a connection, or all; raises BinanceError for an unknown one."""
        is_known = subscription_id is None
        for key, listeners in list(self._listeners.items()):
            if listener in listeners and subscription_id in {None, listeners[listener]}:
                del listeners[listener]
                is_known = True
            if not listeners:
                del self._listeners[key]
        if not is_known:
            raise errors.not_subscribed()

    def subscriptions(self, listener: Listener) -> list[int]:
        """The numbers of a connection's subscriptions."""
        return [each[listener] for each in self._listeners.values() if listener in each]

    def on_event(self, event: Event) -> None:
        """Tell who listens to the account; its balances follow when all is done."""
        account, order = event.account, event.order
        if account.key not in self._listeners or event.kind is EventKind.TRIGGERED:
            return
        now_ms = self._exchange.clock.now_ms()
        listed = account.lists.get(order.list_id)
        if listed is not None and _is_first(event, listed):
            self._send(account, _list_event(account, listed, now_ms))
        self._send(account, execution_report(event, now_ms))
        if listed is not None and not any(account.orders[i].is_open for i in listed.order_ids):
            self._send(account, _list_event(account, listed, now_ms))
        if not self._changed:
            asyncio.get_running_loop().call_soon(self._tell_balances)
        base, _, quote = order.symbol.partition("/")
        assets = {base, quote, event.fill.fee_asset} if event.fill else {base, quote}
        self._changed.setdefault(account.key, set()).update(assets)

    def _tell_balances(self) -> None:
        changed, self._changed = self._changed, {}
        for key, assets in changed.items():
            account = self._exchange.engine.accounts[key]
            self._send(account, _balances_event(account, assets, self._exchange.clock.now_ms()))

    def _send(self, account: Account, event: Row) -> None:
        for listener, number in list(self._listeners.get(account.key, {}).items()):
            frame = {"subscriptionId": number, "event": event}
            listener.send(json.dumps(frame, separators=(",", ":")))


def execution_report(event: Event, now_ms: int) -> Row:
    """What has happened to an order, in the exchange's one-letter names."""
    order, fill = event.order, event.fill
    name, former = _names(event)
    report: Row = {
        "e": "executionReport",
        "E": now_ms,
        "s": order.symbol.replace("/", ""),
        "c": name,
        "S": order.side.upper(),
        "o": type_word(order),
        "f": time_word(order),
        "q": plain(order.quantity),
        "p": plain(order.price),
        "P": plain(order.trigger_price),
        "F": _ZERO,
        "g": order.list_id or -1,
        "C": former,
        "x": _execution_word(event),
        "X": status_word(order),
        "r": "INSUFFICIENT_BALANCE" if order.end_reason is EndReason.NO_FUNDS else "NONE",
        "i": order.order_id,
        **_fill_fields(fill),
        "z": plain(order.filled_quantity),
        "T": order.updated_ms,
        "I": order.order_id,
        "w": order.phase is Phase.BOOK,
        "M": False,
        "O": order.created_ms,
        "Z": plain(order.filled_quote),
        "Q": plain(order.quote_amount),
        "V": self_trade_word(order),
    }
    return report | _conditional_fields(order)


def _names(event: Event) -> tuple[str, str]:
    """The order's name and its former one; a cancel puts its own in front."""
    order = event.order
    if event.kind is EventKind.AMENDED:
        return order.client_order_id, order.labels.get(FORMER_ID, "")
    is_cancelled = event.kind is EventKind.ENDED and order.end_reason is EndReason.USER
    if is_cancelled and CANCEL_ID in order.labels:
        return order.labels[CANCEL_ID], order.client_order_id
    return order.client_order_id, ""


def _execution_word(event: Event) -> str:
    if event.kind is EventKind.TRADE:
        return "TRADE"
    if event.kind is EventKind.AMENDED:
        return "REPLACED"
    if event.kind is EventKind.NEW:
        return "NEW"
    if event.order.end_reason is EndReason.SELF_TRADE:
        return "TRADE_PREVENTION"
    return _ENDINGS[event.order.status]


def _fill_fields(fill: Fill | None) -> Row:
    if fill is None:
        return {"l": _ZERO, "L": _ZERO, "n": "0", "N": None, "t": -1, "m": False, "Y": _ZERO}
    return {
        "l": plain(fill.quantity),
        "L": plain(fill.price),
        "n": plain(fill.fee),
        "N": fill.fee_asset,
        "t": fill.trade_id,
        "m": fill.is_maker,
        "Y": plain(fill.quantity * fill.price),
    }


def _conditional_fields(order: Order) -> Row:
    row: Row = {}
    if order.working_ms:
        row["W"] = order.working_ms
    if order.trailing_share:
        row["d"] = trailing_delta(order)
    if order.trailing_share and order.best_price:
        row["D"] = order.created_ms
    for letter, label in (("j", "strategyId"), ("J", "strategyType")):
        if label in order.labels:
            row[letter] = int(order.labels[label])
    reason = expiry_word(order)
    return row if reason is None else {**row, "eR": reason}


def _is_first(event: Event, listed: OrderList) -> bool:
    """Whether this is the first that is told of a list: of an entry's list, that its follower waits."""
    if event.kind is not EventKind.NEW:
        return False
    if listed.kind is OrderListKind.OCO:
        return event.order.order_id == listed.order_ids[0]
    return event.order.order_id == listed.order_ids[1] and event.order.phase is Phase.PENDING


def _list_event(account: Account, listed: OrderList, now_ms: int) -> Row:
    row = account_rows.list_row(account, listed)
    orders = [account.orders[order_id] for order_id in listed.order_ids]
    return {
        "e": "listStatus",
        "E": now_ms,
        "s": row["symbol"],
        "g": listed.list_id,
        "c": row["contingencyType"],
        "l": row["listStatusType"],
        "L": row["listOrderStatus"],
        "r": "NONE",
        "C": listed.client_list_id,
        "T": row["transactionTime"],
        "O": [
            {"s": row["symbol"], "i": order.order_id, "c": order.client_order_id}
            for order in orders
        ],
    }


def _balances_event(account: Account, assets: set[str], now_ms: int) -> Row:
    return {
        "e": "outboundAccountPosition",
        "E": now_ms,
        "u": account.updated_ms,
        "B": [
            {
                "a": asset,
                "f": plain(account.free.get(asset, ZERO)),
                "l": plain(account.locked.get(asset, ZERO)),
            }
            for asset in sorted(assets)
        ],
    }
