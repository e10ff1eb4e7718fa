"""What every client keeps to, whatever its exchange: the same questions, its own recorded answers."""

import itertools
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from apps.domain.candles import Timeframe
from apps.domain.environments import Exchange
from apps.domain.orders import OrderListKind, OrderSide, OrderStatus, OrderType, TimeInForce
from apps.exchanges.capabilities import Capabilities
from apps.exchanges.clients import capabilities_of
from apps.exchanges.errors import (
    DuplicateClientOrderId,
    ExchangeError,
    ExchangeUnavailable,
    InvalidCredentials,
    OutcomeUnknown,
    RateLimited,
    Unsupported,
)
from apps.exchanges.http import ConnectionCut, HttpAnswer, HttpRequest, NotSent
from apps.exchanges.limits import MemoryLimitStore, Throttle
from apps.exchanges.ports import (
    AttachedExit,
    Credentials,
    ExchangeClient,
    OrderListRequest,
    OrderRef,
    OrderReport,
    OrderRequest,
)
from apps.exchanges.tests.recordings import (
    CLIENT_ORDER_ID,
    NOW,
    RECORDINGS,
    RecordedTransport,
    Recording,
    answer,
    template,
)

DEADLINE = NOW + timedelta(seconds=5)


#: The template that new exchanges begin as keeps the contract too.
CANDIDATES = {**RECORDINGS, "template": template}


@pytest.fixture(params=CANDIDATES, ids=str)
def recorded(request: pytest.FixtureRequest) -> Recording:
    """One exchange after the other."""
    return CANDIDATES[request.param]()


@pytest.fixture
def transport(recorded: Recording, shared: Path) -> RecordedTransport:
    """Its recorded answers."""
    return recorded.transport(shared)


@pytest.fixture
def client(recorded: Recording, transport: RecordedTransport) -> ExchangeClient:
    """Its client."""
    return recorded.client(transport)


def limit_order(recorded: Recording, **changes: Any) -> OrderRequest:
    """A plain order that every exchange takes."""
    facts: dict[str, Any] = {
        "symbol": recorded.symbol,
        "side": OrderSide.SELL,
        "order_type": OrderType.LIMIT,
        "client_order_id": CLIENT_ORDER_ID,
        "quantity": Decimal("0.001"),
        "price": Decimal("64000.5"),
    }
    return OrderRequest(**facts | changes)


def reads(recorded: Recording, client: ExchangeClient) -> dict[str, Callable[[], object]]:
    """Every question, by name."""
    symbol = recorded.symbol
    ref = OrderRef(symbol=symbol, client_order_id=CLIENT_ORDER_ID, order_type=OrderType.LIMIT)
    return {
        "get_server_time": client.get_server_time,
        "get_markets": client.get_markets,
        "get_ticker": lambda: client.get_ticker(symbol),
        "fetch_tickers": client.fetch_tickers,
        "get_candles": lambda: client.get_candles(symbol, Timeframe.M1),
        "get_balance": client.get_balance,
        "get_fees": lambda: client.get_fees(symbol),
        "fetch_order": lambda: client.fetch_order(ref),
        "fetch_open_orders": lambda: client.fetch_open_orders(symbol),
        "fetch_closed_orders": lambda: client.fetch_closed_orders(
            symbol, since=NOW - timedelta(days=1)
        ),
        "fetch_fills": lambda: client.fetch_fills(symbol, since=NOW - timedelta(days=1)),
    }


PUBLIC = {"get_server_time", "get_markets", "get_ticker", "fetch_tickers", "get_candles"}


def writes(recorded: Recording, client: ExchangeClient) -> dict[str, Callable[[], object]]:
    """The two writes that everybody has."""
    ref = OrderRef(
        symbol=recorded.symbol, client_order_id=CLIENT_ORDER_ID, order_type=OrderType.LIMIT
    )
    return {
        recorded.place_path: lambda: client.place_order(limit_order(recorded), deadline=DEADLINE),
        recorded.cancel_path: lambda: client.cancel_order(ref),
    }


@pytest.fixture(params=["place_path", "cancel_path"])
def write(
    request: pytest.FixtureRequest, recorded: Recording, client: ExchangeClient
) -> tuple[str, Callable[[], object]]:
    """Placing and cancelling: the path, and the call."""
    path = getattr(recorded, request.param)
    return path, writes(recorded, client)[path]


# What is told


def test_recording_of_every_exchange_exists() -> None:
    assert set(RECORDINGS) == set(Exchange)


