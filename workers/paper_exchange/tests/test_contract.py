"""Our own clients against the paper exchange, over sockets: the same for every dialect it speaks."""

import time
import uuid
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from apps.domain.candles import Timeframe
from apps.domain.environments import Exchange
from apps.domain.orders import OrderListKind, OrderSide, OrderStatus, OrderType
from apps.domain.paper import paper_secret
from apps.exchanges.clients import (
    capabilities_of,
    create_candle_stream,
    create_client,
    create_order_stream,
)
from apps.exchanges.errors import (
    ExchangeUnavailable,
    InsufficientFunds,
    InvalidCredentials,
    OrderNotFound,
    OutcomeUnknown,
    UnknownSymbol,
)
from apps.exchanges.feed import OrderFeed
from apps.exchanges.limits import MemoryLimitStore
from apps.exchanges.ports import (
    Credentials,
    EditMethod,
    ExchangeClient,
    KlineUpdate,
    OrderListRequest,
    OrderRef,
    OrderReport,
    OrderRequest,
)
from workers.paper_exchange.tests.serving import Process, wait_for

#: What the paper exchange speaks.
DIALECTS = [Exchange.BINANCE, Exchange.BITGET, Exchange.KRAKEN]
#: Who ties orders together, and who makes an order smaller but replaces it for any other change.
WITH_LISTS = [e for e in DIALECTS if OrderListKind.OCO in capabilities_of(e).order_lists]
WITH_SHRINKING = [Exchange.BINANCE]
SYMBOL = "BTC/USDT"
#: What makers and takers pay.
FEES = {
    Exchange.BINANCE: (Decimal("0.001"), Decimal("0.001")),
    Exchange.BITGET: (Decimal("0.001"), Decimal("0.001")),
    Exchange.KRAKEN: (Decimal("0.0025"), Decimal("0.004")),
}
#: A purchase's fee is taken from what it gets, or on top of what it pays: then it is held too.
FEE_ASSETS = {Exchange.BINANCE: "BTC", Exchange.BITGET: "BTC", Exchange.KRAKEN: "USDT"}


@pytest.fixture(params=DIALECTS, ids=str)
def exchange(request: pytest.FixtureRequest) -> Exchange:
    """One dialect after the other."""
    spoken: Exchange = request.param
    return spoken


@pytest.fixture
def served(exchange: Exchange, simulated_as: Callable[[Exchange], Process]) -> Process:
    """A simulated market in that dialect."""
    return simulated_as(exchange)


@pytest.fixture
def client(exchange: Exchange, served: Process) -> ExchangeClient:
    """An account of its own, which opens with 10,000 USDT."""
    return client_of(exchange, served)


def client_of(exchange: Exchange, served: Process, secret: str | None = None) -> ExchangeClient:
    """A client of a new account, with a wrong secret where one is given."""
    return create_client(
        exchange, credentials(secret), base_url=served.url, limits=MemoryLimitStore()
    )


def credentials(secret: str | None = None) -> Credentials:
    """Those of a new account."""
    key = uuid.uuid4().hex
    return Credentials(api_key=key, api_secret=secret or paper_secret(key), passphrase="paper")


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


def test_purchase_by_amount_is_filled_paid_and_found_again(
    exchange: Exchange, client: ExchangeClient
) -> None:
    wanted = order(OrderSide.BUY, OrderType.MARKET, quote_amount=Decimal(100))

    placed = client.place_order(wanted, deadline=deadline())
    found = client.fetch_order(placed.ref)
    fills = client.fetch_fills(SYMBOL, exchange_order_id=found.exchange_order_id)

    assert (found.status, found.client_order_id) == (OrderStatus.FILLED, wanted.client_order_id)
    assert found.filled_quantity == sum(fill.quantity for fill in fills)
    assert found.filled_quote == sum(fill.quantity * fill.price for fill in fills)
    held = {balance.asset: balance.free for balance in client.get_balance()}
    fees = {asset: sum(f.fee for f in fills if f.fee_asset == asset) for asset in ("BTC", "USDT")}
    assert {fill.fee_asset for fill in fills} == {FEE_ASSETS[exchange]}
    assert held["BTC"] == sum(fill.quantity for fill in fills) - fees["BTC"]
    assert held["USDT"] == 10_000 - sum(f.quantity * f.price for f in fills) - fees["USDT"]
    since = now() - timedelta(days=3650)
    closed = client.fetch_closed_orders(SYMBOL, since=since)
    assert [report.client_order_id for report in closed] == [wanted.client_order_id]


