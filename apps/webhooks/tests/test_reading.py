"""What TradingView's templates send, and what is made of it."""

import time
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from apps.webhooks.reading import (
    BadBody,
    Message,
    find_token,
    hide_token,
    read_fields,
    read_message,
)
from apps.webhooks.verbs import Verb

TOKEN = "3Qk-" + "t" * 39


def read(body: str) -> Message:
    return read_message(read_fields(body.encode()))


def read_with(**fields: str) -> Message:
    """A body with these fields as they are written, quotes and all, besides what BuyLimit needs."""
    given = {"Action": '"BuyLimit"', "Symbol": '"BTCUSDT"', "Prix": "100", **fields}
    return read("{" + ", ".join(f'"{name}": {text}' for name, text in given.items()) + "}")


def complaint(**fields: str) -> str:
    with pytest.raises(BadBody) as refused:
        read_with(**fields)
    return str(refused.value)


def complaint_of(body: str) -> str:
    with pytest.raises(BadBody) as refused:
        read(body)
    return str(refused.value)


def test_every_field_of_the_contract() -> None:
    fields = read_fields(
        b"""{"Symbol": "BTCUSDT", "Exchange": "BINANCE", "Currency": "USDT", "BaseCurrency": "BTC",
        "Interval": "5", "Open": 99, "High": 101, "Low": 98, "Close": 100, "Volume": 12.5,
        "BarTime": "2026-01-01T12:00:00Z", "Action": "BuyMarket", "Prix": 100.5, "PrixSL": 95,
        "PrixTP": 110, "PourCent": 50, "UserID": 3, "IndicateurName": "RSI", "UserExchangeID": 7}"""
    )

    assert read_message(fields) == Message(
        verb=Verb.BUY_MARKET,
        symbol="BTCUSDT",
        base="BTC",
        quote="USDT",
        interval=timedelta(minutes=5),
        bar_at=datetime(2026, 1, 1, 12, tzinfo=UTC),
        price=Decimal("100.5"),
        stop_loss=Decimal(95),
        take_profit=Decimal(110),
        percent=Decimal(50),
        user_id=3,
        broker_id=7,
    )
    assert fields["IndicateurName"] == "RSI"
    assert fields["Volume"] == "12.5"


def test_only_the_action_has_to_be_there() -> None:
    assert read('{"Action": "PING"}') == Message(verb=Verb.PING)


@pytest.mark.parametrize("verb", ["PING", "BuyMarket", "SellMarket", "BuyLimit", "SellLimit"])
def test_verbs(verb: str) -> None:
    assert read_with(Action=f'"{verb}"').verb == verb


def test_maj_moves_what_it_names() -> None:
    message = read('{"Action": "MAJ", "Symbol": "BTCUSDT", "PrixSL": 95}')

    assert (message.verb, message.stop_loss, message.take_profit) == (Verb.MAJ, Decimal(95), None)


@pytest.mark.parametrize("written", ['"buymarket"', "BuyMarket", '" BuyMarket "'])
def test_a_verb_in_other_letters_or_without_quotes(written: str) -> None:
    assert read_with(Action=written).verb is Verb.BUY_MARKET


@pytest.mark.parametrize("verb", ["Buy", "MISS", "DROP TABLE"])
def test_an_unknown_verb_is_refused_with_those_there_are(verb: str) -> None:
    assert complaint(Action=f'"{verb}"') == (
        f"Action: {verb} is unknown. It is one of PING, BuyMarket, SellMarket, BuyLimit, SellLimit, MAJ."
    )


def test_a_missing_verb_is_refused() -> None:
    assert complaint_of('{"Symbol": "BTCUSDT"}').startswith("Action: It is missing.")


def test_texts_without_quotes_as_pine_writes_them() -> None:
    message = read(
        '{"Action": BuyMarket, "Symbol": BTCUSDT, "BarTime": 2026-01-01T12:00:00Z,'
        ' "IndicateurName": RSI, fast: 2 (v3), "Prix": NaN}'
    )

    assert message.verb is Verb.BUY_MARKET
    assert message.bar_at == datetime(2026, 1, 1, 12, tzinfo=UTC)
    assert message.price is None


def test_a_text_without_quotes_keeps_its_commas() -> None:
    fields = read_fields(b'{"IndicateurName": RSI, v2, "Action": PING}')

    assert fields == {"IndicateurName": "RSI, v2", "Action": "PING"}


@pytest.mark.parametrize("nothing", ["NaN", '"NaN"', "null", "", '""', "na", "0", "0.0"])
def test_a_price_without_a_value_is_absent(nothing: str) -> None:
    assert read_with(PrixSL=nothing).stop_loss is None


