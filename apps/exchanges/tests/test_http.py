"""The HTTP door: repeats, doubts, redaction; and its keep-alive transport over a real socket."""

import logging
import os
import socket
from http.server import BaseHTTPRequestHandler

import msgspec
import pytest

from apps.exchanges.errors import ExchangeError, ExchangeUnavailable, InvalidOrder, OutcomeUnknown
from apps.exchanges.http import (
    ConnectionCut,
    HttpAnswer,
    HttpDoor,
    HttpRequest,
    NotSent,
    PooledTransport,
)
from apps.exchanges.tests import stubs
from apps.exchanges.tests.stubs import StubTransport, http_server

REQUEST = HttpRequest(method="GET", path="/a", query="signature=aa&b=1")


def read_error(request: HttpRequest, answer: HttpAnswer, *, is_write: bool) -> ExchangeError | None:
    """An adapter that calls every 4xx an invalid order and quotes the whole answer."""
    del is_write
    if answer.status < 400:
        return None
    words = f"{request.target}: {answer.body.decode()}"
    return InvalidOrder(words, raw={"a": [{"b": words}], "n": 1})


def door(transport: StubTransport, pauses: list[float] | None = None) -> HttpDoor:
    """A door that notes its pauses instead of making them."""
    noted: list[float] = [] if pauses is None else pauses
    return HttpDoor(
        transport,
        read_error,
        exchange="binance",
        secrets=("the-secret", ""),
        sleep=noted.append,
        chance=lambda: 1.0,
    )


def test_read_is_repeated_with_growing_pauses() -> None:
    pauses: list[float] = []
    transport = StubTransport(NotSent("x"), ConnectionCut("x"), stubs.answer([1]))

    body = door(transport, pauses).read(lambda: REQUEST, bytes)

    assert body == b"[1]"
    assert pauses == [0.2, 0.4]


def test_read_gives_up_after_three_tries() -> None:
    transport = StubTransport(*[ConnectionCut("no answer")] * 4)

    with pytest.raises(ExchangeUnavailable, match="GET /a at binance: no answer"):
        door(transport).read(lambda: REQUEST, bytes)

    assert len(transport.requests) == 3


def test_read_is_not_repeated_past_its_total_time() -> None:
    transport = StubTransport(ConnectionCut("x"))
    slow = HttpDoor(transport, read_error, exchange="binance", chance=lambda: 1e6)

    with pytest.raises(ExchangeUnavailable):
        slow.read(lambda: REQUEST, bytes)

    assert len(transport.requests) == 1


def test_cut_write_is_unknown_and_not_repeated() -> None:
    transport = StubTransport(ConnectionCut("no answer"))

    with pytest.raises(OutcomeUnknown, match="never send it again"):
        door(transport).write(REQUEST, bytes)

    assert len(transport.requests) == 1


def test_write_without_a_connection_was_not_sent() -> None:
    transport = StubTransport(NotSent("no connection"))

    with pytest.raises(ExchangeUnavailable, match="was not sent: no connection"):
        door(transport).write(REQUEST, bytes)

    assert len(transport.requests) == 1


def test_refusal_is_not_repeated() -> None:
    transport = StubTransport(stubs.answer("no", 400))

    with pytest.raises(InvalidOrder):
        door(transport).read(lambda: REQUEST, bytes)

    assert len(transport.requests) == 1


def test_unreadable_answer_to_a_write_is_unknown() -> None:
    transport = StubTransport(HttpAnswer(status=200, body=b"<html>"))

    with pytest.raises(OutcomeUnknown, match="can't be read"):
        door(transport).write(REQUEST, msgspec.json.decode)


def test_no_secret_leaves_with_an_error() -> None:
    transport = StubTransport(stubs.answer("the-secret", 400))

    with pytest.raises(InvalidOrder) as caught:
        door(transport).write(REQUEST, bytes)

    clean = '/a?signature=***&b=1: "***"'
    assert (str(caught.value), caught.value.args) == (clean, (clean,))
    assert caught.value.raw == {"a": [{"b": clean}], "n": 1}


def test_request_shows_neither_key_nor_signature() -> None:
    assert repr(REQUEST) == "HttpRequest(method='GET', path='/a')"


class Echo(BaseHTTPRequestHandler):
    """Answers with the client's port, so that a kept connection can be told."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """Port of the peer; /moved redirects."""
        body = str(self.client_address[1]).encode()
        self.send_response(302 if self.path == "/moved" else 200)
        self.send_header("Location", "/")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("X-Weight", "7")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_args: object) -> None:
        """Keep quiet."""


class Mute(Echo):
    """Reads the request and closes."""

    def do_GET(self) -> None:
        """No answer."""
        self.close_connection = True


GET = HttpRequest(method="GET", path="/")


@pytest.fixture(autouse=True)
def _close_pools(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("apps.exchanges.http._pools", {})


def test_connection_is_kept_and_shared_in_a_process() -> None:
    with http_server(Echo) as url:
        first = PooledTransport(url).send(GET)
        second = PooledTransport(url).send(GET)

    assert first.body == second.body
    assert first.headers["x-weight"] == "7"


def test_forked_process_opens_its_own_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    with http_server(Echo) as url:
        parent = PooledTransport(url).send(GET)
        monkeypatch.setattr(os, "getpid", lambda: -1)
        child = PooledTransport(url).send(GET)

    assert parent.body != child.body


def test_redirect_is_not_followed() -> None:
    with http_server(Echo) as url:
        got = PooledTransport(url).send(HttpRequest(method="GET", path="/moved"))

    assert got.status == 302


def test_refused_connection_is_not_sent() -> None:
    with http_server(Echo) as url:
        pass

    with pytest.raises(NotSent, match=url):
        PooledTransport(url).send(GET)


def test_connection_closed_without_an_answer_is_cut() -> None:
    with http_server(Mute) as url, pytest.raises(ConnectionCut, match="ProtocolError"):
        PooledTransport(url).send(GET)


def test_silent_exchange_is_cut() -> None:
    with socket.create_server(("127.0.0.1", 0)) as never_answers:
        url = f"http://127.0.0.1:{never_answers.getsockname()[1]}"

        with pytest.raises(ConnectionCut, match="ReadTimeoutError"):
            PooledTransport(url, answer_seconds=0.01).send(GET)


def test_signed_urls_are_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG), http_server(Echo) as url:
        PooledTransport(url).send(REQUEST)

    assert "signature" not in caplog.text
