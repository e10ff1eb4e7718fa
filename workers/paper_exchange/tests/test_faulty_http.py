import json
import time
from collections.abc import Iterator
from typing import Any

import pytest
import requests
from websocket import WebSocket, WebSocketConnectionClosedException, create_connection

from apps.domain.environments import Exchange
from workers.paper_exchange.exchange import PaperExchange
from workers.paper_exchange.tests.builders import (
    KEY,
    START_MS,
    Wall,
    exchange_of,
    feed_of,
    rising_candles,
)
from workers.paper_exchange.tests.serving import Client, serve

ORDER = {
    "symbol": "BTCUSDT",
    "side": "BUY",
    "type": "LIMIT",
    "timeInForce": "GTC",
    "quantity": "0.1",
    "price": "90",
}


@pytest.fixture
def exchange() -> PaperExchange:
    exchange = exchange_of(feed_of(rising_candles(5)), Wall())
    exchange.advance()
    return exchange


@pytest.fixture
def client(exchange: PaperExchange) -> Iterator[Client]:
    with serve(exchange) as url:
        yield Client(url)


def set_faults(client: Client, *rules: dict[str, object]) -> None:
    body = json.dumps({"rules": rules})
    status, _answer = client.send(
        "POST", "/paper/faults", body, {"Content-Type": "application/json"}
    )
    assert status == 200


def ask(client: Client, path: str = "/api/v3/time", **options: Any) -> requests.Response:
    with requests.get(client.url + path, timeout=5, **options) as reply:
        return reply


def placed(exchange: PaperExchange) -> int:
    return len(exchange.engine.accounts[KEY].orders) if KEY in exchange.engine.accounts else 0


def test_a_slow_answer_comes_all_the_same(client: Client) -> None:
    set_faults(client, {"fault": "latency", "seconds": 0.2})

    began = time.monotonic()
    reply = ask(client)

    assert reply.json() == {"serverTime": START_MS}
    assert time.monotonic() - began > 0.2


def test_a_swallowed_order_is_never_placed(client: Client, exchange: PaperExchange) -> None:
    set_faults(client, {"fault": "timeout_before", "method": "POST", "seconds": 0.1})

    with pytest.raises(requests.ConnectionError):
        client.signed("POST", "/api/v3/order", **ORDER)

    assert placed(exchange) == 0
    assert client.get("/api/v3/time")[0] == 200


def test_an_order_is_taken_whose_answer_never_comes(
    client: Client, exchange: PaperExchange
) -> None:
    rule = {"fault": "timeout_after", "path": "/api/v3/order", "seconds": 0.1, "times": 1}
    set_faults(client, rule)

    with pytest.raises(requests.ConnectionError):
        client.signed("POST", "/api/v3/order", **ORDER)

    assert placed(exchange) == 1
    assert client.signed("GET", "/api/v3/openOrders", symbol="BTCUSDT")[0] == 200


@pytest.mark.parametrize(
    ("rule", "status", "code", "retry_after"),
    [
        ({"fault": "rate_limited", "retry_after": 7}, 429, -1003, "7"),
        ({"fault": "banned"}, 418, -1003, "120"),
        ({"fault": "server_error", "status": 504}, 504, -1000, None),
        ({"fault": "maintenance"}, 503, -1016, None),
    ],
)
def test_refusals_are_in_the_exchange_s_own_words(
    client: Client, rule: dict[str, object], status: int, code: int, retry_after: str | None
) -> None:
    set_faults(client, rule)

    reply = ask(client)

    assert (reply.status_code, reply.json()["code"]) == (status, code)
    assert reply.headers.get("Retry-After") == retry_after


def test_an_order_is_taken_although_the_server_reports_an_error(
    client: Client, exchange: PaperExchange
) -> None:
    set_faults(client, {"fault": "server_error", "status": 503, "after": True})

    status, body = client.signed("POST", "/api/v3/order", **ORDER)

    assert (status, body["code"]) == (503, -1000)
    assert placed(exchange) == 1


def test_a_page_is_not_json(client: Client) -> None:
    set_faults(client, {"fault": "html_page", "status": 502})

    reply = ask(client)

    assert (reply.status_code, reply.headers["Content-Type"]) == (502, "text/html")
    assert reply.text.startswith("<html>")


def test_the_server_time_is_told_wrong_and_the_clock_is_right(
    client: Client, exchange: PaperExchange
) -> None:
    set_faults(client, {"fault": "clock_skew", "skew_ms": -90_000})

    assert client.get("/api/v3/time")[1] == {"serverTime": START_MS - 90_000}
    assert exchange.clock.now_ms() == START_MS


def test_a_revoked_key_is_refused_and_another_one_is_not(client: Client) -> None:
    set_faults(client, {"fault": "key_revoked", "key": KEY})

    status, body = client.signed("GET", "/api/v3/account")
    other = Client(client.url, key="o" * 16)

    assert (status, body["code"]) == (401, -2015)
    assert other.signed("GET", "/api/v3/account")[0] == 200


def test_rules_can_be_about_a_text_in_the_request(client: Client) -> None:
    set_faults(client, {"fault": "server_error", "contains": "ETHUSDT"})

    assert client.get("/api/v3/ticker/price", symbol="BTCUSDT")[0] == 200
    assert client.get("/api/v3/ticker/price", symbol="ETHUSDT")[0] == 503


