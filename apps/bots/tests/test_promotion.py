"""The steps to real money."""

from collections.abc import Callable
from datetime import date, datetime, timedelta
from decimal import Decimal

import pytest

from apps.bots.models import Activation, Decision, WaivedGate
from apps.bots.promotion import Check, Gate, check_gates, find_gates, longest_run
from apps.bots.services import Refused, Terms
from apps.brokers.models import Broker
from apps.domain.candles import Timeframe
from apps.markets.models import Candle, Symbol
from apps.strategies.models import StrategyVersion
from apps.strategies.services import note_verdict


@pytest.mark.parametrize(
    ("capital", "is_real_money", "gates"),
    [
        (None, False, ["validated"]),
        (Decimal(100), True, ["validated", "backtested", "paper"]),
        (Decimal(101), True, ["validated", "backtested", "paper", "capped"]),
        (None, True, ["validated", "backtested", "paper", "capped"]),
    ],
)
def test_what_has_to_be_passed(
    capital: Decimal | None, is_real_money: bool, gates: list[str]
) -> None:
    assert find_gates(capital, is_real_money=is_real_money) == gates


@pytest.mark.parametrize(
    ("days", "run"), [([], 0), ([1], 1), ([3, 1, 2], 3), ([1, 2, 4, 5, 6, 6], 3)]
)
def test_days_count_while_they_follow_on_each_other(days: list[int], run: int) -> None:
    assert longest_run(date(2026, 1, day) for day in days) == run


@pytest.fixture
def practised(
    activation: Activation, add_candle: Callable[..., Candle], now: datetime
) -> StrategyVersion:
    """It has decided on each of seven days on paper."""
    for day in range(7):
        decision = Decision.objects.create(
            owner=activation.owner,
            activation=activation,
            version=activation.version,
            candle=add_candle(minute=day),
            action="wait",
            reason="no",
            price=1,
        )
        Decision.objects.filter(pk=decision.pk).update(created_at=now - timedelta(days=day))
    return activation.version


@pytest.fixture
def real(broker: Broker, symbol: Symbol) -> Broker:
    """Another broker of alice's, with real money."""
    Symbol.objects.create(
        exchange="binance",
        environment="live",
        name="BTC/USDT",
        base="BTC",
        quote="USDT",
        **{
            name: getattr(symbol, name)
            for name in ("tick_size", "step_size", "min_quantity", "max_quantity", "min_notional")
        },
    )
    return Broker.objects.create(
        owner=broker.owner, name="Real", exchange="binance", environment="live"
    )


def is_passed(version: StrategyVersion, broker: Broker, gate: Gate) -> bool:
    return check(version, broker, gate).is_passed


def check(version: StrategyVersion, broker: Broker, gate: Gate) -> Check:
    checks = check_gates(
        version=version, broker=broker, symbol="BTC/USDT", timeframe="1m", capital=None
    )
    return next(check for check in checks if check.gate is gate)


def backtest(
    version: StrategyVersion, now: datetime, *, words: str = "Nothing found.", **facts: object
) -> None:
    """One has come to its end, on live candles of BTC/USDT, a minute each."""
    symbol = Symbol.objects.get(environment="live")
    row = {"symbol": symbol, "timeframe": Timeframe.M1, "looks_ahead": False}
    note_verdict(version=version, words=words, now=now, **{**row, **facts})  # type: ignore[arg-type]


def test_a_version_has_to_be_backtested(
    make_version: Callable[..., StrategyVersion], real: Broker
) -> None:
    version = make_version()

    found = check(version, real, Gate.BACKTESTED)

    assert not found.is_passed
    assert found.words == (
        "EMA cross v1 was not backtested on BTC/USDT 1m with real prices, to the end: do that first, or say"
        " why you skip it."
    )
    assert found.address == (
        f"/admin/backtests/backtestrun/add/?version={version.pk}&symbol_name=BTC%2FUSDT&timeframe=1m"
    )


