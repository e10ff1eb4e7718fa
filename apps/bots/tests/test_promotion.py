"""The steps to real money."""

from collections.abc import Callable
from datetime import date, datetime, timedelta
from decimal import Decimal

import pytest

from apps.bots.models import Activation, Decision, WaivedGate
from apps.bots.promotion import Gate, check_gates, find_gates, longest_run
from apps.bots.services import Refused, Terms
from apps.brokers.models import Broker
from apps.markets.models import Candle, Symbol
from apps.strategies.models import StrategyVersion


@pytest.mark.parametrize(
    ("capital", "is_real_money", "gates"),
    [
        (None, False, ["validated"]),
        (Decimal(100), True, ["validated", "paper"]),
        (Decimal(101), True, ["validated", "paper", "capped"]),
        (None, True, ["validated", "paper", "capped"]),
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
    checks = check_gates(version=version, broker=broker, capital=None)
    return next(check.is_passed for check in checks if check.gate is gate)


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
        waivers={Gate.PAPER: "I know it."},
    )

    waived = WaivedGate.objects.get()
    assert (waived.activation, waived.version, waived.gate) == (made, made.version, "paper")
    assert waived.reason == "I know it."


def test_no_reason_runs_code_that_is_not_valid(
    make_activation: Callable[..., Activation], make_version: Callable[..., StrategyVersion]
) -> None:
    with pytest.raises(Refused, match="was not found valid"):
        make_activation(version=make_version(validated_at=None), waivers={Gate.VALIDATED: "please"})
