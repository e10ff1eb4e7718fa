"""Every documented error has a class, and a doubtful write is never called failed."""

import json
import re
from pathlib import Path

import pytest

from apps.exchanges import errors
from apps.exchanges.bitget.constants import ERRORS
from apps.exchanges.bitget.errors import read_error, read_stream_error
from apps.exchanges.bitget.tests.payloads import failure, good, names, payload_of
from apps.exchanges.http import HttpAnswer, HttpRequest
from apps.exchanges.tests.stubs import answer

PLACE = HttpRequest(method="POST", path="/api/v2/spot/trade/place-order")

#: What each recorded error means for a write.
RECORDED: dict[str, type[errors.ExchangeError]] = {
    "ccxt_errtable_00001_1": errors.Rejected,
    "ccxt_errtable_1_2": errors.OutcomeUnknown,
    "ccxt_errtable_40085_27": errors.PermissionDenied,
    "ccxt_errtable_40762_8": errors.InsufficientFunds,
    "ccxt_errtable_40917_16": errors.InvalidOrder,
    "ccxt_errtable_41103_10": errors.InvalidOrder,
    "ccxt_errtable_41114_11": errors.MarketClosed,
    "ccxt_errtable_43012_12": errors.InsufficientFunds,
    "ccxt_errtable_43111_30": errors.PermissionDenied,
    "ccxt_errtable_45110_14": errors.InvalidOrder,
    "ccxt_errtable_None_5": errors.InvalidOrder,
    # Of a stream: the login is refused.
    "ccxt_src_handle_error_message_1": errors.InvalidCredentials,
    # The rest of ccxt's are of older versions of the API.
    "ccxt_src_handle_errors_1": errors.OutcomeUnknown,
    "ccxt_src_handle_errors_2": errors.InvalidOrder,
    "ccxt_src_handle_errors_3": errors.InvalidCredentials,
    # "order cancel fail" says neither why nor what is left.
    "ccxt_src_handle_errors_6": errors.OutcomeUnknown,
    "ccxt_src_handle_errors_7": errors.InvalidCredentials,
    "ccxt_src_handle_errors_8": errors.PermissionDenied,
    "ccxt_src_handle_errors_9": errors.OutcomeUnknown,
    "docs_err_40005": errors.ClockSkew,
    "docs_err_40006": errors.InvalidCredentials,
    "docs_err_40008": errors.ClockSkew,
    "docs_err_40009": errors.InvalidCredentials,
    "docs_err_40012": errors.InvalidCredentials,
    "docs_err_40014": errors.PermissionDenied,
    "docs_err_40015": errors.OutcomeUnknown,
    "docs_err_40018": errors.InvalidCredentials,
    "docs_err_40200": errors.ExchangeUnavailable,
    "docs_err_43001": errors.OrderNotFound,
}
#: The groups of section 8 of the protocol page, by the first words of their line.
GROUPS: dict[str, type[errors.ExchangeError]] = {
    "insufficient funds": errors.InsufficientFunds,
    "invalid order / filter": errors.InvalidOrder,
    "bad symbol": errors.UnknownSymbol,
    "rate limited": errors.RateLimited,
    "order not found": errors.OrderNotFound,
    "duplicate client id": errors.DuplicateClientOrderId,
}
#: Lines that hold more than one class: what differs from the first.
MIXED: dict[str, tuple[type[errors.ExchangeError], dict[str, type[errors.ExchangeError]]]] = {
    "invalid credentials": (
        errors.InvalidCredentials,
        dict.fromkeys(["40014", "40040"], errors.PermissionDenied),
    ),
    "account blocked / region / KYC": (errors.PermissionDenied, {}),
    "timestamp": (errors.ClockSkew, {"40079": errors.Rejected}),
    "maintenance / not trading": (
        errors.MarketClosed,
        {"40200": errors.ExchangeUnavailable}
        | dict.fromkeys(["40604", "40015", "40400"], errors.OutcomeUnknown),
    ),
    "**execution unknown**": (errors.OutcomeUnknown, {}),
}