def test_markets_have_canonical_symbols_and_sane_rules(client: ExchangeClient) -> None:
    markets = client.get_markets()

    assert any(market.is_trading for market in markets)
    assert all(market.symbol == f"{market.base}/{market.quote}" for market in markets)
    assert all(market.tick_size >= 0 and market.step_size >= 0 for market in markets)


def test_prices_are_told_by_canonical_symbol(client: ExchangeClient, recorded: Recording) -> None:
    ticker = client.get_ticker(recorded.symbol)

    assert ticker.symbol == recorded.symbol
    assert ticker.last > 0


def test_all_prices_are_told_under_their_symbols(client: ExchangeClient) -> None:
    tickers = client.fetch_tickers()

    assert tickers
    assert all(symbol == ticker.symbol and "/" in symbol for symbol, ticker in tickers.items())


def test_candles_come_oldest_first_in_columns(client: ExchangeClient, recorded: Recording) -> None:
    candles = client.get_candles(recorded.symbol, Timeframe.M1)

    assert len(candles) > 1
    assert list(candles.opened_at_ms) == sorted(candles.opened_at_ms)
    assert candles.closed >= len(candles) - 1
    assert all(low <= high for low, high in zip(candles.low, candles.high, strict=True))


def test_balances_are_free_and_locked(client: ExchangeClient) -> None:
    balances = client.get_balance()

    assert balances
    assert all(balance.free >= 0 and balance.locked >= 0 for balance in balances)


def test_fees_are_fractions(client: ExchangeClient, recorded: Recording) -> None:
    fee = client.get_fees(recorded.symbol)

    assert 0 < fee.maker < Decimal("0.05")
    assert 0 < fee.taker < Decimal("0.05")


def test_connection_report_says_what_the_key_may_do(client: ExchangeClient) -> None:
    report = client.test_connection()

    assert report.message
    assert report.can_trade is not None


def test_placed_order_is_told_under_our_name(client: ExchangeClient, recorded: Recording) -> None:
    report = client.place_order(limit_order(recorded), deadline=DEADLINE)

    assert report.exchange_order_id
    assert report.symbol == recorded.symbol


def test_our_name_travels_with_the_order(
    client: ExchangeClient, recorded: Recording, transport: RecordedTransport
) -> None:
    client.place_order(limit_order(recorded), deadline=DEADLINE)

    request = transport.requests[-1]
    assert CLIENT_ORDER_ID in f"{request.query}{request.body}"


# Writes are sent once, and doubt is called doubt


def test_write_that_got_no_answer_is_unknown_and_sent_once(
    transport: RecordedTransport, write: tuple[str, Callable[[], object]]
) -> None:
    path, call = write
    transport.instead[path] = ConnectionCut("silence")

    with pytest.raises(OutcomeUnknown):
        call()

    assert transport.sent(path) == 1


def test_write_without_a_connection_did_nothing(
    transport: RecordedTransport, write: tuple[str, Callable[[], object]]
) -> None:
    path, call = write
    transport.instead[path] = NotSent("no connection")

    with pytest.raises(ExchangeUnavailable):
        call()

    assert transport.sent(path) == 1


@pytest.mark.parametrize("status", [500, 502, 503, 504, 520, 522, 524])
def test_write_that_the_exchange_choked_on_is_unknown(
    transport: RecordedTransport, write: tuple[str, Callable[[], object]], status: int
) -> None:
    path, call = write
    transport.instead[path] = HttpAnswer(status=status, body=b"<html>Bad gateway</html>")

    with pytest.raises(OutcomeUnknown):
        call()

    assert transport.sent(path) == 1


@pytest.mark.parametrize("status", [200, 400])
@pytest.mark.parametrize(
    "body",
    [b'{"data":' * 100_000, b'{"code":1,"msg":"\xff\xfe","error":["\xff"]}'],
    ids=["nested without end", "not UTF-8"],
)
def test_answer_that_breaks_a_reader_is_unknown(
    transport: RecordedTransport,
    write: tuple[str, Callable[[], object]],
    status: int,
    body: bytes,
) -> None:
    path, call = write
    transport.instead[path] = HttpAnswer(status=status, body=body)

    with pytest.raises(OutcomeUnknown):
        call()


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b"[", b"null", b"42", b'"ok"', b"[]", b"{}", b'{"code":1}', b"\xff"]
)
def test_write_with_an_unreadable_answer_is_unknown(
    transport: RecordedTransport, recorded: Recording, client: ExchangeClient, body: bytes
) -> None:
    transport.instead[recorded.place_path] = HttpAnswer(status=200, body=body)

    with pytest.raises(OutcomeUnknown):
        client.place_order(limit_order(recorded), deadline=DEADLINE)


