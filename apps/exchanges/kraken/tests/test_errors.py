"""Every documented error has a class, and a doubtful write is never called failed."""

import json
from pathlib import Path

import pytest

from apps.exchanges import errors
from apps.exchanges.http import HttpAnswer, HttpRequest
from apps.exchanges.kraken.constants import COUNTER, ERRORS
from apps.exchanges.kraken.errors import read_error, read_usage
from apps.exchanges.kraken.tests.payloads import failure, fixture_of, names
from apps.exchanges.tests.stubs import answer

PLACE = HttpRequest(method="POST", path="/0/private/AddOrder")
CANCEL = HttpRequest(method="POST", path="/0/private/CancelOrder")
QUERY = HttpRequest(method="POST", path="/0/private/QueryOrders")
CANDLES = HttpRequest(method="GET", path="/0/public/OHLC")
NOW = 1_700_000_000.0

FIXTURES: dict[str, type[errors.ExchangeError] | None] = {
    # A message of WebSocket v1, which we don't speak; as an answer it tells no error.
    "ccxt_src_handle_error_message_1": None,
    "docs_err_EAPI_Invalid_key": errors.InvalidCredentials,
    "docs_err_EAPI_Rate_limit_exceeded": errors.RateLimited,
    "docs_err_EGeneral_Invalid_arguments": errors.InvalidOrder,
    "docs_err_EGeneral_Invalid_arguments_volume": errors.InvalidOrder,
    "docs_err_EGeneral_Permission_denied": errors.PermissionDenied,
    "docs_err_EGeneral_Temporary_lockout": errors.RateLimited,
    "docs_err_EGeneral_Too_many_requests": errors.RateLimited,
    "docs_err_EOrder_Insufficient_funds": errors.InsufficientFunds,
    "docs_err_EOrder_Invalid_price": errors.InvalidOrder,
    "docs_err_EOrder_Order_minimum_not_met": errors.InvalidOrder,
    "docs_err_EOrder_Orders_limit_exceeded": errors.InvalidOrder,
    "docs_err_EOrder_Tick_size_check_failed": errors.InvalidOrder,
    "docs_err_EService_Market_in_cancel_only_mode": errors.MarketClosed,
    "docs_err_EService_Market_in_post_only_mode": errors.MarketClosed,
    "docs_err_EService_Unavailable": errors.OutcomeUnknown,
}

WORDS: list[tuple[str, type[errors.ExchangeError], type[errors.ExchangeError]]] = [
    # what is told, what it means to a new order, what it means to a question
    ("EAPI:Invalid key", errors.InvalidCredentials, errors.InvalidCredentials),
    ("EAPI:Invalid signature", errors.InvalidCredentials, errors.InvalidCredentials),
    ("EGeneral:Permission denied", errors.PermissionDenied, errors.PermissionDenied),
    ("EAuth:Failed", errors.InvalidCredentials, errors.InvalidCredentials),
    ("EAccount:Invalid permissions", errors.PermissionDenied, errors.PermissionDenied),
    ("ESession:Invalid session", errors.InvalidCredentials, errors.InvalidCredentials),
    ("EAPI:Invalid nonce", errors.ClockSkew, errors.ClockSkew),
    ("EOrder:Insufficient funds", errors.InsufficientFunds, errors.InsufficientFunds),
    ("EOrder:IInsufficient funds", errors.InsufficientFunds, errors.InsufficientFunds),
    ("EOrder:Insufficient margin", errors.InsufficientFunds, errors.InsufficientFunds),
    ("EOrder:Order minimum not met", errors.InvalidOrder, errors.InvalidOrder),
    ("EOrder:Cost minimum not met", errors.InvalidOrder, errors.InvalidOrder),
    ("EOrder:Tick size check failed", errors.InvalidOrder, errors.InvalidOrder),
    ("EOrder:Invalid price", errors.InvalidOrder, errors.InvalidOrder),
    ("EOrder:Invalid order", errors.InvalidOrder, errors.OrderNotFound),
    ("EOrder:Post only order", errors.InvalidOrder, errors.InvalidOrder),
    ("EGeneral:Invalid arguments:price", errors.InvalidOrder, errors.InvalidOrder),
    ("EGeneral:Invalid arguments:viqc", errors.InvalidOrder, errors.InvalidOrder),
    ("EOrder:Orders limit exceeded", errors.InvalidOrder, errors.InvalidOrder),
    ("EQuery:Unknown asset pair", errors.UnknownSymbol, errors.UnknownSymbol),
    ("EQuery:Invalid asset pair", errors.UnknownSymbol, errors.UnknownSymbol),
    ("EQuery:Unknown asset", errors.UnknownSymbol, errors.UnknownSymbol),
    ("EAPI:Rate limit exceeded", errors.RateLimited, errors.RateLimited),
    ("EOrder:Rate limit exceeded", errors.RateLimited, errors.RateLimited),
    ("EOrder:Domain rate limit exceeded", errors.RateLimited, errors.RateLimited),
    ("EGeneral:Too many requests", errors.RateLimited, errors.RateLimited),
    ("EGeneral:Temporary lockout", errors.RateLimited, errors.RateLimited),
    ("EService: Throttled: 1700000010", errors.RateLimited, errors.RateLimited),
    ("EOrder:Unknown order", errors.OrderNotFound, errors.OrderNotFound),
    ("EOrder:cl_ord_id in use", errors.DuplicateClientOrderId, errors.ExchangeError),
    ("EOrder:Duplicate order", errors.DuplicateClientOrderId, errors.ExchangeError),
    ("EService:Unavailable", errors.OutcomeUnknown, errors.ExchangeUnavailable),
    ("EService:Busy", errors.OutcomeUnknown, errors.ExchangeUnavailable),
    ("EService:Market in cancel_only mode", errors.MarketClosed, errors.MarketClosed),
    ("EService:Market in post_only mode", errors.MarketClosed, errors.MarketClosed),
    ("EService:Market in limit_only mode", errors.MarketClosed, errors.MarketClosed),
    ("EService:Market in reduce_only mode", errors.MarketClosed, errors.MarketClosed),
    ("EGeneral:Internal error", errors.OutcomeUnknown, errors.ExchangeUnavailable),
    ("EDatabase:Internal error", errors.OutcomeUnknown, errors.ExchangeUnavailable),
    ("EService:Deadline elapsed", errors.ExchangeUnavailable, errors.ExchangeUnavailable),
    ("ENew:Never heard of", errors.OutcomeUnknown, errors.ExchangeError),
    ("no category", errors.OutcomeUnknown, errors.ExchangeError),
]


