from datetime import timedelta
from itertools import pairwise

import pytest

from apps.conftest import NOW
from apps.domain.environments import Exchange
from apps.exchanges.costs import costs_of
from apps.trading.pacing import next_turn, plan_pace


@pytest.mark.parametrize("exchange", Exchange)
def test_one_broker_is_looked_at_every_ten_seconds(exchange: Exchange) -> None:
    pace = plan_pace(costs_of(exchange), watched=[5], traded=[5])

    assert pace.poll_every == timedelta(seconds=10)
    assert pace.sweep_every == timedelta(minutes=5)


def test_what_the_budget_of_an_address_can_not_carry_stretches() -> None:
    pace = plan_pace(costs_of(Exchange.BINANCE), watched=[20] * 20, traded=[20] * 20)

    # Of 100 a second sweeps get 20 and polls 40, of which a tenth is for what they find. All open orders
    # of one broker cost 80, a sweep over 20 symbols 901.
    assert pace.poll_every.total_seconds() == pytest.approx(20 * 80 / 36)
    assert pace.sweep_every.total_seconds() == pytest.approx(20 * 901 / 20)


def test_few_symbols_are_asked_for_one_by_one() -> None:
    costs = costs_of(Exchange.BINANCE)

    assert [costs.asks_all(symbols) for symbols in (1, 13, 14)] == [False, False, True]


def test_turns_of_brokers_spread_over_the_interval() -> None:
    interval = timedelta(seconds=10)
    turns = sorted(next_turn(broker_id=pk, after=NOW, interval=interval) for pk in range(20))

    assert timedelta(0) < turns[0] - NOW
    assert turns[-1] - NOW <= interval
    gaps = [later - earlier for earlier, later in pairwise(turns)]
    assert max(gaps) < timedelta(seconds=1)


def test_a_turn_comes_back_after_one_interval() -> None:
    interval = timedelta(seconds=10)
    turn = next_turn(broker_id=7, after=NOW, interval=interval)

    later = next_turn(broker_id=7, after=turn + timedelta(seconds=1), interval=interval)

    assert (later - turn).total_seconds() == pytest.approx(10, abs=1e-3)