def test_error_that_the_exchange_does_not_list_leaves_a_write_unknown(
    transport: RecordedTransport, recorded: Recording, write: tuple[str, Callable[[], object]]
) -> None:
    path, call = write
    transport.instead[path] = recorded.unlisted_error

    with pytest.raises(OutcomeUnknown):
        call()


def test_duplicate_name_is_no_refusal(
    transport: RecordedTransport, recorded: Recording, client: ExchangeClient
) -> None:
    transport.instead[recorded.place_path] = recorded.duplicate_id

    with pytest.raises(DuplicateClientOrderId):
        client.place_order(limit_order(recorded), deadline=DEADLINE)


def test_cancel_that_finds_no_order_is_to_be_looked_up(
    transport: RecordedTransport, recorded: Recording, client: ExchangeClient
) -> None:
    transport.instead[recorded.cancel_path] = recorded.not_found_on_cancel

    with pytest.raises(OutcomeUnknown):
        writes(recorded, client)[recorded.cancel_path]()


def test_order_past_its_deadline_is_not_sent(
    transport: RecordedTransport, recorded: Recording, client: ExchangeClient
) -> None:
    with pytest.raises(ExchangeUnavailable, match=r"(?i)not sent"):
        client.place_order(limit_order(recorded), deadline=NOW - timedelta(milliseconds=1))

    assert transport.sent(recorded.place_path) == 0


# Reads are repeated, and never invent anything


def test_read_without_an_answer_is_repeated(
    transport: RecordedTransport, recorded: Recording, client: ExchangeClient, monkeypatch: Any
) -> None:
    monkeypatch.setattr("apps.exchanges.http.FIRST_BACKOFF_SECONDS", 0.0)
    client.get_server_time()
    key = f"{transport.requests[0].method} {transport.requests[0].path}"
    transport.instead[key] = ConnectionCut("silence")

    with pytest.raises(ExchangeUnavailable):
        client.get_server_time()

    assert transport.sent(key) == 4


JUNK: list[object] = [
    None,
    [],
    {},
    "NaN",
    "sNaN",
    "1e999",
    "9e999999",
    "-9e999999",
    "-Infinity",
    "x",
    True,
    10**40,
    -1,
]


def mutations(payload: Any, *, at_most: int = 3) -> Iterator[Any]:
    """The payload with one value after the other replaced by junk, or left out."""
    if isinstance(payload, dict):
        for key, value in list(payload.items())[:60]:
            yield {k: v for k, v in payload.items() if k != key}
            yield from ({**payload, key: junk} for junk in JUNK)
            yield from ({**payload, key: changed} for changed in mutations(value))
    elif isinstance(payload, list):
        for index, value in enumerate(payload[:at_most]):
            rest = payload[:index], payload[index + 1 :][:at_most]
            yield from ([*rest[0], junk, *rest[1]] for junk in JUNK)
            yield from ([*rest[0], changed, *rest[1]] for changed in mutations(value))


@pytest.mark.parametrize("name", [*PUBLIC, "get_balance", "get_fees", "fetch_order"])
def test_junk_is_an_error_of_the_exchange_or_read_past(
    recorded: Recording, transport: RecordedTransport, name: str, monkeypatch: Any
) -> None:
    monkeypatch.setattr("apps.exchanges.http.READ_TRIES", 1)
    client = recorded.client(transport)
    reads(recorded, client)[name]()
    asked = transport.requests[-1]
    key = f"{asked.method} {asked.path}"
    tried = 0
    for tried, payload in enumerate(mutations(transport.payloads[transport.find(asked)]), 1):
        if tried > 3000:
            break
        transport.instead[key] = answer(payload)
        # Anything but an error of the exchange fails this test.
        with suppress(ExchangeError):
            reads(recorded, recorded.client(transport))[name]()
    assert tried > 5


@pytest.mark.parametrize(
    "body", [b"", b"<html>Cloudflare</html>", b'{"a":', b"null", b"7", b'"text"', b"\xff\xfe"]
)
def test_garbage_is_an_error_that_names_exchange_and_call(
    recorded: Recording, transport: RecordedTransport, body: bytes, monkeypatch: Any
) -> None:
    monkeypatch.setattr("apps.exchanges.http.READ_TRIES", 1)
    for name in reads(recorded, recorded.client(transport)):
        fresh = RecordedTransport(transport.payloads)
        reads(recorded, recorded.client(fresh))[name]()
        key = f"{fresh.requests[-1].method} {fresh.requests[-1].path}"
        fresh.instead[key] = HttpAnswer(status=200, body=body)

        with pytest.raises(ExchangeError) as caught:
            reads(recorded, recorded.client(fresh))[name]()

        assert key.partition(" ")[2] in str(caught.value), name
        assert recorded.exchange in str(caught.value).lower(), name