@pytest.mark.parametrize(
    ("written", "price"),
    [
        ("67000.5", "67000.5"),
        ('"67000.5"', "67000.5"),
        ("6.7e4", "67000"),
        (".5", "0.5"),
        ("0.00001234567890123", "0.000012345679"),
    ],
)
def test_prices(written: str, price: str) -> None:
    assert read_with(Prix=written).price == Decimal(price)


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ("67,000.5", "Prix: 67,000.5 is no number such as 67000.5."),
        ("-1", "Prix: -1 is below zero."),
        ("1e12", "Prix: 1e12 is too large."),
        ("1e-13", "Prix: 1e-13 is too small."),
        ("Infinity", "Prix: Infinity is no number such as 67000.5."),
        ("{{close}}", "Prix: {{close}} is neither a text nor a number."),
        ('"{{close}}"', "Prix: {{close}} is no number such as 67000.5."),
        ("1e9999", "Prix: 1e9999 is no number such as 67000.5."),
        ("[1]", "Prix: [1] is neither a text nor a number."),
        ("NaN", "Prix: It is missing; BuyLimit needs the price of its order."),
    ],
)
def test_prices_that_are_none(written: str, words: str) -> None:
    assert complaint(Prix=written) == words


@pytest.mark.parametrize(
    ("written", "interval"),
    [
        ("5", timedelta(minutes=5)),
        ('"60"', timedelta(hours=1)),
        ('"240"', timedelta(hours=4)),
        ("D", timedelta(days=1)),
        ('"1D"', timedelta(days=1)),
        ("W", timedelta(weeks=1)),
        ("30S", timedelta(seconds=30)),
        ("5m", timedelta(minutes=5)),
        ("1h", timedelta(hours=1)),
        ("1d", timedelta(days=1)),
    ],
)
def test_intervals(written: str, interval: timedelta) -> None:
    assert read_with(Interval=written).interval == interval


@pytest.mark.parametrize("written", ["M", "5M", "0", "five", "99999", "9999D"])
def test_intervals_that_are_none(written: str) -> None:
    assert complaint(Interval=written).startswith(f"Interval: {written} is ")


@pytest.mark.parametrize(
    "written",
    [
        '"2026-01-01T12:00:00Z"',
        "2026-01-01 12:00",
        '"2026-01-01T13:00:00+01:00"',
        "1767268800000",
        "1767268800",
    ],
)
def test_bar_times(written: str) -> None:
    assert read_with(BarTime=written).bar_at == datetime(2026, 1, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize("written", ["yesterday", "0001-01-01T00:00:00+23:00", "9999999999999"])
def test_bar_times_that_are_none(written: str) -> None:
    assert complaint(BarTime=written).startswith(f"BarTime: {written} is ")


@pytest.mark.parametrize("written", ["BTCUSDT", "BINANCE:BTCUSDT", "btcusdt"])
def test_a_symbol_of_which_the_halves_are_unknown(written: str) -> None:
    message = read_with(Symbol=f'"{written}"')

    assert (message.symbol, message.base, message.quote) == ("BTCUSDT", "", "")


@pytest.mark.parametrize("written", ["BTC/USDT", "BTC-USDT", "BTC_USDT"])
def test_a_symbol_in_two_halves(written: str) -> None:
    message = read_with(Symbol=f'"{written}"')

    assert (message.symbol, message.base, message.quote) == ("BTCUSDT", "BTC", "USDT")


def test_one_currency_tells_the_other() -> None:
    message = read_with(Currency='"USDT"')

    assert (message.base, message.quote) == ("BTC", "USDT")


@pytest.mark.parametrize("written", ["BTCUSDT.P", "BINANCE:BTCUSDT.P", "BTCUSDTPERP"])
def test_a_perpetual_is_refused(written: str) -> None:
    assert complaint(Symbol=f'"{written}"').endswith(
        " is a perpetual future, and only spot is traded: put the alert on BTCUSDT."
    )


@pytest.mark.parametrize("written", ["B", "BTC USDT", "BTC/", "BTCUSDT.X", "Ж" * 6, "A" * 41])
def test_symbols_that_are_none(written: str) -> None:
    words = f"Symbol: {written.upper()[:40]} is no pair such as BTCUSDT."

    assert complaint(Symbol=f'"{written}"') == words


def test_currencies_that_contradict_the_symbol() -> None:
    assert complaint(Currency='"EUR"') == (
        "Symbol: BTCUSDT does not consist of BaseCurrency  and Currency EUR."
    )


def test_a_missing_symbol() -> None:
    assert complaint(Symbol="") == "Symbol: It is missing; BuyLimit needs one."


def test_a_percentage_has_two_decimals() -> None:
    assert read_with(PourCent="33.339").percent == Decimal("33.33")


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ("150", "150 is not between 0 and 100."),
        ("-1", "-1 is not between 0 and 100."),
        ("NaN", "It has no value. Leave it out for 100."),
        ("half", "half is no number such as 67000.5."),
        ("0", "BuyLimit of nothing: it has to be above 0."),
        ("0.001", "BuyLimit of nothing: it has to be above 0."),
    ],
)
def test_percentages_that_are_none(written: str, words: str) -> None:
    assert complaint(PourCent=written) == f"PourCent: {words}"