def test_no_rules_end_all_faults(client: Client) -> None:
    set_faults(client, {"fault": "maintenance"})
    set_faults(client)

    assert client.get("/api/v3/time")[0] == 200


def test_rules_that_cannot_be_read_change_nothing(client: Client) -> None:
    set_faults(client, {"fault": "rate_limited", "path": "/nowhere"})
    headers = {"Content-Type": "application/json"}

    status, body = client.send("POST", "/paper/faults", '{"rules": [\n{"fault": "x"}]}', headers)

    assert (status, body["error"][:16]) == (400, "line 2: rule 1: ")
    assert client.get("/paper/faults")[1]["rules"][0]["fault"] == "rate_limited"


def test_a_browser_s_form_changes_nothing(client: Client) -> None:
    status, body = client.send("POST", "/paper/faults", '{"rules": []}', {})

    assert (status, "Content-Type" in body["error"]) == (415, True)


def test_the_state_shows_faults_and_accounts_without_their_keys(client: Client) -> None:
    client.signed("POST", "/api/v3/order", **ORDER)
    set_faults(client, {"fault": "maintenance", "path": "/nowhere"})

    status, state = client.get("/paper/state")

    assert status == 200
    assert state["faults"][0]["fault"] == "maintenance"
    assert state["account_list"][0]["open_orders"] == 1
    assert KEY not in json.dumps(state)


# The other exchanges

TIMES = {Exchange.BITGET: "/api/v2/public/time", Exchange.KRAKEN: "/0/public/Time"}


@pytest.mark.parametrize(
    ("spoken", "rule", "status", "words"),
    [
        (Exchange.BITGET, {"fault": "rate_limited"}, 429, '"code":"429"'),
        (Exchange.BITGET, {"fault": "maintenance"}, 400, '"code":"40200"'),
        (Exchange.BITGET, {"fault": "server_error"}, 503, '"code":"40015"'),
        (Exchange.BITGET, {"fault": "key_revoked", "key": KEY}, 400, '"code":"40006"'),
        (Exchange.KRAKEN, {"fault": "rate_limited"}, 429, "EAPI:Rate limit exceeded"),
        (Exchange.KRAKEN, {"fault": "maintenance"}, 200, "EService:Unavailable"),
        (Exchange.KRAKEN, {"fault": "server_error"}, 503, "EGeneral:Internal error"),
        (Exchange.KRAKEN, {"fault": "key_revoked", "key": KEY}, 200, "EAPI:Invalid key"),
    ],
)
def test_each_exchange_has_its_own_words(
    spoken: Exchange, rule: dict[str, object], status: int, words: str
) -> None:
    exchange = exchange_of(feed_of(rising_candles(5)), Wall(), spoken=spoken)
    with serve(exchange) as url:
        client = Client(url)
        set_faults(client, rule)
        headers = {"ACCESS-KEY": KEY, "API-Key": KEY}

        reply = ask(client, TIMES[spoken], headers=headers)

    assert reply.status_code == status
    assert words in reply.text


@pytest.mark.parametrize("spoken", [Exchange.BITGET, Exchange.KRAKEN])
def test_each_exchange_tells_the_time_wrong(spoken: Exchange) -> None:
    exchange = exchange_of(feed_of(rising_candles(5)), Wall(), spoken=spoken)
    with serve(exchange) as url:
        client = Client(url)
        right = ask(client, TIMES[spoken]).text
        set_faults(client, {"fault": "clock_skew", "skew_ms": 60_000})

        wrong = ask(client, TIMES[spoken]).text

    told = str(START_MS // 1000 + 60)
    assert told not in right
    assert told in wrong


# Frames


def listen(client: Client) -> WebSocket:
    """A socket whose replies to LIST_SUBSCRIPTIONS are the frames that are disturbed."""
    return create_connection(client.url.replace("http", "ws") + "/ws", timeout=5)


def replies(socket: WebSocket, count: int) -> list[int]:
    return [json.loads(socket.recv())["id"] for _ in range(count)]


def request(socket: WebSocket, number: int) -> None:
    socket.send(json.dumps({"method": "LIST_SUBSCRIPTIONS", "id": number}))


@pytest.mark.parametrize(
    ("fault", "seen"),
    [("frame_missed", [2, 3]), ("frame_repeated", [1, 1, 2, 3]), ("frame_swapped", [2, 1, 3])],
)
def test_frames_are_missed_repeated_and_swapped(
    client: Client, fault: str, seen: list[int]
) -> None:
    set_faults(client, {"fault": fault, "path": "/ws*", "times": 1})
    socket = listen(client)
    for number in (1, 2, 3):
        request(socket, number)

    assert replies(socket, len(seen)) == seen
    socket.close()


@pytest.mark.parametrize("fault", ["socket_cut", "maintenance"])
def test_a_connection_breaks_without_a_word(client: Client, fault: str) -> None:
    socket = listen(client)
    set_faults(client, {"fault": fault})
    request(socket, 1)

    with pytest.raises((WebSocketConnectionClosedException, ConnectionError)):
        socket.recv()
    socket.close()


def test_a_revoked_key_can_not_log_in_on_a_socket(client: Client) -> None:
    set_faults(client, {"fault": "key_revoked", "key": KEY})
    socket = listen(client)
    socket.send(json.dumps({"method": "LOGIN", "params": [KEY], "id": 1}))

    with pytest.raises((WebSocketConnectionClosedException, ConnectionError)):
        socket.recv()
    socket.close()