# Keys


def test_nothing_private_is_asked_without_a_key(
    recorded: Recording, transport: RecordedTransport
) -> None:
    client = recorded.client(transport, credentials=None)
    private = {**reads(recorded, client), **writes(recorded, client)}

    for name in private.keys() - PUBLIC:
        with pytest.raises(InvalidCredentials):
            private[name]()

    assert recorded.place_path not in [f"{r.method} {r.path}" for r in transport.requests]


def test_no_secret_is_in_an_error(
    recorded: Recording, transport: RecordedTransport, client: ExchangeClient
) -> None:
    keys = recorded.credentials
    secrets = [keys.api_key, keys.api_secret, str(keys.passphrase)]
    echo = {"error": ["EGeneral:" + " ".join(secrets)], "code": "1", "msg": " ".join(secrets)}

    for status in (200, 400, 500):
        transport.instead[recorded.place_path] = answer(echo, status)
        with pytest.raises(ExchangeError) as caught:
            client.place_order(limit_order(recorded), deadline=DEADLINE)
        told = f"{caught.value} {caught.value.args} {json.dumps(dict(caught.value.raw))}"
        assert not any(secret in told for secret in secrets)


def test_secret_that_is_a_word_of_the_answer_changes_nothing_but_what_is_kept(
    recorded: Recording, transport: RecordedTransport
) -> None:
    plain = reads(recorded, recorded.client(transport))["fetch_order"]()
    assert isinstance(plain, OrderReport)
    word = plain.exchange_status
    keys = replace(recorded.credentials, passphrase=word)

    report = reads(recorded, recorded.client(transport, credentials=keys))["fetch_order"]()

    assert isinstance(report, OrderReport)
    assert replace(report, raw={}) == replace(plain, raw={})
    assert word in json.dumps(dict(plain.raw))
    assert "***" in json.dumps(dict(report.raw))


def test_two_keys_at_once_never_mix(recorded: Recording, transport: RecordedTransport) -> None:
    lock = threading.Lock()
    seen: dict[str, list[HttpRequest]] = {}

    class Noting:
        def send(self, request: HttpRequest) -> HttpAnswer:
            with lock:
                seen.setdefault(threading.current_thread().name, []).append(request)
                return transport.send(request)

    keys = {
        name: Credentials(api_key=f"key-of-{name}", api_secret="c2VjcmV0", passphrase=name)
        for name in ("anna", "bert")
    }
    # Hours pass between two looks at the clock, so that no limit is ever near.
    limits = MemoryLimitStore(itertools.count(0.0, 100_000.0).__next__)

    def trade(name: str) -> None:
        for _ in range(25):
            recorded.client(Noting(), credentials=keys[name], limits=limits).get_balance()

    threads = [threading.Thread(target=trade, args=(name,), name=name) for name in keys]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    for name, requests in seen.items():
        other = next(key.api_key for owner, key in keys.items() if owner != name)
        signed = [request for request in requests if f"key-of-{name}" in request.headers.values()]
        assert len(signed) == 25
        assert all(other not in request.headers.values() for request in requests)


# Limits


def test_questions_of_everybody_stop_nobodys_orders(
    recorded: Recording, transport: RecordedTransport
) -> None:
    limits = MemoryLimitStore(NOW.timestamp)
    Throttle(limits, venue=recorded.client(transport).venue).record(
        seconds=0.0, is_ok=False, stop_seconds=600.0
    )

    recorded.client(transport, limits=limits).place_order(limit_order(recorded), deadline=DEADLINE)

    assert transport.sent(recorded.place_path) == 1


def test_exchange_that_says_stop_is_not_asked_again(
    recorded: Recording, transport: RecordedTransport
) -> None:
    limits = MemoryLimitStore()
    client = recorded.client(transport, limits=limits)
    transport.instead[recorded.place_path] = recorded.limited

    for _ in range(2):
        with pytest.raises(RateLimited):
            client.place_order(limit_order(recorded), deadline=DEADLINE)

    assert transport.sent(recorded.place_path) == 1


# What an exchange lacks is refused before any call


