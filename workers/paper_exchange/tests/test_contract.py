"""Our own clients against the paper exchange, over sockets: the same for every dialect it speaks."""

import time
import uuid
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from apps.domain.candles import Timeframe
from apps.domain.environments import Exchange
from apps.domain.orders import OrderSide, OrderStatus, OrderType
from apps.domain.paper import paper_secret
from apps.exchanges.clients import create_candle_stream, create_client
from apps.exchanges.errors import (
    ExchangeUnavailable,
    InsufficientFunds,
    InvalidCredentials,
    OrderNotFound,
    OutcomeUnknown,
    UnknownSymbol,
)
from apps.exchanges.limits import MemoryLimitStore
from apps.exchanges.ports import Credentials, ExchangeClient, OrderRef, OrderRequest
from workers.paper_exchange.tests.serving import Process

#: What the paper exchange speaks.
DIALECTS = [Exchange.BINANCE]
SYMBOL = "BTC/USDT"


@pytest.fixture(params=DIALECTS, ids=str)
def exchange(request: pytest.FixtureRequest) -> Exchange:
    """One dialect after the other."""
    spoken: Exchange = request.param
    return spoken


@pytest.fixture
def client(exchange: Exchange, simulated: Process) -> ExchangeClient:
    """An account of its own, which opens with 10,000 USDT."""
    return client_of(exchange, simulated)


def client_of(exchange: Exchange, served: Process, secret: str | None = None) -> ExchangeClient:
    """A client of a new account, with a wrong secret where one is given."""
    key = uuid.uuid4().hex
    return create_client(
        exchange,
        Credentials(api_key=key, api_secret=secret or paper_secret(key), passphrase="paper"),
        base_url=served.url,
        limits=MemoryLimitStore(),
    )


def now() -> datetime:
    """By this machine's clock, which the market's runs ahead of."""
    return datetime.fromtimestamp(time.time(), UTC)


def deadline() -> datetime:
    """Five seconds from now."""
    return now() + timedelta(seconds=5)


def order(side: OrderSide, order_type: OrderType, **sizes: Decimal) -> OrderRequest:
    """A new order."""
    return OrderRequest(
        symbol=SYMBOL,
        side=side,
        order_type=order_type,
        client_order_id=uuid.uuid4().hex,
        **sizes,
    )


def resting(client: ExchangeClient) -> OrderRequest:
    """A purchase at half the price, which does not fill."""
    price = (client.get_ticker(SYMBOL).last / 2).quantize(Decimal(1))
    return order(OrderSide.BUY, OrderType.LIMIT, quantity=Decimal("0.01"), price=price)


def test_market_data_agrees_with_itself(client: ExchangeClient) -> None:
    listed = {market.symbol for market in client.get_markets()}
    ticker = client.get_ticker(SYMBOL)
    candles = client.get_candles(SYMBOL, Timeframe.M1, limit=50)

    assert set(client.fetch_tickers()) == listed
    assert ticker.bid is not None
    assert ticker.ask is not None
    assert ticker.bid < ticker.ask
    assert len(candles) == 50
    assert [c.is_closed for c in candles[:-1]] == [True] * 49
    steps = {b - a for a, b in zip(candles.opened_at_ms, candles.opened_at_ms[1:], strict=False)}
    assert steps == {60_000}


def test_market_that_does_not_exist(client: ExchangeClient) -> None:
    with pytest.raises(UnknownSymbol):
        client.get_ticker("NO/SUCH")


