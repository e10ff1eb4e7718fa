"""What our own client does only with Kraken."""

import time
import uuid
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from apps.domain.environments import Exchange
from apps.domain.orders import OrderSide, OrderStatus, OrderType
from apps.domain.paper import paper_secret
from apps.exchanges.clients import create_client, create_order_stream
from apps.exchanges.feed import OrderFeed
from apps.exchanges.limits import MemoryLimitStore
from apps.exchanges.ports import (
    AttachedExit,
    Credentials,
    ExchangeClient,
    OrderReport,
    OrderRequest,
)
from workers.paper_exchange.tests.serving import Process

SYMBOL = "BTC/USDT"


@pytest.fixture
def credentials() -> Credentials:
    key = uuid.uuid4().hex
    return Credentials(api_key=key, api_secret=paper_secret(key))


@pytest.fixture
def limits() -> MemoryLimitStore:
    return MemoryLimitStore()


@pytest.fixture
def client(
    kraken_process: Process, credentials: Credentials, limits: MemoryLimitStore
) -> ExchangeClient:
    return create_client(Exchange.KRAKEN, credentials, base_url=kraken_process.url, limits=limits)


@pytest.fixture
def feed(
    client: ExchangeClient,
    kraken_process: Process,
    credentials: Credentials,
    limits: MemoryLimitStore,
) -> Iterator[OrderFeed]:
    stream = create_order_stream(
        Exchange.KRAKEN, credentials, base_url=kraken_process.url, limits=limits
    )
    with closing(OrderFeed(client, stream)) as feed:
        yield feed


def order(order_type: OrderType, side: OrderSide = OrderSide.BUY, **terms: object) -> OrderRequest:
    return OrderRequest(
        symbol=SYMBOL,
        side=side,
        order_type=order_type,
        client_order_id=uuid.uuid4().hex,
        **{"quantity": Decimal("0.02"), **terms},  # type: ignore[arg-type]
    )


def place(client: ExchangeClient, wanted: OrderRequest) -> OrderReport:
    deadline = datetime.fromtimestamp(time.time(), UTC) + timedelta(seconds=5)
    return client.place_order(wanted, deadline=deadline)


def below(client: ExchangeClient, percent: int) -> Decimal:
    return (client.get_ticker(SYMBOL).last * percent / 100).quantize(Decimal(1))


def test_every_conditional_order_is_told_as_it_was_wanted(client: ExchangeClient) -> None:
    place(client, order(OrderType.MARKET, quantity=Decimal("0.1")))
    low, lower = below(client, 50), below(client, 49)
    kinds = [
        order(OrderType.STOP_LOSS, OrderSide.SELL, trigger_price=low),
        order(OrderType.STOP_LOSS_LIMIT, OrderSide.SELL, trigger_price=low, price=lower),
        order(OrderType.TAKE_PROFIT, OrderSide.BUY, trigger_price=low),
        order(OrderType.TRAILING_STOP, OrderSide.SELL, trailing_share=Decimal("0.4")),
    ]
    for wanted in kinds:
        place(client, wanted)

    found = {report.client_order_id: report for report in client.fetch_open_orders(SYMBOL)}

    for wanted in kinds:
        report = found[wanted.client_order_id]
        assert (report.order_type, report.price) == (wanted.order_type, wanted.price)
        if wanted.trigger_price:
            assert report.trigger_price == wanted.trigger_price
    assert len(found) == len(kinds)


def test_order_is_edited_in_place(client: ExchangeClient) -> None:
    price = below(client, 50)
    placed = place(client, order(OrderType.LIMIT, price=price))
    current = client.fetch_order(placed.ref)
    target = order(OrderType.LIMIT, price=price - 1, quantity=Decimal("0.03"))
    deadline = datetime.fromtimestamp(time.time(), UTC) + timedelta(seconds=5)

    client.edit_order(current, target, deadline=deadline)

    found = client.fetch_order(placed.ref)
    assert (found.price, found.quantity) == (price - 1, Decimal("0.03"))
    assert found.exchange_order_id == placed.exchange_order_id


def test_exit_is_set_up_for_what_was_bought(client: ExchangeClient) -> None:
    stop_loss = AttachedExit(trigger_price=below(client, 50))

    place(client, order(OrderType.MARKET, stop_loss=stop_loss))

    (exit_order,) = client.fetch_open_orders(SYMBOL)
    assert exit_order.side is OrderSide.SELL
    assert exit_order.order_type is OrderType.STOP_LOSS
    assert (exit_order.quantity, exit_order.client_order_id) == (Decimal("0.02"), None)


def test_feed_tells_an_order_with_its_fills(client: ExchangeClient, feed: OrderFeed) -> None:
    resting = place(client, order(OrderType.LIMIT, price=below(client, 50)))
    reports = feed.reports()
    first = next(report for report in reports if report is not None)
    wanted = order(OrderType.MARKET)
    place(client, wanted)
    told: list[OrderReport] = []
    for report in reports:
        if report is not None and report.client_order_id == wanted.client_order_id:
            told.append(report)
            if report.status.is_terminal:
                break

    assert first.exchange_order_id == resting.exchange_order_id
    assert told[-1].status is OrderStatus.FILLED
    assert told[-1].filled_quantity == Decimal("0.02")
    fills = {fill.trade_id: fill for report in told for fill in report.fills}
    assert sum(fill.quantity for fill in fills.values()) == Decimal("0.02")
    asked = client.fetch_fills(SYMBOL, exchange_order_id=told[-1].exchange_order_id)
    assert {fill.trade_id: fill.fee for fill in asked} == {i: f.fee for i, f in fills.items()}
    assert feed.is_gapless
