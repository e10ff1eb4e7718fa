"""An account's order changes over reconnects."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, cast

from apps.domain.orders import OrderSide, OrderStatus
from apps.exchanges.errors import InvalidCredentials, OrderNotFound, StreamClosed
from apps.exchanges.feed import RECONNECT_SECONDS, OrderFeed
from apps.exchanges.ports import ExchangeClient, OrderRef, OrderReport


def report(name: str, status: OrderStatus = OrderStatus.OPEN, filled: int = 0) -> OrderReport:
    """An order of this name."""
    return OrderReport(
        symbol="BTC/USDT",
        client_order_id=name,
        exchange_order_id=name,
        status=status,
        exchange_status="",
        side=OrderSide.BUY,
        order_type=None,
        quantity=Decimal(2),
        filled_quantity=Decimal(filled),
        filled_quote=None,
        price=None,
    )


@dataclass
class FakeClient:
    """Knows open orders and single ones."""

    open: list[OrderReport] = field(default_factory=list)
    orders: dict[str, OrderReport] = field(default_factory=dict)
    asked_for_fills: list[str | None] = field(default_factory=list)

    def fetch_open_orders(self) -> list[OrderReport]:
        return self.open

    def fetch_order(self, ref: OrderRef) -> OrderReport:
        if str(ref) not in self.orders:
            raise OrderNotFound("gone")
        return self.orders[str(ref)]

    def fetch_fills(self, symbol: str, *, exchange_order_id: str | None) -> list[Any]:
        self.asked_for_fills.append(exchange_order_id)
        return []


@dataclass
class FakeStream:
    """Tells what it was given, calls what can be called, raises errors."""

    events: list[OrderReport | Exception | Callable[[], None] | None]
    connections: int = 0

    def connect(self) -> None:
        self.connections += 1

    def recv(self) -> OrderReport | None:
        event = self.events.pop(0)
        if isinstance(event, Exception):
            raise event
        if callable(event):
            event()
            return None
        return event

    def close(self) -> None:
        """Nothing to close."""


CUT = StreamClosed("cut")
STOP = InvalidCredentials("stop")


def run(client: FakeClient, stream: FakeStream) -> tuple[OrderFeed, list[str], list[float]]:
    """Everything it tells until the key is refused, as `name status`, and the pauses it made."""
    pauses: list[float] = []
    feed = OrderFeed(cast(ExchangeClient, client), stream, sleep=pauses.append, chance=lambda: 1.0)
    told: list[str] = []
    with suppress(InvalidCredentials):
        told.extend(f"{c.client_order_id} {c.status}" for c in feed.reports() if c is not None)
    return feed, told, pauses


def test_open_orders_are_told_first() -> None:
    feed, told, _ = run(FakeClient(open=[report("a")]), FakeStream([report("b"), STOP]))

    assert told == ["a open", "b open"]
    assert feed.is_gapless


def test_what_ended_during_a_cut_is_asked_for() -> None:
    client = FakeClient(open=[report("a")])
    client.orders["a"] = report("a", OrderStatus.FILLED, filled=2)

    _, told, _ = run(client, FakeStream([client.open.clear, CUT, STOP]))

    assert told == ["a open", "a filled"]
    assert client.asked_for_fills == ["a"]


def test_what_changed_during_a_cut_is_told_and_what_did_not_is_not() -> None:
    client = FakeClient(open=[report("a"), report("b")])

    def fill_partly() -> None:
        client.open[0] = report("a", OrderStatus.PARTIALLY_FILLED, filled=1)

    _, told, _ = run(client, FakeStream([fill_partly, CUT, STOP]))

    assert told == ["a open", "b open", "a partially_filled"]


def test_what_the_stream_told_ended_is_not_asked_for_again() -> None:
    client = FakeClient()
    done = report("a", OrderStatus.CANCELLED)

    _, told, _ = run(client, FakeStream([report("a"), done, CUT, STOP]))

    assert told == ["a open", "a cancelled"]


def test_look_up_that_fails_is_made_again_after_the_next_connect() -> None:
    client = FakeClient(open=[report("a")])
    answers: list[OrderReport | Exception] = [CUT, report("a", OrderStatus.FILLED, filled=2)]

    def fetch_order(ref: OrderRef) -> OrderReport:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    client.fetch_order = fetch_order  # type: ignore[method-assign]

    _, told, _ = run(client, FakeStream([client.open.clear, CUT, STOP]))

    assert told == ["a open", "a filled"]


def test_order_that_is_kept_no_longer_is_passed_over() -> None:
    client = FakeClient(open=[report("a")])

    _, told, _ = run(client, FakeStream([client.open.clear, CUT, STOP]))

    assert told == ["a open"]


def test_pauses_grow_until_it_is_connected_again() -> None:
    class Refusing(FakeStream):
        def connect(self) -> None:
            super().connect()
            if self.connections in {2, 3}:
                raise StreamClosed("no")

    _, _, pauses = run(FakeClient(), Refusing([CUT, CUT, STOP]))

    assert pauses == [*RECONNECT_SECONDS[:3], RECONNECT_SECONDS[0]]


def test_caller_gets_to_run_when_connected_and_while_there_is_no_connection() -> None:
    feed = OrderFeed(
        cast(ExchangeClient, FakeClient()), FakeStream([CUT]), sleep=lambda _seconds: None
    )
    reports = feed.reports()

    assert (next(reports), feed.is_gapless, feed.last_error) == (None, True, "")
    assert (next(reports), feed.is_gapless, feed.last_error) == (None, False, "cut")