def test_purchase_by_amount_is_filled_paid_and_found_again(client: ExchangeClient) -> None:
    wanted = order(OrderSide.BUY, OrderType.MARKET, quote_amount=Decimal(100))

    placed = client.place_order(wanted, deadline=deadline())
    found = client.fetch_order(placed.ref)
    fills = client.fetch_fills(SYMBOL, exchange_order_id=found.exchange_order_id)

    assert (found.status, found.client_order_id) == (OrderStatus.FILLED, wanted.client_order_id)
    assert found.filled_quantity == sum(fill.quantity for fill in fills)
    assert found.filled_quote == sum(fill.quantity * fill.price for fill in fills)
    held = {balance.asset: balance.free for balance in client.get_balance()}
    assert held["BTC"] == sum(fill.quantity - fill.fee for fill in fills)
    assert held["USDT"] == 10_000 - sum(fill.quantity * fill.price for fill in fills)
    since = now() - timedelta(days=3650)
    closed = client.fetch_closed_orders(SYMBOL, since=since)
    assert [report.client_order_id for report in closed] == [wanted.client_order_id]


def test_resting_order_locks_money_until_it_is_cancelled(client: ExchangeClient) -> None:
    wanted = resting(client)

    placed = client.place_order(wanted, deadline=deadline())
    (open_order,) = client.fetch_open_orders()
    locked = {balance.asset: balance.locked for balance in client.get_balance()}
    client.cancel_order(placed.ref)
    ended = client.fetch_order(placed.ref)

    assert (open_order.client_order_id, open_order.symbol) == (wanted.client_order_id, SYMBOL)
    assert wanted.price is not None
    assert locked["USDT"] == wanted.price * Decimal("0.01")
    assert (ended.status, ended.filled_quantity) == (OrderStatus.CANCELLED, 0)
    assert client.fetch_open_orders(SYMBOL) == []


def test_all_orders_are_cancelled_at_once(client: ExchangeClient) -> None:
    for _ in range(2):
        client.place_order(resting(client), deadline=deadline())

    client.cancel_all_orders(SYMBOL)
    client.cancel_all_orders(SYMBOL)

    assert client.fetch_open_orders() == []


def test_same_name_twice_is_an_unknown_outcome(client: ExchangeClient) -> None:
    wanted = resting(client)
    client.place_order(wanted, deadline=deadline())

    with pytest.raises(OutcomeUnknown):
        client.place_order(wanted, deadline=deadline())

    assert len(client.fetch_open_orders()) == 1


def test_order_that_costs_more_than_there_is(client: ExchangeClient) -> None:
    with pytest.raises(InsufficientFunds):
        client.place_order(
            order(OrderSide.BUY, OrderType.MARKET, quote_amount=Decimal(20_000)),
            deadline=deadline(),
        )


def test_order_past_its_deadline_leaves_no_trace(client: ExchangeClient) -> None:
    with pytest.raises(ExchangeUnavailable):
        client.place_order(resting(client), deadline=now() - timedelta(seconds=1))

    assert client.fetch_open_orders() == []


def test_order_that_never_was(client: ExchangeClient) -> None:
    never = OrderRef(symbol=SYMBOL, client_order_id=uuid.uuid4().hex)

    with pytest.raises(OrderNotFound):
        client.fetch_order(never)
    with pytest.raises(OutcomeUnknown):
        client.cancel_order(never)


def test_wrong_secret(exchange: Exchange, simulated: Process) -> None:
    stranger = client_of(exchange, simulated, secret=paper_secret("another key"))

    with pytest.raises(InvalidCredentials):
        stranger.get_balance()
    assert stranger.test_connection().ok is False


def test_key_is_good_for_trading_and_what_it_pays_is_told(client: ExchangeClient) -> None:
    report = client.test_connection()
    fee = client.get_fees(SYMBOL)

    assert (report.ok, report.can_trade, report.can_withdraw) == (True, True, False)
    assert (fee.maker, fee.taker) == (Decimal("0.001"), Decimal("0.001"))


def test_candles_are_streamed_and_closed(exchange: Exchange, simulated: Process) -> None:
    stream = create_candle_stream(exchange, [(SYMBOL, Timeframe.M1)], base_url=simulated.url)

    stream.connect()
    try:
        updates = [stream.recv() for _ in range(8)]
    finally:
        stream.close()

    told = [update for update in updates if update is not None]
    assert {(update.symbol, update.timeframe) for update in told} == {(SYMBOL, Timeframe.M1)}
    assert any(update.candle.is_closed for update in told)
