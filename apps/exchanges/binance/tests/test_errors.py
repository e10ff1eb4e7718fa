"""Every documented error has a class, and a doubtful write is never called failed."""

import json
from pathlib import Path
from typing import Any

import pytest

from apps.exchanges import errors
from apps.exchanges.binance.constants import ERRORS
from apps.exchanges.binance.errors import read_error
from apps.exchanges.http import HttpAnswer, HttpRequest
from apps.exchanges.tests.stubs import answer, payload_of

PLACE = HttpRequest(method="POST", path="/api/v3/order")


def read(
    code: int, words: str = "words", status: int = 400, *, is_write: bool = True
) -> errors.ExchangeError:
    """The error for one code and message."""
    error = read_error(PLACE, answer({"code": code, "msg": words}, status), is_write=is_write)
    assert error is not None
    return error


def test_good_answer_is_no_error() -> None:
    assert read_error(PLACE, answer({}), is_write=True) is None


def test_every_documented_code_is_classified(shared: Path) -> None:
    path = shared / "exchanges" / "fixtures" / "binance" / "error_catalogue.json"
    catalogue: list[dict[str, Any]] = json.loads(path.read_text())

    assert {entry["code"] for entry in catalogue} - ERRORS.keys() == set()
    for entry in catalogue:
        for is_write in (True, False):
            kind = type(read(entry["code"], entry["msg"], is_write=is_write))
            assert kind is not errors.ExchangeError, entry


@pytest.mark.parametrize(
    ("code", "words", "kind"),
    [
        (-2010, "Duplicate order sent.", errors.DuplicateClientOrderId),
        (
            -2010,
            "Account has insufficient balance for requested action.",
            errors.InsufficientFunds,
        ),
        (-2010, "Market is closed.", errors.MarketClosed),
        (-1013, "Market is closed.", errors.MarketClosed),
        (-2010, "This symbol is not permitted for this account.", errors.PermissionDenied),
        (-2010, "This symbol is restricted for this account.", errors.PermissionDenied),
        (-2010, "This account may not place or cancel orders.", errors.PermissionDenied),
        (-2011, "This action is disabled on this account.", errors.PermissionDenied),
        (-2010, "Order would immediately match and take.", errors.InvalidOrder),
        (-2011, "Unknown order sent.", errors.OrderNotFound),
        (-2011, "cancelOrder(1, 'BTC/USDT') -> 'UNKNOWN_ORDER'", errors.OrderNotFound),
        (-2011, "Order was not canceled due to cancel restrictions.", errors.InvalidOrder),
        (-2038, "Unknown order sent.", errors.OrderNotFound),
        (-2038, "Order amend (quantity increase) is not supported.", errors.InvalidOrder),
    ],
)
def test_codes_of_many_reasons_are_told_apart_by_their_words(
    code: int, words: str, kind: type[errors.ExchangeError]
) -> None:
    assert type(read(code, words)) is kind


@pytest.mark.parametrize("code", [-1013, -2010])
def test_failed_filter_is_named(code: int) -> None:
    error = read(code, "Filter failure: LOT_SIZE")

    assert isinstance(error, errors.InvalidOrder)
    assert error.filter_name == "LOT_SIZE"


@pytest.mark.parametrize("code", [-1000, -1001, -1006, -1007, -1010, -9999])
def test_doubtful_code_leaves_a_write_unknown(code: int) -> None:
    assert type(read(code)) is errors.OutcomeUnknown


@pytest.mark.parametrize("code", [-1000, -1001, -1006, -1007])
def test_doubtful_code_of_a_read_is_a_missing_answer(code: int) -> None:
    assert type(read(code, is_write=False)) is errors.ExchangeUnavailable


def test_unlisted_code_of_a_read_is_a_plain_error() -> None:
    assert type(read(-9999, is_write=False)) is errors.ExchangeError


@pytest.mark.parametrize("code", [-1008, -1121, -2010])
def test_server_error_leaves_a_write_unknown_whatever_it_says(code: int) -> None:
    assert type(read(code, status=503)) is errors.OutcomeUnknown


@pytest.mark.parametrize(
    ("status", "of_write", "of_read"),
    [
        (401, errors.InvalidCredentials, errors.InvalidCredentials),
        (403, errors.ExchangeUnavailable, errors.ExchangeUnavailable),
        (404, errors.OutcomeUnknown, errors.ExchangeError),
        (502, errors.OutcomeUnknown, errors.ExchangeUnavailable),
    ],
)
def test_answer_without_a_code_is_read_by_its_status(
    status: int, of_write: type[errors.ExchangeError], of_read: type[errors.ExchangeError]
) -> None:
    page = HttpAnswer(status=status, body=b"<html>")

    assert type(read_error(PLACE, page, is_write=True)) is of_write
    error = read_error(PLACE, page, is_write=False)

    assert type(error) is of_read
    assert error.code == f"HTTP {status}"
    assert error.raw == {"http_status": status, "body": "<html>"}


@pytest.mark.parametrize(("status", "code"), [(429, -1003), (418, -1003), (400, -1034)])
def test_rate_limit_carries_the_wait(status: int, code: int) -> None:
    slow_down = answer({"code": code, "msg": "Too many"}, status, **{"retry-after": "7"})

    error = read_error(PLACE, slow_down, is_write=True)

    assert isinstance(error, errors.RateLimited)
    assert error.retry_after == 7


def test_too_many_orders_of_one_account_stop_nobody_else() -> None:
    too_many = answer({"code": -1015, "msg": "Too many new orders."}, 429, **{"retry-after": "7"})

    error = read_error(PLACE, too_many, is_write=True)

    assert isinstance(error, errors.RateLimited)
    assert error.retry_after is None


def test_ban_without_a_header_is_waited_out_for_its_shortest_time(shared: Path) -> None:
    banned = answer(payload_of(shared, "errors/docs_err_banned"), 418)

    error = read_error(PLACE, banned, is_write=False)

    assert isinstance(error, errors.RateLimited)
    assert error.retry_after == 120


def test_message_says_what_happened_to_what_and_what_to_do(shared: Path) -> None:
    body = answer(payload_of(shared, "errors/docs_err_lot_size"), 400)

    error = read_error(PLACE, body, is_write=True)

    assert str(error) == (
        "Binance answered POST /api/v3/order with: Filter failure: LOT_SIZE (-1013)."
        " Check quantity and price against the market's rules."
    )
    assert error is not None
    assert (error.exchange, error.code) == ("binance", "-1013")
    assert error.raw == {"code": -1013, "msg": "Filter failure: LOT_SIZE"}


def test_code_with_its_own_advice_gives_that() -> None:
    assert "secret does not belong to this key" in str(read(-1022))
