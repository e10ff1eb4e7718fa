"""Signing, deadlines, clocks and limits of requests."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from apps.domain.orders import OrderSide, OrderType
from apps.exchanges.bitget import constants
from apps.exchanges.bitget.auth import signature
from apps.exchanges.bitget.client import BitgetClient
from apps.exchanges.bitget.tests.payloads import (
    DEADLINE,
    KEYS,
    NOW,
    NOW_MS,
    asked,
    client,
    failure,
    good,
    sent_body,
)
from apps.exchanges.clock import forget_clocks
from apps.exchanges.errors import (
    ClockSkew,
    ExchangeUnavailable,
    InsufficientFunds,
    InvalidCredentials,
    OrderNotFound,
    OutcomeUnknown,
    RateLimited,
)
from apps.exchanges.http import ConnectionCut, HttpAnswer, NotSent
from apps.exchanges.limits import Budget, MemoryLimitStore, Refusal, Spending
from apps.exchanges.ports import Credentials, OrderRef, OrderRequest
from apps.exchanges.tests.stubs import StubTransport

BUY = OrderRequest(
    symbol="BTC/USDT",
    side=OrderSide.BUY,
    order_type=OrderType.MARKET,
    client_order_id="a" * 32,
    quote_amount=Decimal(50),
)
REF = OrderRef(symbol="BTC/USDT", client_order_id="a" * 32, order_type=OrderType.LIMIT)
PLACED = good({"orderId": "1001", "clientOid": "a" * 32})
#: The exchange's clock is 3 s behind ours.
SERVER_TIME = good({"serverTime": str(NOW_MS - 3000)})


def test_order_is_signed_over_the_text_that_is_sent() -> None:
    transport = StubTransport(PLACED)

    client(transport).place_order(BUY, deadline=DEADLINE)

    request = transport.requests[0]
    prehash = f"{NOW_MS}POST/api/v2/spot/trade/place-order{request.body}"
    assert request.headers == {
        "locale": "en-US",
        "ACCESS-KEY": "the-api-key",
        "ACCESS-SIGN": signature(prehash, KEYS.api_secret),
        "ACCESS-TIMESTAMP": str(NOW_MS),
        "ACCESS-PASSPHRASE": "the-passphrase",
        "Content-Type": "application/json",
    }


def test_question_is_signed_over_its_query() -> None:
    transport = StubTransport(good({"makerFeeRate": "0.1", "takerFeeRate": "0.2"}))

    client(transport).get_fees("BTC/USDT")

    request = transport.requests[0]
    prehash = f"{NOW_MS}GET/api/v2/common/trade-rate?businessType=spot&symbol=BTCUSDT"
    assert request.target == "/api/v2/common/trade-rate?businessType=spot&symbol=BTCUSDT"
    assert request.headers["ACCESS-SIGN"] == signature(prehash, KEYS.api_secret)


def test_what_anybody_may_ask_is_not_signed() -> None:
    transport = StubTransport(good({"serverTime": "1"}))

    client(transport).get_server_time()

    assert transport.requests[0].headers == {"locale": "en-US"}


def test_demo_is_asked_for_by_a_header_but_for_the_time() -> None:
    transport = StubTransport(good([]), good([]), good({"serverTime": "1"}))
    demo = client(transport, testnet=True)

    demo.get_balance()
    demo.get_markets()
    demo.get_server_time()

    told = [request.headers.get("paptrading") for request in transport.requests]
    assert told == ["1", "1", None]


def test_demo_is_on_the_same_host() -> None:
    assert BitgetClient(testnet=True).venue == "bitget@https://api.bitget.com (demo)"


def test_deadline_travels_with_the_order() -> None:
    transport = StubTransport(PLACED)

    client(transport).place_order(BUY, deadline=DEADLINE)

    body = sent_body(transport)
    assert (body["requestTime"], body["receiveWindow"]) == (str(NOW_MS), "5000")


def test_receive_window_has_a_ceiling() -> None:
    transport = StubTransport(PLACED)

    client(transport).place_order(BUY, deadline=NOW + timedelta(hours=1))

    assert sent_body(transport)["receiveWindow"] == "60000"


def test_order_past_its_deadline_is_not_sent() -> None:
    transport = StubTransport()

    with pytest.raises(ExchangeUnavailable, match="Not sent: its deadline 2026-01-02 00:00:00 UTC"):
        client(transport).place_order(BUY, deadline=NOW)

    assert transport.requests == []


@pytest.mark.parametrize(
    ("happens", "kind"),
    [
        (ConnectionCut("x"), OutcomeUnknown),
        (NotSent("x"), ExchangeUnavailable),
        (failure("40010", "timed out"), OutcomeUnknown),
        (failure("40015"), OutcomeUnknown),
        (failure("43012", status=502), OutcomeUnknown),
        (HttpAnswer(status=200, body=b"<html>"), OutcomeUnknown),
        (HttpAnswer(status=200, body=PLACED.body[:-10]), OutcomeUnknown),
        (good({"orderId": None}), OutcomeUnknown),
        (failure("1001"), RateLimited),
    ],
)
def test_write_is_sent_once_whatever_happens(
    happens: HttpAnswer | Exception, kind: type[Exception]
) -> None:
    transport = StubTransport(happens)

    with pytest.raises(kind) as caught:
        client(transport).place_order(BUY, deadline=DEADLINE)

    assert type(caught.value) is kind
    assert len(transport.requests) == 1


def test_unreadable_answer_to_an_order_says_what_and_what_to_do() -> None:
    transport = StubTransport(HttpAnswer(status=200, body=b"<html>Cloudflare"))

    with pytest.raises(OutcomeUnknown) as caught:
        client(transport).place_order(BUY, deadline=DEADLINE)

    for words in (
        "POST /api/v2/spot/trade/place-order",
        "bitget",
        "<html>Cloudflare",
        "never send",
    ):
        assert words in str(caught.value)


@pytest.mark.parametrize("code", ["40004", "40005", "40008", "40078", "40911"])
def test_clock_is_corrected_and_the_same_order_sent_once_more(code: str) -> None:
    transport = StubTransport(failure(code), SERVER_TIME, PLACED, PLACED)
    late = client(transport)

    late.place_order(BUY, deadline=DEADLINE)
    client(transport).place_order(BUY, deadline=DEADLINE)

    assert asked(transport) == [
        "POST place-order",
        "GET time",
        "POST place-order",
        "POST place-order",
    ]
    first, repeated, next_one = (sent_body(transport, index) for index in (0, 2, 3))
    assert first["clientOid"] == repeated["clientOid"] == "a" * 32
    # Kept for every client of this process; the window still ends at the deadline.
    for body in (repeated, next_one):
        assert (body["requestTime"], body["receiveWindow"]) == (str(NOW_MS - 3000), "5000")
    assert transport.requests[2].headers["ACCESS-TIMESTAMP"] == str(NOW_MS - 3000)


def test_clock_that_stays_wrong_is_an_error() -> None:
    transport = StubTransport(failure("40008"), SERVER_TIME, failure("40008"))

    with pytest.raises(ClockSkew):
        client(transport).place_order(BUY, deadline=DEADLINE)

    assert len(transport.requests) == 3


def test_order_is_not_repeated_past_its_deadline() -> None:
    transport = StubTransport(failure("40008"), SERVER_TIME)
    slow = BitgetClient(
        KEYS,
        base_url="http://stub",
        limits=MemoryLimitStore(),
        transport=transport,
        # Each request takes 3 s.
        now=lambda: NOW.timestamp() + 3 * len(transport.requests),
    )

    with pytest.raises(ExchangeUnavailable, match="Not sent"):
        slow.place_order(BUY, deadline=DEADLINE)

    assert asked(transport) == ["POST place-order", "GET time"]


def test_read_is_repeated_in_the_exchanges_time() -> None:
    transport = StubTransport(failure("40008"), SERVER_TIME, good([]))

    assert client(transport).get_balance() == []
    assert transport.requests[-1].headers["ACCESS-TIMESTAMP"] == str(NOW_MS - 3000)


def test_clock_that_is_ahead_carries_no_deadline_along() -> None:
    forget_clocks()
    behind = good({"serverTime": str(NOW_MS - 25_000)})
    transport = StubTransport(behind, PLACED, PLACED)

    client(transport).place_order(BUY, deadline=DEADLINE)
    client(transport).place_order(BUY, deadline=DEADLINE)

    # Asked once, before the first order of a process.
    assert asked(transport) == ["GET time", "POST place-order", "POST place-order"]
    for index in (1, 2):
        body = sent_body(transport, index)
        assert (body["requestTime"], body["receiveWindow"]) == (str(NOW_MS - 25_000), "5000")
        assert transport.requests[index].headers["ACCESS-TIMESTAMP"] == body["requestTime"]


def test_clock_that_is_not_told_stops_no_order() -> None:
    forget_clocks()
    transport = StubTransport(*[ConnectionCut("silence")] * 3, PLACED)

    client(transport).place_order(BUY, deadline=DEADLINE)

    assert sent_body(transport)["requestTime"] == str(NOW_MS)


def test_what_has_no_deadline_needs_no_clock() -> None:
    forget_clocks()
    transport = StubTransport(good({"orderId": "1"}))

    client(transport).cancel_order(REF)

    assert asked(transport) == ["POST cancel-order"]


@pytest.mark.parametrize(
    ("credentials", "why"),
    [
        (None, "needs an API key"),
        (Credentials(api_key="a", api_secret="b"), "passphrase, and none is entered"),
        (
            Credentials(api_key="a", api_secret="b", passphrase=""),
            "passphrase, and none is entered",
        ),
    ],
)
def test_nothing_private_is_sent_without_a_whole_key(
    credentials: Credentials | None, why: str
) -> None:
    transport = StubTransport()
    keyless = client(transport, credentials)

    with pytest.raises(InvalidCredentials, match=why):
        keyless.place_order(BUY, deadline=DEADLINE)
    with pytest.raises(InvalidCredentials, match=why):
        keyless.get_balance()

    assert transport.requests == []


def test_secrets_are_blotted_out_of_what_is_kept() -> None:
    words = f"not for {KEYS.api_key}, {KEYS.api_secret} or {KEYS.passphrase}"
    transport = StubTransport(good({"orderId": "1", "note": words}), failure("43012", words))
    trader = client(transport)

    report = trader.place_order(BUY, deadline=DEADLINE)
    with pytest.raises(InsufficientFunds, match=r"not for \*\*\*, \*\*\* or \*\*\*"):
        trader.place_order(BUY, deadline=DEADLINE)

    assert report.raw["data"] == {"orderId": "1", "note": "not for ***, *** or ***"}


# Limits


def spent(limits: MemoryLimitStore) -> dict[str, float]:
    """What was spent, by the last words of each name."""
    return {
        name.rpartition("/")[2].rpartition(":")[2]: level.used
        for name, level in limits._levels.items()
    }


def test_call_is_charged_to_its_own_limit_and_to_the_address() -> None:
    limits = MemoryLimitStore(now=lambda: 0.0)
    transport = StubTransport(PLACED, good({"serverTime": "1"}))
    trader = BitgetClient(
        KEYS, base_url="http://stub", limits=limits, transport=transport, now=NOW.timestamp
    )

    trader.place_order(BUY, deadline=DEADLINE)
    trader.get_server_time()

    assert spent(limits) == {"place-order": 1, "time": 1, "requests of this address": 2}
    of_the_key = [name for name in limits._levels if "#" in name]
    assert [name.rpartition(":")[2] for name in of_the_key] == ["/api/v2/spot/trade/place-order"]


def admitted(budget: Budget, seconds: float) -> list[float]:
    """When calls get through that are tried every millisecond."""
    clock = [1000.0]
    limits = MemoryLimitStore(now=lambda: clock[0])
    times = []
    for step in range(int(seconds * 1000)):
        clock[0] = 1000.0 + step / 1000
        spending = Spending(budget.name, budget, 1.0)
        if limits.spend([spending], share=1.0, stops=()) is None:
            times.append(clock[0])
    return times


@pytest.mark.parametrize(
    ("endpoint", "per_second"),
    [
        (constants.PLACE, 10),
        (constants.CANCEL_SYMBOL, 5),
        (constants.ORDER_INFO, 20),
        (constants.ACCOUNT_INFO, 1),
    ],
)
def test_no_second_sees_more_calls_than_allowed(
    endpoint: constants.Endpoint, per_second: int
) -> None:
    times = admitted(endpoint.limit, 4)

    most = max(sum(start <= at < start + 1 for at in times) for start in times)
    assert most <= per_second
    assert len(times) >= 4 * max(1, per_second // 2)


def test_no_minute_sees_more_requests_of_an_address_than_allowed() -> None:
    budget = constants.ADDRESS

    assert budget.capacity + budget.capacity / budget.seconds * 60 <= 6000


def test_http_429_keeps_the_key_silent() -> None:
    transport = StubTransport(failure("429", "Too Many Requests", 429))
    trader = client(transport)

    with pytest.raises(RateLimited, match="Too Many Requests"):
        trader.place_order(BUY, deadline=DEADLINE)
    with pytest.raises(RateLimited, match="was not asked"):
        trader.place_order(BUY, deadline=DEADLINE)

    assert len(transport.requests) == 1


class NotingLimits(MemoryLimitStore):
    """Limits that note up to which share of them a call may go."""

    def __init__(self) -> None:
        super().__init__()
        self.shares: list[float] = []

    def spend(
        self, spendings: Sequence[Spending], *, share: float, stops: Sequence[str]
    ) -> Refusal | None:
        self.shares.append(share)
        return super().spend(spendings, share=share, stops=stops)


def test_cancels_look_ups_and_exits_go_first() -> None:
    limits = NotingLimits()
    transport = StubTransport(PLACED, PLACED, good({"orderId": "1"}), failure("43001"), good([]))
    trader = BitgetClient(
        KEYS, base_url="http://stub", limits=limits, transport=transport, now=NOW.timestamp
    )

    trader.place_order(BUY, deadline=DEADLINE)
    trader.place_order(replace(BUY, is_exit=True), deadline=DEADLINE)
    trader.cancel_order(REF)
    with pytest.raises(OrderNotFound):
        trader.fetch_order(REF)
    trader.get_balance()

    assert limits.shares == [0.9, 1.0, 1.0, 1.0, 0.6]