def read(
    code: str, words: str = "words", status: int = 400, *, is_write: bool = True
) -> errors.ExchangeError:
    """The error for one code and message."""
    error = read_error(PLACE, failure(code, words, status), is_write=is_write)
    assert error is not None
    return error


def codes_of(line: str) -> list[str]:
    """The codes in a line of the page's table, ranges written out."""
    cell = re.sub(r"`[^`]*`", "", line.split("|")[2])
    codes = []
    for first, last in re.findall(r"\b(\d{4,6}|429)(?:-(\d{5}))?\b", cell):
        codes += [str(code) for code in range(int(first), int(last or first) + 1)]
    return codes


def test_every_recorded_error_is_in_the_table(shared: Path) -> None:
    assert set(RECORDED) == names(shared, "errors")


@pytest.mark.parametrize(("name", "kind"), RECORDED.items(), ids=list(RECORDED))
def test_recorded_error_has_its_class(
    shared: Path, name: str, kind: type[errors.ExchangeError]
) -> None:
    payload = payload_of(shared, f"errors/{name}")
    # Whatever the status that was not recorded: the code decides.
    for status in (200, 400):
        error = read_error(PLACE, answer(payload, status), is_write=True)

        assert type(error) is kind
        assert "Bitget answered POST /api/v2/spot/trade/place-order with: " in str(error)
        assert dict(error.raw) == payload


def test_every_code_of_the_protocol_page_has_its_class(shared: Path) -> None:
    page = (shared / "exchanges" / "bitget.md").read_text()
    table = page.partition("## 8. Errors")[2].partition("\n## 9.")[0]
    lines = {line.split("|")[1].strip(): line for line in table.splitlines() if "|" in line}
    expected = {**{group: (kind, {}) for group, kind in GROUPS.items()}, **MIXED}

    assert set(lines) - {"class", "---"} == set(expected)
    seen = 0
    for group, (kind, others) in expected.items():
        for code in codes_of(lines[group]):
            assert ERRORS[code] is others.get(code, kind), code
            seen += 1
    assert seen > 110


@pytest.mark.parametrize("status", [200, 400])
def test_good_answer_is_no_error_whatever_its_status(status: int) -> None:
    assert read_error(PLACE, HttpAnswer(status=status, body=good([]).body), is_write=True) is None
    spaced = answer({"msg": "success", "code": "00000", "data": []}, status)
    assert read_error(PLACE, spaced, is_write=True) is None


def test_what_is_no_json_is_left_to_the_parser() -> None:
    assert read_error(PLACE, HttpAnswer(status=200, body=b"<html>"), is_write=True) is None


@pytest.mark.parametrize("body", [{}, {"data": []}, {"code": None}, {"code": [1], "data": {}}])
def test_answer_without_a_code_is_not_taken_for_a_good_one(body: dict[str, object]) -> None:
    assert type(read_error(PLACE, answer(body), is_write=True)) is errors.OutcomeUnknown
    assert type(read_error(PLACE, answer(body), is_write=False)) is errors.ExchangeError


def test_unlisted_code_leaves_a_write_unknown() -> None:
    assert type(read("99999")) is errors.OutcomeUnknown
    assert type(read("99999", is_write=False)) is errors.ExchangeError
    assert type(read("99999", status=500, is_write=False)) is errors.ExchangeUnavailable


@pytest.mark.parametrize("code", ["40010", "40910", "40015"])
def test_doubtful_code_of_a_read_is_a_missing_answer(code: str) -> None:
    assert type(read(code, is_write=False)) is errors.ExchangeUnavailable


@pytest.mark.parametrize("code", ["43012", "40102", "40008"])
def test_server_error_leaves_a_write_unknown_whatever_it_says(code: str) -> None:
    assert type(read(code, status=502)) is errors.OutcomeUnknown


