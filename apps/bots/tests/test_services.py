"""Switching strategies on, changing and ending them."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from threading import Barrier

import pytest
from django.conf import LazySettings
from django.db import connection

from apps.bots.models import Activation, State
from apps.bots.services import (
    Mismatch,
    NeedsConfirmation,
    Refused,
    Terms,
    pause,
    resume,
    sell_now,
    stop,
    suspend,
    switch_version,
)
from apps.brokers.models import Broker
from apps.markets.models import Series
from apps.strategies.models import Strategy, StrategyVersion
from apps.trading.models import Order, Position

MakeActivation = Callable[..., Activation]
MakeVersion = Callable[..., StrategyVersion]


def test_a_strategy_cannot_be_joined_to_a_foreign_broker(
    make_activation: MakeActivation, bob: object
) -> None:
    foreign = Broker.objects.create(
        owner=bob, name="b", exchange="binance", environment="simulated"
    )

    with pytest.raises(Mismatch):
        make_activation(broker=foreign)


def test_a_strategy_cannot_be_joined_to_a_symbol_of_another_market(
    make_activation: MakeActivation, series: Series
) -> None:
    series.symbol.environment = "live"

    with pytest.raises(Mismatch, match="does not trade where"):
        make_activation()


def test_an_end_comes_after_the_start(make_activation: MakeActivation, now: datetime) -> None:
    with pytest.raises(Refused, match="has to come after"):
        make_activation(terms=Terms(starts_at=now, ends_at=now))


@pytest.mark.parametrize(
    ("values", "state"),
    [
        ({}, State.RUNNING),
        ({"starts_at": timedelta(hours=1)}, State.WAITING),
        ({"is_active": False, "error": "line 7"}, State.BROKEN),
        ({"is_active": False}, State.SUSPENDED),
        ({"ends_at": timedelta(0)}, State.ENDED),
        ({"stopped_at": timedelta(0), "is_active": False}, State.STOPPED),
    ],
)
def test_its_state_in_words(
    activation: Activation, now: datetime, values: dict[str, object], state: State
) -> None:
    for name, value in values.items():
        setattr(activation, name, now + value if isinstance(value, timedelta) else value)

    assert activation.state_at(now) is state


def test_no_more_than_the_limit_are_active(
    make_activation: MakeActivation, now: datetime, settings: LazySettings
) -> None:
    settings.MAX_ACTIVE_STRATEGIES = 1
    first = make_activation(now=now)

    with pytest.raises(Refused, match="1 strategies are active"):
        make_activation(now=now)

    suspend(activation=first)
    make_activation(now=now)
    with pytest.raises(Refused, match="Suspend or stop one"):
        resume(activation=first, now=now)


@pytest.mark.django_db(transaction=True)
def test_two_at_the_same_moment_get_one_place(
    make_activation: MakeActivation,
    make_version: MakeVersion,
    now: datetime,
    settings: LazySettings,
) -> None:
    settings.MAX_ACTIVE_STRATEGIES = 1
    version, together = make_version(), Barrier(2)

    def attempt(_number: int) -> bool:
        try:
            together.wait()
            make_activation(version=version, now=now)
        except Refused:
            return False
        else:
            return True
        finally:
            connection.close()

    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(attempt, range(2))) == [False, True]
    assert Activation.objects.count() == 1


def test_what_failed_resumes_only_if_that_is_meant(activation: Activation, now: datetime) -> None:
    pause(activation=activation, error="Traceback\nZeroDivisionError")

    with pytest.raises(NeedsConfirmation, match="has not changed since: ZeroDivisionError"):
        resume(activation=activation, now=now)
    resume(activation=activation, now=now, in_spite_of_error=True)

    activation.refresh_from_db()
    assert (activation.is_active, activation.error) == (True, "")


def test_another_version_needs_no_such_word(
    activation: Activation, make_version: MakeVersion, now: datetime
) -> None:
    pause(activation=activation, error="ZeroDivisionError")

    switch_version(activation=activation, version=make_version(), now=now)
    resume(activation=activation, now=now)

    activation.refresh_from_db()
    assert (activation.is_active, activation.version.number) == (True, 2)


def test_what_is_stopped_stays_so(activation: Activation, now: datetime) -> None:
    stop(activation=activation, now=now)

    with pytest.raises(Refused, match="is stopped: activate the strategy again"):
        resume(activation=activation, now=now)


def test_a_stop_with_a_position_wants_to_know_what_becomes_of_it(
    activation: Activation, holding: Position, now: datetime
) -> None:
    with pytest.raises(NeedsConfirmation, match="BTC are sold now, or kept"):
        stop(activation=activation, now=now)

    assert stop(activation=activation, now=now, sells=False) is None
    assert Order.objects.count() == 0


def test_selling_now_sells_once_and_goes_on(
    activation: Activation, holding: Position, now: datetime
) -> None:
    orders = {sell_now(activation=activation, key="k", now=now) for _ in range(2)}

    assert [(order.purpose, order.position) for order in orders] == [("exit", holding)]
    assert Activation.objects.get().is_active


def test_there_is_nothing_to_sell_while_flat(activation: Activation, now: datetime) -> None:
    with pytest.raises(Refused, match="holds nothing"):
        sell_now(activation=activation, key="k", now=now)


def test_a_version_is_not_switched_under_a_position(
    activation: Activation, holding: Position, make_version: MakeVersion, now: datetime
) -> None:
    with pytest.raises(Refused, match="only while it holds nothing"):
        switch_version(activation=activation, version=make_version(), now=now)


def test_a_version_of_another_strategy_is_refused(
    activation: Activation, make_version: MakeVersion, now: datetime
) -> None:
    other = make_version()
    other.strategy = Strategy.objects.create(owner=activation.owner, name="Other")

    with pytest.raises(Mismatch):
        switch_version(activation=activation, version=other, now=now)


def test_a_version_that_was_not_found_valid_is_refused(
    activation: Activation, make_version: MakeVersion, now: datetime
) -> None:
    with pytest.raises(Refused, match="was not found valid"):
        switch_version(activation=activation, version=make_version(validated_at=None), now=now)