def read(
    *words: str, request: HttpRequest = PLACE, status: int = 200, is_write: bool = True
) -> errors.ExchangeError:
    """The error that words mean."""
    error = read_error(request, failure(*words, status=status), is_write=is_write, now=lambda: NOW)
    assert error is not None
    return error


def wait_of(*words: str, request: HttpRequest = PLACE) -> float | None:
    """How long nothing may be sent."""
    error = read(*words, request=request)
    assert isinstance(error, errors.RateLimited)
    return error.retry_after


def test_every_recorded_error_is_classified(shared: Path) -> None:
    assert names(shared, "errors") == FIXTURES.keys()
    for name, kind in FIXTURES.items():
        fixture = fixture_of(shared, f"errors/{name}")
        body = json.dumps(fixture["payload"]).encode()
        whole = HttpAnswer(status=fixture.get("http_status", 200), body=body)
        error = read_error(PLACE, whole, is_write=True)
        assert (None if error is None else type(error)) is kind, name


@pytest.mark.parametrize(("words", "of_order", "of_question"), WORDS)
def test_documented_words_are_classified(
    words: str, of_order: type[errors.ExchangeError], of_question: type[errors.ExchangeError]
) -> None:
    assert type(read(words)) is of_order
    assert type(read(words, request=QUERY, is_write=False)) is of_question


def test_every_listed_word_is_tested() -> None:
    tested = {":".join(part.strip() for part in words.split(":")[:2]) for words, _, _ in WORDS}

    assert ERRORS.keys() - tested == set()


def test_cancel_of_no_order_is_not_found() -> None:
    assert type(read("EOrder:Invalid order", request=CANCEL)) is errors.OrderNotFound


@pytest.mark.parametrize(
    "body",
    [
        b'{"error":[],"result":{}}',
        b'{"error": [], "result": {}}',
        b'{"error":["WGeneral:Be careful"],"result":{}}',
    ],
)
def test_good_answer_and_warnings_are_no_error(body: bytes) -> None:
    assert read_error(PLACE, HttpAnswer(status=200, body=body), is_write=True) is None


def test_warning_beside_an_error_is_not_the_error() -> None:
    error = read("WGeneral:Be careful", "EOrder:Insufficient funds")

    assert type(error) is errors.InsufficientFunds
    assert "careful" not in str(error)


def test_of_several_errors_the_most_doubtful_decides() -> None:
    error = read("EOrder:Insufficient funds", "EService:Busy")

    assert type(error) is errors.OutcomeUnknown
    assert error.code == "EService:Busy"


@pytest.mark.parametrize(
    ("words", "rule"),
    [
        ("EOrder:Order minimum not met", "ordermin"),
        ("EOrder:Cost minimum not met", "costmin"),
        ("EOrder:Tick size check failed", "tick_size"),
        ("EOrder:Invalid price:too low", "price"),
        ("EGeneral:Invalid arguments:volume", "volume"),
        ("EGeneral:Invalid arguments", None),
    ],
)
def test_failed_rule_is_named(words: str, rule: str | None) -> None:
    error = read(words)

    assert isinstance(error, errors.InvalidOrder)
    assert error.filter_name == rule


