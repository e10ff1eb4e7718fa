"""What our own client asks of Bitget alone: trigger orders, exits tied to an entry, the stream."""

import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from apps.domain.orders import OrderSide, OrderStatus, OrderType
from apps.domain.paper import paper_secret
from apps.exchanges.bitget.client import BitgetClient
from apps.exchanges.bitget.order_stream import OrdersChannel
from apps.exchanges.errors import OutcomeUnknown
from apps.exchanges.limits import MemoryLimitStore
from apps.exchanges.ports import AttachedExit, Credentials, OrderReport, OrderRequest
from workers.paper_exchange.exchange import PaperExchange
from workers.paper_exchange.tests.builders import Wall
from workers.paper_exchange.tests.serving import serve

SYMBOL = "BTC/USDT"
KEY = "own-client-00000"
CREDENTIALS = Credentials(api_key=KEY, api_secret=paper_secret(KEY), passphrase="paper")


@pytest.fixture
def url(exchange: PaperExchange) -> Iterator[str]:
    with serve(exchange) as address:
        yield address


@pytest.fixture
def own(url: str, wall: Wall) -> BitgetClient:
    return BitgetClient(CREDENTIALS, base_url=url, limits=MemoryLimitStore(), now=wall)


def request(side: OrderSide, order_type: OrderType, **prices: object) -> OrderRequest:
    sizes: dict[str, object] = {"quantity": Decimal("0.1"), **prices}
    return OrderRequest(
        symbol=SYMBOL,
        side=side,
        order_type=order_type,
        client_order_id=uuid.uuid4().hex,
        **sizes,
    )


def place(own: BitgetClient, wall: Wall, wanted: OrderRequest) -> OrderReport:
    deadline = datetime.fromtimestamp(wall(), UTC) + timedelta(seconds=5)
    placed = own.place_order(wanted, deadline=deadline)
    # The answer of a second ago is old enough for a key's limits.
    wall.now += 1
    return placed


def test_stop_that_fires_is_found_as_what_it_placed(own: BitgetClient, wall: Wall) -> None:
    stop = request(OrderSide.BUY, OrderType.STOP_LOSS, trigger_price=Decimal(103))
    placed = place(own, wall, stop)
    (waiting,) = own.fetch_open_orders()
    wall.now += 5 * 60
    found = own.fetch_order(placed.ref)
    fills = own.fetch_fills(SYMBOL, exchange_order_id=found.exchange_order_id)

    assert (waiting.status, waiting.client_order_id) == (OrderStatus.OPEN, stop.client_order_id)
    assert (found.status, found.filled_quantity) == (OrderStatus.FILLED, Decimal("0.1"))
    assert found.client_order_id == stop.client_order_id
    assert sum(fill.quantity for fill in fills) == Decimal("0.1")
    since = datetime.fromtimestamp(wall(), UTC) - timedelta(days=1)
    (closed,) = own.fetch_closed_orders(SYMBOL, since=since)
    assert closed.exchange_order_id == found.exchange_order_id


def test_stop_is_moved_and_cancelled(own: BitgetClient, wall: Wall) -> None:
    stop = request(OrderSide.SELL, OrderType.STOP_LOSS, trigger_price=Decimal(90))
    place(own, wall, stop)
    (waiting,) = own.fetch_open_orders(SYMBOL)
    target = request(OrderSide.SELL, OrderType.STOP_LOSS, trigger_price=Decimal(95))
    deadline = datetime.fromtimestamp(wall(), UTC) + timedelta(seconds=5)

    own.edit_order(waiting, target, deadline=deadline)
    (moved,) = own.fetch_open_orders(SYMBOL)
    own.cancel_order(moved.ref)

    assert moved.trigger_price == 95
    assert own.fetch_open_orders(SYMBOL) == []
    assert own.fetch_order(moved.ref).status is OrderStatus.CANCELLED
    with pytest.raises(OutcomeUnknown):
        own.cancel_order(moved.ref)


def test_limit_order_is_replaced(own: BitgetClient, wall: Wall) -> None:
    placed = place(own, wall, request(OrderSide.BUY, OrderType.LIMIT, price=Decimal(90)))
    current = own.fetch_order(placed.ref)
    target = request(OrderSide.BUY, OrderType.LIMIT, price=Decimal(91))
    deadline = datetime.fromtimestamp(wall(), UTC) + timedelta(seconds=5)

    edited = own.edit_order(current, target, deadline=deadline).order
    (resting,) = own.fetch_open_orders(SYMBOL)

    assert (resting.client_order_id, resting.price) == (target.client_order_id, 91)
    assert resting.exchange_order_id == edited.exchange_order_id


def test_exits_come_with_an_entry_and_go_with_all_orders(own: BitgetClient, wall: Wall) -> None:
    entry = request(
        OrderSide.BUY,
        OrderType.LIMIT,
        price=Decimal(104),
        stop_loss=AttachedExit(trigger_price=Decimal(80)),
        take_profit=AttachedExit(trigger_price=Decimal(150)),
    )
    place(own, wall, entry)
    exits = own.fetch_open_orders(SYMBOL)
    place(own, wall, request(OrderSide.BUY, OrderType.STOP_LOSS, trigger_price=Decimal(150)))

    own.cancel_all_orders(SYMBOL)

    assert {report.trigger_price for report in exits} == {Decimal(80), Decimal(150)}
    assert own.fetch_open_orders(SYMBOL) == []


def test_stream_tells_an_order_and_its_fill(own: BitgetClient, url: str, wall: Wall) -> None:
    channel = OrdersChannel(CREDENTIALS, base_url=url, client=own)
    channel.connect()
    try:
        wanted = request(OrderSide.SELL, OrderType.LIMIT, price=Decimal(101))
        place(own, wall, wanted)
        wall.now += 3 * 60
        own.get_server_time()
        told = [report for report in (channel.recv() for _ in range(2)) if report is not None]
    finally:
        channel.close()

    assert [report.status for report in told] == [OrderStatus.OPEN, OrderStatus.FILLED]
    assert {report.client_order_id for report in told} == {wanted.client_order_id}
    (fill,) = told[1].fills
    assert (fill.quantity, fill.price, fill.is_maker) == (Decimal("0.1"), 101, True)
    assert (told[1].symbol, fill.fee_asset) == (SYMBOL, "USDT")
