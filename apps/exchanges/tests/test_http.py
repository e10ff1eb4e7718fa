"""The HTTP door: repeats, doubts, redaction, limits."""

from contextlib import suppress
from urllib.parse import parse_qsl

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.exchanges.errors import (
    ExchangeError,
    ExchangeUnavailable,
    InvalidOrder,
    OutcomeUnknown,
    RateLimited,
)
from apps.exchanges.http import (
    ConnectionCut,
    HttpAnswer,
    HttpDoor,
    HttpRequest,
    NotSent,
    encode_params,
)
from apps.exchanges.limits import MemoryLimitStore, Throttle
from apps.exchanges.tests import stubs
from apps.exchanges.tests.stubs import StubTransport

REQUEST = HttpRequest(method="GET", path="/a", query="signature=aa&b=1")


def read_error(request: HttpRequest, answer: HttpAnswer, *, is_write: bool) -> ExchangeError | None:
    """An adapter that calls every 4xx an invalid order and quotes the whole answer."""
    del is_write
    if answer.status < 400:
        return None
    words = f"{request.target}: {answer.body.decode()}"
    return InvalidOrder(words, raw={"a": [{"b": words}], "n": 1})


def throttle() -> Throttle:
    """Limits of its own."""
    return Throttle(MemoryLimitStore(), venue="binance@stub")


def door(transport: StubTransport, pauses: list[float] | None = None) -> HttpDoor:
    """A door that notes its pauses instead of making them."""
    noted: list[float] = [] if pauses is None else pauses
    return HttpDoor(
        transport,
        read_error,
        exchange="binance",
        throttle=throttle(),
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
    slow = HttpDoor(
        transport, read_error, exchange="binance", throttle=throttle(), chance=lambda: 1e6
    )

    with pytest.raises(ExchangeUnavailable):
        slow.read(lambda: REQUEST, bytes)

    assert len(transport.requests) == 1


def test_cut_write_is_unknown_and_not_repeated() -> None:
    transport = StubTransport(ConnectionCut("no answer"))

    with pytest.raises(OutcomeUnknown, match="never send it again"):
        door(transport).write(lambda: REQUEST, bytes)

    assert len(transport.requests) == 1


def test_write_without_a_connection_was_not_sent() -> None:
    transport = StubTransport(NotSent("no connection"))

    with pytest.raises(ExchangeUnavailable, match="was not sent: no connection"):
        door(transport).write(lambda: REQUEST, bytes)

    assert len(transport.requests) == 1


def test_refusal_is_not_repeated() -> None:
    transport = StubTransport(stubs.answer("no", 400))

    with pytest.raises(InvalidOrder):
        door(transport).read(lambda: REQUEST, bytes)

    assert len(transport.requests) == 1


def test_unreadable_answer_to_a_write_is_unknown() -> None:
    transport = StubTransport(HttpAnswer(status=200, body=b"<html>"))

    with pytest.raises(OutcomeUnknown, match="can't be read"):
        door(transport).write(lambda: REQUEST, msgspec.json.decode)


def test_no_secret_leaves_with_an_error() -> None:
    transport = StubTransport(stubs.answer("the-secret", 400))

    with pytest.raises(InvalidOrder) as caught:
        door(transport).write(lambda: REQUEST, bytes)

    clean = '/a?signature=***&b=1: "***"'
    assert (str(caught.value), caught.value.args) == (clean, (clean,))
    assert caught.value.raw == {"a": [{"b": clean}], "n": 1}


def test_request_shows_neither_key_nor_signature() -> None:
    assert repr(REQUEST) == "HttpRequest(method='GET', path='/a')"


def test_wait_that_the_exchange_asks_for_stops_the_next_call() -> None:
    def read_error(
        request: HttpRequest, answer: HttpAnswer, *, is_write: bool
    ) -> ExchangeError | None:
        error = RateLimited("slow down")
        error.retry_after = 60.0
        return error

    transport = StubTransport(stubs.answer("", 429))
    throttled = HttpDoor(transport, read_error, exchange="binance", throttle=throttle())

    for _ in range(2):
        with pytest.raises(RateLimited):
            throttled.write(lambda: REQUEST, bytes)

    assert len(transport.requests) == 1


def test_request_is_made_after_its_limits_let_it_through() -> None:
    limits = throttle()
    limits.record(seconds=0, is_ok=False, stop_seconds=60)
    made: list[HttpRequest] = []

    def make_request() -> HttpRequest:
        made.append(REQUEST)
        return REQUEST

    stopped = HttpDoor(StubTransport(), read_error, exchange="binance", throttle=limits)

    with pytest.raises(RateLimited, match="was not asked"):
        stopped.write(make_request, bytes)

    assert not made


def test_calls_are_counted_by_how_they_went() -> None:
    store = MemoryLimitStore()
    answers = (stubs.answer([1]), stubs.answer("no", 400), ConnectionCut("x"))
    counted = HttpDoor(
        StubTransport(*answers),
        read_error,
        exchange="binance",
        throttle=Throttle(store, venue="binance@stub"),
    )

    for _ in answers:
        with suppress(ExchangeError):
            counted.write(lambda: REQUEST, bytes)

    statistics = store.statistics("binance@stub")
    # A refusal is an answer; only the silence counts as a failure.
    assert (statistics.calls, statistics.failures) == (3, 1)


def test_unreadable_answer_is_quoted_without_secrets() -> None:
    transport = StubTransport(HttpAnswer(status=200, body=b"<html>the-secret</html>"))

    with pytest.raises(OutcomeUnknown, match=r"<html>\*\*\*</html>"):
        door(transport).write(lambda: REQUEST, msgspec.json.decode)


@given(
    st.dictionaries(
        st.text("ab[]&= ", min_size=1), st.text("a1.&=%+ \u20ac"), min_size=1, max_size=4
    )
)
def test_encoded_parameters_are_read_back_as_they_were(params: dict[str, str]) -> None:
    assert dict(parse_qsl(encode_params(params), keep_blank_values=True)) == params


def test_parameters_are_percent_encoded() -> None:
    wide = "".join(chr(0xFF10 + digit) for digit in (1, 2))

    encoded = encode_params(
        {"symbol": wide, "names": '["A B"]', "price": "0.10", "close[type]": ""}
    )

    assert encoded == (
        "symbol=%EF%BC%91%EF%BC%92&names=%5B%22A%20B%22%5D&price=0.10&close%5Btype%5D="
    )