@pytest.mark.parametrize(
    ("status", "of_write", "of_read"),
    [
        (403, errors.ExchangeUnavailable, errors.ExchangeUnavailable),
        (404, errors.OutcomeUnknown, errors.ExchangeError),
        (502, errors.OutcomeUnknown, errors.ExchangeUnavailable),
    ],
)
def test_page_instead_of_an_answer_is_read_by_its_status(
    status: int, of_write: type[errors.ExchangeError], of_read: type[errors.ExchangeError]
) -> None:
    page = HttpAnswer(status=status, body=b"<html>")

    assert type(read_error(PLACE, page, is_write=True)) is of_write
    error = read_error(PLACE, page, is_write=False)

    assert type(error) is of_read
    assert error.code == f"HTTP {status}"
    assert error.raw == {"http_status": status, "body": "<html>"}


@pytest.mark.parametrize(("headers", "seconds"), [({}, 1.0), ({"retry-after": "7"}, 7.0)])
def test_http_429_stops_the_key_for_a_while(headers: dict[str, str], seconds: float) -> None:
    limited = HttpAnswer(status=429, body=b'{"code":"429"}', headers=headers)

    error = read_error(PLACE, limited, is_write=True)

    assert isinstance(error, errors.RateLimited)
    assert error.retry_after == seconds


def test_code_for_too_many_requests_limits_only_its_kind() -> None:
    error = read("1001")

    assert isinstance(error, errors.RateLimited)
    assert error.retry_after is None


@pytest.mark.parametrize(
    ("code", "words", "rule"),
    [
        ("45110", "less than the minimum amount 5 USDT", "NOTIONAL"),
        ("41103", "param price scale error error", "PRICE_FILTER"),
        ("40808", "size checkBDScale error value=2293.577 checkScale=2", "LOT_SIZE"),
        ("40808", "price checkBDScale error value=1.23 checkScale=1", "PRICE_FILTER"),
        ("40815", "too far from the market", "PERCENT_PRICE"),
        ("41117", "too far from the market", "PERCENT_PRICE"),
        ("45112", "too large", "LOT_SIZE"),
        ("43005", "too many", "MAX_NUM_ORDERS"),
        ("40017", "parameter", None),
    ],
)
def test_broken_rule_is_named(code: str, words: str, rule: str | None) -> None:
    error = read(code, words)

    assert isinstance(error, errors.InvalidOrder)
    assert error.filter_name == rule


def test_message_says_what_happened_to_what_and_what_to_do() -> None:
    error = read("43012", "Insufficient balance")

    assert str(error) == (
        "Bitget answered POST /api/v2/spot/trade/place-order with: Insufficient balance (43012)."
        " Deposit, or make the order smaller."
    )
    assert (error.exchange, error.code) == ("bitget", "43012")


@pytest.mark.parametrize("body", [b'{"code":"40015","msg":"\xff"}', b'{"code":' + b"[" * 100_000])
def test_body_that_can_not_be_decoded_is_read_like_a_page(body: bytes) -> None:
    answers = [HttpAnswer(status=status, body=body) for status in (400, 403, 502)]

    told = [read_error(PLACE, answer, is_write=True) for answer in answers]

    assert [type(error) for error in told] == [
        *(errors.OutcomeUnknown, errors.ExchangeUnavailable, errors.OutcomeUnknown),
    ]
    assert [error.code for error in told if error] == ["HTTP 400", "HTTP 403", "HTTP 502"]


def test_account_in_the_wrong_mode_is_told_so() -> None:
    words = "You are in Unified Account mode, and the Classic Account API is not supported"

    assert "switch it to the classic mode" in str(read("40085", words))


def test_login_that_will_never_do_is_told_from_one_to_try_again() -> None:
    refused = read_stream_error("30015", "Invalid sign")

    assert type(refused) is errors.InvalidCredentials
    assert "refused the login to its stream: Invalid sign (30015)" in str(refused)
    assert read_stream_error("30006", "request too many") is None
    assert read_stream_error("30001", "channel not exist") is None


def test_answer_in_many_words_keeps_its_code_and_raw() -> None:
    body = json.dumps({"status": "error", "err_code": "bad-request", "err_msg": "why"}).encode()

    error = read_error(PLACE, HttpAnswer(status=200, body=body), is_write=False)

    assert error is not None
    assert (error.code, type(error)) == ("bad-request", errors.ExchangeError)