def test_a_backtest_without_look_ahead_will_do(
    make_version: Callable[..., StrategyVersion], real: Broker, now: datetime
) -> None:
    version = make_version()
    backtest(version, now)

    found = check(version, real, Gate.BACKTESTED)

    assert found.is_passed
    assert found.words == (
        "EMA cross v1 was backtested on BTC/USDT 1m on 2026-01-01. Nothing found."
    )


def test_one_of_another_code_does_not(
    make_version: Callable[..., StrategyVersion], real: Broker, now: datetime
) -> None:
    backtest(make_version(code_hash="a"), now)

    assert is_passed(make_version(code_hash="a"), real, Gate.BACKTESTED)
    assert not is_passed(make_version(code_hash="b"), real, Gate.BACKTESTED)


def test_nor_one_on_other_candles(
    make_version: Callable[..., StrategyVersion], real: Broker, symbol: Symbol, now: datetime
) -> None:
    version = make_version()
    symbol.environment = "simulated"
    symbol.save()
    backtest(version, now, timeframe=Timeframe.M5)
    backtest(version, now, symbol=symbol)

    assert not is_passed(version, real, Gate.BACKTESTED)


def test_a_look_ahead_anywhere_is_one_everywhere(
    make_version: Callable[..., StrategyVersion], real: Broker, now: datetime
) -> None:
    version = make_version()
    backtest(version, now, timeframe=Timeframe.M5, looks_ahead=True, words="x knows it.")
    backtest(version, now)

    found = check(version, real, Gate.BACKTESTED)

    assert not found.is_passed
    assert found.words == (
        "EMA cross v1 knows candles that are still to come: x knows it. Mend that first."
    )


def test_seven_days_on_paper_pass(practised: StrategyVersion, real: Broker) -> None:
    assert is_passed(practised, real, Gate.PAPER)
    assert not is_passed(practised, real, Gate.CAPPED)


def test_a_day_without_a_decision_begins_anew(practised: StrategyVersion, real: Broker) -> None:
    Decision.objects.order_by("created_at")[3].delete()

    assert not is_passed(practised, real, Gate.PAPER)


def test_what_was_changed_is_proved_anew(
    practised: StrategyVersion, make_version: Callable[..., StrategyVersion], real: Broker
) -> None:
    assert not is_passed(make_version(), real, Gate.PAPER)


@pytest.mark.parametrize(("capital", "passed"), [(100, True), (101, False), (None, False)])
def test_real_money_counts_as_practice_while_it_is_little(
    practised: StrategyVersion,
    activation: Activation,
    real: Broker,
    capital: int | None,
    passed: bool,
) -> None:
    activation.book.broker, activation.book.capital = real, capital
    activation.book.save()

    assert is_passed(practised, real, Gate.CAPPED) == passed


def test_a_closed_step_refuses_in_words(
    make_activation: Callable[..., Activation], real: Broker
) -> None:
    symbol = Symbol.objects.get(environment="live")

    with pytest.raises(Refused, match=r"on 0 days in a row \(UTC\); 7 are asked for"):
        make_activation(broker=real, symbol=symbol, terms=Terms(capital=Decimal(50)))


def test_a_reason_skips_a_step_and_is_kept(
    make_activation: Callable[..., Activation], real: Broker
) -> None:
    made = make_activation(
        broker=real,
        symbol=Symbol.objects.get(environment="live"),
        terms=Terms(capital=Decimal(50)),
        waivers={Gate.BACKTESTED: "I know it.", Gate.PAPER: "I know it."},
    )

    waived = WaivedGate.objects.get(gate=Gate.PAPER)
    assert (waived.activation, waived.version, waived.gate) == (made, made.version, "paper")
    assert waived.reason == "I know it."


def test_no_reason_runs_code_that_is_not_valid(
    make_activation: Callable[..., Activation], make_version: Callable[..., StrategyVersion]
) -> None:
    with pytest.raises(Refused, match="was not found valid"):
        make_activation(version=make_version(validated_at=None), waivers={Gate.VALIDATED: "please"})