def unsupported_orders(recorded: Recording, able: Capabilities) -> Iterator[OrderRequest]:
    """Orders of every kind that the exchange does not declare."""
    for order_type in set(OrderType) - able.order_types:
        yield limit_order(
            recorded,
            order_type=order_type,
            price=Decimal(1) if order_type.has_limit_price else None,
            trigger_price=None if order_type is OrderType.TRAILING_STOP else Decimal(1),
            trailing_share=Decimal("0.01") if order_type is OrderType.TRAILING_STOP else None,
        )
    for time_in_force in set(TimeInForce) - able.times_in_force:
        yield limit_order(recorded, time_in_force=time_in_force)
    for side in set(OrderSide) - able.quote_amount_sides:
        yield limit_order(
            recorded,
            order_type=OrderType.MARKET,
            side=side,
            price=None,
            quantity=None,
            quote_amount=Decimal(10),
        )
    exits = [AttachedExit(trigger_price=Decimal(1))] * 2
    if able.attached_exits < 2:
        yield limit_order(recorded, stop_loss=exits[0], take_profit=exits[1])
    if able.attached_exits < 1:
        yield limit_order(recorded, stop_loss=exits[0])


@pytest.mark.parametrize("exchange", Exchange)
def test_client_can_what_its_exchange_declares(exchange: Exchange) -> None:
    client = RECORDINGS[exchange]().client(RecordedTransport({}))

    assert client.capabilities is capabilities_of(exchange)


def test_what_the_exchange_lacks_is_refused_unsent(
    recorded: Recording, transport: RecordedTransport, client: ExchangeClient
) -> None:
    for request in unsupported_orders(recorded, client.capabilities):
        with pytest.raises(Unsupported, match=r"(?i)nothing was sent"):
            client.place_order(request, deadline=DEADLINE)
    for kind in set(OrderListKind) - client.capabilities.order_lists:
        request = order_list(recorded, kind)
        with pytest.raises(Unsupported):
            client.place_order_list(request, deadline=DEADLINE)
    for timeframe in set(Timeframe) - client.capabilities.timeframes:
        with pytest.raises(Unsupported):
            client.get_candles(recorded.symbol, timeframe)

    assert not transport.requests


def test_what_the_exchange_declares_is_sent(
    recorded: Recording, transport: RecordedTransport, client: ExchangeClient
) -> None:
    able = client.capabilities
    for order_type in able.order_types - {OrderType.MARKET}:
        is_trailing = order_type is OrderType.TRAILING_STOP
        is_conditional = order_type.is_conditional and not is_trailing
        request = limit_order(
            recorded,
            order_type=order_type,
            price=Decimal(1) if order_type.has_limit_price else None,
            trigger_price=Decimal(2) if is_conditional else None,
            trailing_share=Decimal("0.01") if is_trailing else None,
        )
        before = len(transport.requests)
        client.place_order(request, deadline=DEADLINE)
        assert len(transport.requests) > before, order_type
        assert CLIENT_ORDER_ID in f"{transport.requests[-1].body}{transport.requests[-1].query}"


def order_list(recorded: Recording, kind: OrderListKind) -> OrderListRequest:
    """An entry and the exits of a position, as many as the kind has."""
    entry = limit_order(recorded, side=OrderSide.BUY, client_order_id="1" * 32)
    target = limit_order(recorded, client_order_id="2" * 32, price=Decimal(70_000))
    stop = limit_order(
        recorded,
        client_order_id="3" * 32,
        order_type=OrderType.STOP_LOSS,
        price=None,
        trigger_price=Decimal(60_000),
    )
    orders = {
        OrderListKind.OCO: (target, stop),
        OrderListKind.OTO: (entry, stop),
        OrderListKind.OTOCO: (entry, target, stop),
    }[kind]
    return OrderListRequest(kind=kind, client_list_id="4" * 32, orders=orders)


def test_unknown_status_word_is_unknown_and_kept(
    recorded: Recording, transport: RecordedTransport, client: ExchangeClient
) -> None:
    reads(recorded, client)["fetch_order"]()
    asked = transport.requests[-1]
    key = f"{asked.method} {asked.path}"
    text = json.dumps(transport.payloads[transport.find(asked)])
    known = reads(recorded, client)["fetch_order"]()
    word = json.dumps(getattr(known, "exchange_status"))  # noqa: B009  typed as object above
    transport.instead[key] = HttpAnswer(
        status=200, body=text.replace(f": {word}", ': "SOMETHING_NEW"').encode()
    )

    report = client.fetch_order(
        OrderRef(
            symbol=recorded.symbol, client_order_id=CLIENT_ORDER_ID, order_type=OrderType.LIMIT
        )
    )

    assert (report.status, report.exchange_status) == (OrderStatus.UNKNOWN, "SOMETHING_NEW")