def test_resting_order_locks_money_until_it_is_cancelled(
    exchange: Exchange, client: ExchangeClient
) -> None:
    wanted = resting(client)

    placed = client.place_order(wanted, deadline=deadline())
    (open_order,) = client.fetch_open_orders()
    locked = {balance.asset: balance.locked for balance in client.get_balance()}
    client.cancel_order(placed.ref)
    ended = client.fetch_order(placed.ref)

    assert (open_order.client_order_id, open_order.symbol) == (wanted.client_order_id, SYMBOL)
    assert wanted.price is not None
    fee = FEES[exchange][1] if FEE_ASSETS[exchange] == "USDT" else Decimal(0)
    assert locked["USDT"] == wanted.price * Decimal("0.01") * (1 + fee)
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


def test_wrong_secret(exchange: Exchange, served: Process) -> None:
    stranger = client_of(exchange, served, secret=paper_secret("another key"))

    with pytest.raises(InvalidCredentials):
        stranger.get_balance()
    assert stranger.test_connection().ok is False


def test_key_is_good_for_trading_and_what_it_pays_is_told(
    exchange: Exchange, client: ExchangeClient
) -> None:
    report = client.test_connection()
    fee = client.get_fees(SYMBOL)

    assert (report.ok, report.can_trade, report.can_withdraw) == (True, True, False)
    assert (fee.maker, fee.taker) == FEES[exchange]


def test_candles_are_streamed_and_closed(exchange: Exchange, served: Process) -> None:
    stream = create_candle_stream(exchange, [(SYMBOL, Timeframe.M1)], base_url=served.url)

    stream.connect()
    try:
        # A minute lasts a second; before its end come acknowledgements, changes and heartbeats.
        told: list[KlineUpdate] = []
        for _ in range(40):
            update = stream.recv()
            if update is not None:
                told.append(update)
                if update.candle.is_closed:
                    break
    finally:
        stream.close()

    assert {(update.symbol, update.timeframe) for update in told} == {(SYMBOL, Timeframe.M1)}
    assert any(update.candle.is_closed for update in told)


def holding(client: ExchangeClient) -> Decimal:
    """Buys a little, and gives the price of that moment."""
    bought = order(OrderSide.BUY, OrderType.MARKET, quote_amount=Decimal(1500))
    client.place_order(bought, deadline=deadline())
    return client.get_ticker(SYMBOL).last


def beside(price: Decimal, share: str) -> Decimal:
    """A price so far from another one."""
    return (price * (1 + Decimal(share))).quantize(Decimal("0.1"))


@pytest.mark.parametrize("order_type", [OrderType.STOP_LOSS, OrderType.TAKE_PROFIT])
def test_trigger_waits_for_its_price(client: ExchangeClient, order_type: OrderType) -> None:
    price = holding(client)
    far = Decimal("-0.5") if order_type is OrderType.STOP_LOSS else Decimal("0.5")
    wanted = order(
        OrderSide.SELL,
        order_type,
        quantity=Decimal("0.01"),
        trigger_price=beside(price, str(far)),
    )

    placed = client.place_order(wanted, deadline=deadline())
    found = client.fetch_order(placed.ref)
    client.cancel_order(placed.ref)

    assert (found.status, found.order_type) == (OrderStatus.OPEN, order_type)
    assert found.trigger_price == wanted.trigger_price
    assert client.fetch_order(placed.ref).status is OrderStatus.CANCELLED


@pytest.mark.parametrize("exchange", WITH_LISTS, ids=str, indirect=True)
def test_bracket_ends_where_the_market_goes(client: ExchangeClient) -> None:
    price, size = holding(client), Decimal("0.01")
    target = order(OrderSide.SELL, OrderType.LIMIT, quantity=size, price=beside(price, "0.0007"))
    stop = order(
        OrderSide.SELL, OrderType.STOP_LOSS, quantity=size, trigger_price=beside(price, "-0.0007")
    )
    wanted = OrderListRequest(
        kind=OrderListKind.OCO, client_list_id=uuid.uuid4().hex, orders=(target, stop)
    )

    placed = client.place_order_list(wanted, deadline=deadline())
    wait_for(lambda: client.fetch_order(placed.orders[0].ref).status.is_terminal, seconds=20)

    ended = [client.fetch_order(each.ref) for each in placed.orders]
    assert {each.status for each in ended} == {OrderStatus.FILLED, OrderStatus.EXPIRED}
    assert sum(each.filled_quantity or 0 for each in ended) == size