@pytest.mark.parametrize(
    ("words", "seconds"),
    [
        ("EGeneral:Too many requests", 15),
        ("EGeneral:Temporary lockout", 900),
        ("EService: Throttled: 1700000010", 10),
        ("EService:Throttled: 1699999990", 0),
        ("EService:Throttled: 99999999999999999999", 900),
        ("EService:Throttled", 15),
        # Only what the counter counts has to wait.
        ("EAPI:Rate limit exceeded", None),
        # Only orders of one pair have to wait.
        ("EOrder:Rate limit exceeded", None),
        ("EOrder:Domain rate limit exceeded", None),
    ],
)
def test_rate_limit_carries_the_wait_of_the_whole_key(words: str, seconds: float | None) -> None:
    assert wait_of(words) == seconds


def test_limit_of_market_data_does_not_stop_the_key() -> None:
    assert wait_of("EGeneral:Too many requests", request=CANDLES) is None
    assert wait_of("EGeneral:Temporary lockout", request=CANDLES) == 900


def test_overrun_counter_is_full() -> None:
    assert read_usage(failure("WGeneral:Slow", "EAPI:Rate limit exceeded")) == {COUNTER: 15}


@pytest.mark.parametrize(
    "body",
    [
        b'{"error":[],"result":{"note":"EAPI:Rate limit exceeded"}}',
        b'{"error":["EOrder:Rate limit exceeded"]}',
        b"<html>",
        b'{"error":["\xff"]}',
    ],
)
def test_other_answers_tell_nothing_of_the_counter(body: bytes) -> None:
    assert read_usage(HttpAnswer(status=200, body=body)) == {}


@pytest.mark.parametrize(("header", "seconds"), [("7", 7), ("soon", 15), ("9" * 400, 900)])
def test_too_many_requests_by_status(header: str, seconds: float) -> None:
    slow_down = HttpAnswer(status=429, body=b"<html>", headers={"retry-after": header})

    for request in (PLACE, CANDLES):
        error = read_error(request, slow_down, is_write=request is PLACE)
        assert isinstance(error, errors.RateLimited)
        assert error.retry_after == seconds


@pytest.mark.parametrize("status", [500, 502, 520, 522, 524])
@pytest.mark.parametrize("body", [b"<html>", b'{"error":["EOrder:Insufficient funds"]}'])
def test_server_error_leaves_a_write_unknown_whatever_it_says(status: int, body: bytes) -> None:
    broken = HttpAnswer(status=status, body=body)

    assert type(read_error(PLACE, broken, is_write=True)) is errors.OutcomeUnknown
    assert type(read_error(QUERY, broken, is_write=False)) is errors.ExchangeUnavailable


def test_refusal_without_words_is_read_by_its_status() -> None:
    page = HttpAnswer(status=403, body=b"<html>")

    assert type(read_error(PLACE, page, is_write=True)) is errors.OutcomeUnknown
    error = read_error(QUERY, page, is_write=False)

    assert type(error) is errors.ExchangeError
    assert error.code == "HTTP 403"
    assert error.raw == {"http_status": 403, "body": "<html>"}
    assert "HTTP 403, no reason given" in str(error)


@pytest.mark.parametrize(
    "body",
    [
        b"<html>",
        b'{"error":["EOr',
        b'{"error":"EOrder:x"}',
        b"[]",
        b'{"error":["EService:\xff"]}',
        b'{"error":["EService:Busy"],"x":' + b"[" * 100_000,
    ],
)
def test_unreadable_answer_is_left_to_the_parser(body: bytes) -> None:
    assert read_error(PLACE, HttpAnswer(status=200, body=body), is_write=True) is None


def test_refusal_that_is_not_utf_8_is_read_by_its_status() -> None:
    refused = HttpAnswer(status=403, body=b'{"error":["EService:\xff"]}')

    error = read_error(PLACE, refused, is_write=True)

    assert type(error) is errors.OutcomeUnknown
    assert error.raw == {"http_status": 403, "body": '{"error":["EService:\ufffd"]}'}


def test_message_says_what_happened_to_what_and_what_to_do() -> None:
    error = read("EGeneral:Permission denied")

    assert str(error) == (
        "Kraken answered POST /0/private/AddOrder with: EGeneral:Permission denied."
        " Give this API key the right to do this, at Kraken."
    )
    assert (error.exchange, error.code) == ("kraken", "EGeneral:Permission denied")
    assert error.raw == {"error": ["EGeneral:Permission denied"]}


def test_words_with_a_refusing_status_are_read() -> None:
    refused = answer({"error": ["EAPI:Invalid key"]}, 401)

    assert type(read_error(PLACE, refused, is_write=True)) is errors.InvalidCredentials