@pytest.mark.parametrize("written", ["7", '"7"', "7.0"])
def test_ids(written: str) -> None:
    assert read_with(UserExchangeID=written).broker_id == 7


@pytest.mark.parametrize("written", ["7.5", "-7", "seven", "9" * 19])
def test_ids_that_are_none(written: str) -> None:
    assert complaint(UserID=written) == f"UserID: {written} is no whole number."


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"PrixSL": "101"}, "PrixSL: 101 has to be below Prix, which is 100."),
        ({"PrixTP": "99"}, "Prix: 100 has to be below PrixTP, which is 99."),
        (
            {"Action": "MAJ", "PrixSL": "5", "PrixTP": "5"},
            "PrixSL: 5 has to be below PrixTP, which is 5.",
        ),
        ({"Action": "MAJ"}, "PrixSL: MAJ needs PrixSL or PrixTP: neither has a value."),
    ],
)
def test_prices_that_contradict_each_other(fields: dict[str, str], words: str) -> None:
    assert complaint(**fields) == words


def test_the_price_of_a_market_order_is_for_information() -> None:
    assert read_with(Action="BuyMarket", PrixSL="101").stop_loss == Decimal(101)


def test_the_exits_of_a_sale_mean_nothing() -> None:
    assert read_with(Action="SellMarket", PrixSL="9", PrixTP="8").verb is Verb.SELL_MARKET


def test_names_in_other_letters() -> None:
    assert read_with(prixsl="95").stop_loss == Decimal(95)


def test_names_outside_the_contract_are_told() -> None:
    assert read_with(Comment='"hello"', PrixStop="95").ignored == ("Comment", "PrixStop")


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("", 'The body has to be one JSON object: {"Action": "PING", ...}.'),
        ("[]", 'The body has to be one JSON object: {"Action": "PING", ...}.'),
        ("BTCUSDT crossed 100", 'The body has to be one JSON object: {"Action": "PING", ...}.'),
        ('{"Action": "PING', 'The body has to be one JSON object: {"Action": "PING", ...}.'),
        ('{"Action": "PING}', "Action: Its text can't be read: Unterminated string starting at."),
        (
            '{"IndicateurName": "my "best" one", "Action": "PING"}',
            "IndicateurName: After my  a comma was expected, or the end.",
        ),
        ('{"Action": "PING", "Action": "MAJ"}', "Action: It is there twice."),
        ('{"Action": "PING", "action": "MAJ"}', "Action: It is there twice."),
        (
            "{“Action”: “PING”}",
            'A field name in plain quotes, such as "Action":, was expected at: “Action”: “PING”',
        ),
        ('{"Action": {"a": 1}}', 'Action: {"a": 1} is neither a text nor a number.'),
    ],
)
def test_bodies_that_are_none(body: str, words: str) -> None:
    assert complaint_of(body) == words


def test_a_body_that_is_no_text() -> None:
    with pytest.raises(BadBody, match=r"The body is no UTF-8 text\."):
        read_fields(b'{"Action": "\xff"}')


@pytest.mark.parametrize("body", ['\ufeff{"Action": "PING"}', ' {"Action": "PING",}\r\n'])
def test_bodies_with_something_around_them(body: str) -> None:
    assert read(body).verb is Verb.PING


def test_what_the_database_can_not_keep_is_replaced() -> None:
    fields = read_fields(b'{"IndicateurName": "a\\u0000b\\ud800c", "Action": "PING"}')

    assert fields["IndicateurName"] == "a�b?c"


@pytest.mark.parametrize(
    "body",
    [f'{{"Token": "{TOKEN}", "Action": "PING"}}', f"{{token: {TOKEN}", f"\xff Token:{TOKEN}"],
)
def test_a_token_is_found_in_whatever_comes(body: str) -> None:
    assert find_token(body.encode("latin-1")) == TOKEN


def test_a_token_is_not_kept() -> None:
    body = f'{{"Token": "{TOKEN}", "Action": "PING"}}'.encode()

    assert hide_token(body) == '{"Token": "***", "Action": "PING"}'
    assert read_fields(body) == {"Action": "PING"}


@pytest.mark.parametrize(
    "body",
    [
        "{" + '"a":,' * 13_000 + "}",
        "{" + '"a' * 30_000 + "}",
        "{" + "," * 65_000 + "}",
        '{"a": ' + ", " * 32_000 + "}",
        '{"a": ' + " " * 65_000 + "}",
        '{"a": "' + "\\" * 65_000 + '"}',
        "{" * 65_000 + "}",
        "Token" + " " * 65_000,
        "Token:" * 10_000,
    ],
)
def test_reading_takes_no_longer_than_its_size_is_worth(body: str) -> None:
    began = time.perf_counter()
    find_token(body.encode())
    hide_token(body.encode())
    with pytest.raises(BadBody):
        read(body)

    assert time.perf_counter() - began < 1