@pytest.mark.parametrize("exchange", WITH_SHRINKING, ids=str, indirect=True)
def test_order_is_edited_in_place_and_by_another_one(client: ExchangeClient) -> None:
    first = resting(client)
    assert first.price is not None
    client.place_order(first, deadline=deadline())
    name = OrderRef(symbol=SYMBOL, client_order_id=first.client_order_id)

    def changed(**changes: Decimal) -> OrderRequest:
        sizes = {"quantity": Decimal("0.01"), "price": first.price or Decimal(0)}
        return order(OrderSide.BUY, OrderType.LIMIT, **sizes | changes)

    smaller = client.edit_order(
        client.fetch_order(name), changed(quantity=Decimal("0.005")), deadline=deadline()
    )
    dearer = client.edit_order(
        client.fetch_order(name),
        changed(quantity=Decimal("0.005"), price=first.price + 1),
        deadline=deadline(),
    )

    assert (smaller.method, smaller.order.quantity) == (EditMethod.AMENDED, Decimal("0.005"))
    assert dearer.method is EditMethod.REPLACED
    (left,) = client.fetch_open_orders(SYMBOL)
    assert (left.price, left.quantity) == (first.price + 1, Decimal("0.005"))


def test_change_in_place_shows_under_the_same_name(client: ExchangeClient) -> None:
    is_limit = OrderType.LIMIT in client.capabilities.amendable_types
    wanted = (
        resting(client)
        if is_limit
        else order(
            OrderSide.SELL,
            OrderType.STOP_LOSS,
            quantity=Decimal("0.01"),
            trigger_price=beside(holding(client), "-0.2"),
        )
    )
    placed = client.place_order(wanted, deadline=deadline())
    current = replace(client.fetch_order(placed.ref), order_type=wanted.order_type)
    target = replace(wanted, quantity=Decimal("0.005"))

    assert client.capabilities.can_amend(current, target)
    edited = client.edit_order(current, target, deadline=deadline())
    found = client.fetch_order(placed.ref)

    assert edited.method is EditMethod.AMENDED
    assert (found.client_order_id, found.quantity) == (wanted.client_order_id, Decimal("0.005"))
    assert (found.price, found.trigger_price) == (wanted.price, wanted.trigger_price)
    assert found.status is OrderStatus.OPEN


def test_feed_tells_what_was_missed_and_what_happens(exchange: Exchange, served: Process) -> None:
    account = credentials()
    client = create_client(exchange, account, base_url=served.url, limits=MemoryLimitStore())
    stream = create_order_stream(exchange, account, base_url=served.url, limits=MemoryLimitStore())
    missed, bought = (
        resting(client),
        order(OrderSide.BUY, OrderType.MARKET, quote_amount=Decimal(100)),
    )
    client.place_order(missed, deadline=deadline())
    feed = OrderFeed(client, stream)
    told: list[OrderReport] = []
    reports = feed.reports()

    def hear_of(client_order_id: str, status: OrderStatus) -> OrderReport:
        while True:
            report = next(reports)
            if report is not None:
                told.append(report)
                if (report.client_order_id, report.status) == (client_order_id, status):
                    return report

    try:
        hear_of(missed.client_order_id, OrderStatus.OPEN)
        client.place_order(bought, deadline=deadline())
        filled = hear_of(bought.client_order_id, OrderStatus.FILLED)
        client.cancel_all_orders(SYMBOL)
        hear_of(missed.client_order_id, OrderStatus.CANCELLED)
    finally:
        feed.close()

    assert feed.last_error == ""
    assert filled.symbol == SYMBOL
    heard = sum(
        (
            f.quantity
            for each in told
            for f in each.fills
            if f.exchange_order_id == filled.exchange_order_id
        ),
        Decimal(0),
    )
    assert heard == client.fetch_order(filled.ref).filled_quantity
