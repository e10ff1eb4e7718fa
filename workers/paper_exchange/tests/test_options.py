from decimal import Decimal

import pytest

from workers.paper_exchange.options import (
    parse_balances,
    parse_market,
    parse_port,
    parse_speed,
    parse_start,
)
from workers.paper_exchange.startup import StartError


def test_a_market_has_a_kind_and_a_source() -> None:
    assert parse_market("simulated") == ("simulated", "")
    assert parse_market("replay:a.csv,b.csv") == ("replay", "a.csv,b.csv")
    assert parse_market("live:http://127.0.0.1:1") == ("live", "http://127.0.0.1:1")


@pytest.mark.parametrize("word", ["", "dreamt", "replay", "replay:", "simulated:7"])
def test_a_market_that_cannot_be_is_named(word: str) -> None:
    with pytest.raises(StartError, match=f"--market {word}"):
        parse_market(word)


@pytest.mark.parametrize("word", ["fast", "0", "-1", "nan", "inf", "1e9"])
def test_a_speed_that_cannot_be_is_named(word: str) -> None:
    with pytest.raises(StartError, match=f"--speed {word}: must be a number"):
        parse_speed(word, "simulated")


def test_a_live_market_has_the_speed_of_the_world() -> None:
    assert parse_speed("1.0", "live") == 1

    with pytest.raises(StartError, match="a live market runs at speed 1"):
        parse_speed("60", "live")


@pytest.mark.parametrize("word", ["http", "-1", "65536"])
def test_a_port_that_cannot_be_is_named(word: str) -> None:
    with pytest.raises(StartError, match=f"--port {word}"):
        parse_port(word)


def test_balances_default_to_ten_thousand_dollars() -> None:
    assert parse_balances([]) == {"USDT": Decimal(10_000)}
    assert parse_balances(["btc=0.5", "EUR=7"]) == {"BTC": Decimal("0.5"), "EUR": Decimal(7)}


@pytest.mark.parametrize("word", ["USDT", "=5", "USDT=much", "USDT=0", "USDT=-1", "USDT=NaN"])
def test_a_balance_that_cannot_be_is_named(word: str) -> None:
    with pytest.raises(StartError, match=f"--balance {word}"):
        parse_balances([word])


def test_a_start_is_a_moment_with_its_offset() -> None:
    assert parse_start("2024-03-01T12:00+00:00", "replay") == 1_709_294_400_000
    assert parse_start(None, "simulated") is None


@pytest.mark.parametrize(
    ("word", "kind"),
    [
        ("2024-03-01T12:00", "replay"),
        ("yesterday", "replay"),
        ("2024-03-01T12:00+00:00", "simulated"),
    ],
)
def test_a_start_that_cannot_be_is_refused(word: str, kind: str) -> None:
    with pytest.raises(StartError, match="--start"):
        parse_start(word, kind)
