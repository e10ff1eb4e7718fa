"""Executions and balances, as they are told to the owner of an account."""

from dataclasses import dataclass, field

from workers.paper_exchange.dialects.kraken import stream_rows
from workers.paper_exchange.dialects.kraken.account_rows import Row
from workers.paper_exchange.dialects.kraken.gateway import Gateway
from workers.paper_exchange.events import Event, EventKind
from workers.paper_exchange.orders import Account

CHANNELS = ("executions", "balances")
_SNAPSHOT_TRADES = 50


@dataclass(slots=True, eq=False)
class Subscription:
    """One connection's view of one channel; frames are numbered without a gap."""

    name: str
    account: Account
    listener: stream_rows.Listener
    has_status: bool = True
    sequence: int = field(default=0)

    def tell(self, kind: str, rows: list[Row]) -> None:
        """Send the next frame."""
        self.sequence += 1
        frame = {"channel": self.name, "type": kind, "data": rows, "sequence": self.sequence}
        self.listener.send(stream_rows.encode(frame))


class AccountChannels:
    """Turns changes of accounts into frames."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._subscriptions: dict[str, list[Subscription]] = {}
        gateway.engine.listeners.append(self._on_event)

    def subscribe(
        self, subscription: Subscription, *, has_orders: bool = True, has_trades: bool = False
    ) -> None:
        """Tell a connection how things stand, and from then on what happens."""
        account = subscription.account
        self._subscriptions.setdefault(account.key, []).append(subscription)
        if subscription.name == "balances":
            subscription.tell("snapshot", stream_rows.balance_rows(account))
            return
        rows = []
        if has_orders:
            rows += [stream_rows.whole_order(o, "new") for o in account.open_orders()]
        if has_trades:
            recent = account.fills[-_SNAPSHOT_TRADES:]
            rows += [stream_rows.trade_event(account.orders[f.order_id], f) for f in recent]
        subscription.tell("snapshot", rows)

    def unsubscribe(self, subscription: Subscription) -> None:
        """Tell a connection no more."""
        known = self._subscriptions.get(subscription.account.key, [])
        if subscription in known:
            known.remove(subscription)

    def _on_event(self, event: Event) -> None:
        for subscription in list(self._subscriptions.get(event.account.key, ())):
            if subscription.name == "balances":
                self._tell_balances(subscription, event)
            elif subscription.has_status or event.kind is EventKind.TRADE:
                for row in _rows(event):
                    subscription.tell("update", [row])

    def _tell_balances(self, subscription: Subscription, event: Event) -> None:
        market = self._gateway.exchange.feed.markets.get(event.order.symbol)
        if event.fill is not None and market is not None:
            rows = stream_rows.ledger_rows(event.account, event.fill, market)
            subscription.tell("update", rows)


def _rows(event: Event) -> list[Row]:
    """What the executions channel tells of an event, one frame each."""
    order, at_ms = event.order, event.order.updated_ms
    if event.kind is EventKind.NEW:
        return [
            stream_rows.whole_order(order, "pending_new"),
            stream_rows.order_event(order, "new", at_ms),
        ]
    if event.kind is EventKind.TRADE and event.fill is not None:
        rows = [stream_rows.trade_event(order, event.fill)]
        if not order.is_open:
            rows.append(stream_rows.order_event(order, "filled", at_ms))
        return rows
    if event.kind is EventKind.ENDED:
        return [stream_rows.order_event(order, stream_rows.ending(order), at_ms)]
    word = "amended" if event.kind is EventKind.AMENDED else "status"
    return [{**stream_rows.order_event(order, word, at_ms), **stream_rows.order_terms(order)}]
