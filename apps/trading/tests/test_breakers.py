from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from apps.accounts.models import User
from apps.brokers.models import Broker
from apps.core.models import Alert
from apps.domain.risk import RiskState
from apps.markets.models import Symbol
from apps.trading.breakers import judge
from apps.trading.gate import Signal, place
from apps.trading.models import Book, EquitySnapshot, Position, RiskMark, RiskScope
from apps.trading.risk import set_state, state_for

ACTIVE, REDUCE_ONLY, HALTED, _FLATTEN = RiskState
Worth = Callable[..., None]


@pytest.fixture
def worth(broker: Broker, now: datetime) -> Worth:
    """What a broker is worth so many hours from now, and the judgement of that."""

    def add(hours: float, equity: int, *, at: Broker = broker, **values: Any) -> None:
        moment = now + timedelta(hours=hours)
        EquitySnapshot.objects.create(owner=at.owner, broker=at, at=moment, equity=equity, **values)
        judge(broker_id=at.pk, now=moment)

    return add


def limit(owner: User | None, **values: Any) -> RiskScope:
    whose = {name: values.pop(name, None) for name in ("broker", "book")}
    return RiskScope.objects.update_or_create(owner=owner, **whose, defaults=values)[0]


def state_of(broker: Broker) -> RiskState:
    return state_for(owner_id=broker.owner_id, broker_id=broker.pk)


def another(broker: Broker, environment: str = "simulated") -> Broker:
    return Broker.objects.create(
        owner=broker.owner, name="Other", exchange="kraken", environment=environment
    )


def resume(owner: User, now: datetime, **scope: int) -> None:
    set_state(owner_id=owner.pk, state=ACTIVE, reason="", by=owner, now=now, **scope)


def test_a_daily_loss_leaves_only_exits(broker: Broker, worth: Worth) -> None:
    limit(broker.owner, broker=broker, max_daily_loss=100)
    worth(-30, 1050)
    worth(-13, 1000)  # the last one of yesterday
    worth(0, 899)

    assert state_of(broker) is REDUCE_ONLY
    assert state_for(owner_id=broker.owner_id) is ACTIVE
    assert "Loss of 101 USDT since the start of the day (UTC)" in Alert.objects.get().message


def test_a_drawdown_halts(broker: Broker, worth: Worth) -> None:
    limit(broker.owner, broker=broker, max_drawdown=Decimal("0.2"))
    worth(-100, 1000)
    worth(-50, 900)
    worth(0, 799)

    assert state_of(broker) is HALTED


def test_a_withdrawal_is_no_loss(broker: Broker, worth: Worth) -> None:
    limit(broker.owner, broker=broker, max_daily_loss=1, max_drawdown=Decimal("0.01"))
    worth(-1, 1000)
    worth(0, 100, transferred=-900)

    assert state_of(broker) is ACTIVE


def test_what_was_lost_before_the_limit_was_set_does_not_count(
    broker: Broker, worth: Worth
) -> None:
    worth(-2, 1000)
    limit(broker.owner, broker=broker, max_daily_loss=1)
    worth(-1, 500)
    worth(0, 500)

    assert state_of(broker) is ACTIVE


def test_a_limit_that_was_taken_away_counts_from_when_it_is_set_again(
    broker: Broker, worth: Worth
) -> None:
    limit(broker.owner, broker=broker, max_daily_loss=100)
    worth(-3, 1000)
    limit(broker.owner, broker=broker, max_daily_loss=None)
    worth(-2, 500)
    limit(broker.owner, broker=broker, max_daily_loss=100)
    worth(-1, 500)

    assert state_of(broker) is ACTIVE


@pytest.mark.parametrize("owner", ["everybody", "user"])
def test_a_limit_of_a_user_is_on_all_his_brokers_together(
    broker: Broker, worth: Worth, owner: str
) -> None:
    limit(None if owner == "everybody" else broker.owner, max_daily_loss=100)
    other = another(broker)
    worth(-2, 1000)
    worth(-2, 1000, at=other)
    worth(-1, 940)
    assert state_of(broker) is ACTIVE

    worth(0, 940, at=other)

    assert {state_of(broker), state_of(other)} == {REDUCE_ONLY}
    (alert,) = Alert.objects.all()
    assert alert.message.startswith("All your brokers (paper money, simulated prices): Reduce only")
    assert "Loss of 120 USDT" in alert.message


def test_of_two_limits_the_tighter_counts(broker: Broker, worth: Worth) -> None:
    limit(None, max_daily_loss=100)
    limit(broker.owner, max_daily_loss=50)
    worth(-1, 1000)
    worth(0, 940)

    assert state_of(broker) is REDUCE_ONLY


def test_a_gain_of_one_broker_makes_up_for_another_s_loss(broker: Broker, worth: Worth) -> None:
    limit(broker.owner, max_daily_loss=100)
    other = another(broker)
    worth(-2, 1000)
    worth(-2, 1000, at=other)
    worth(-1, 1200)
    worth(0, 800, at=other)

    assert state_of(other) is ACTIVE


def test_a_loss_of_play_money_does_not_stop_real_trading(broker: Broker, worth: Worth) -> None:
    limit(broker.owner, max_daily_loss=100)
    real = another(broker, environment="live")
    worth(-1, 1000, at=real)
    worth(-1, 1000)
    worth(0, 100)
    worth(0, 1000, at=real)

    assert (state_of(broker), state_of(real)) == (REDUCE_ONLY, ACTIVE)


def test_a_broker_that_comes_is_neither_a_gain_nor_a_loss(broker: Broker, worth: Worth) -> None:
    limit(broker.owner, max_daily_loss=100)
    worth(-2, 1000)
    worth(-1, 300, at=another(broker), transferred=800)

    assert state_of(broker) is ACTIVE


def test_what_has_no_price_is_not_judged_but_told(broker: Broker, worth: Worth) -> None:
    limit(broker.owner, broker=broker, max_daily_loss=1)
    worth(-1, 1000)
    worth(0, 500, unpriced=["ETH"])

    assert state_of(broker) is ACTIVE
    assert "No price is known of ETH at Paper." in Alert.objects.get().message

    worth(1, 1000)
    assert Alert.objects.get().resolved_at


def test_who_resumes_starts_to_count_again(broker: Broker, worth: Worth, now: datetime) -> None:
    limit(broker.owner, max_daily_loss=100)
    worth(-2, 1000)
    worth(-1, 800)
    resume(broker.owner, now, broker_id=broker.pk)
    worth(1, 790)
    worth(2, 701)

    assert state_of(broker) is ACTIVE
    assert not Alert.objects.filter(resolved_at=None).exists()

    worth(3, 689)
    assert state_of(broker) is REDUCE_ONLY


def test_a_breaker_never_weakens_a_state(broker: Broker, worth: Worth, now: datetime) -> None:
    limit(broker.owner, broker=broker, max_daily_loss=1)
    owner = broker.owner
    set_state(
        owner_id=owner.pk, broker_id=broker.pk, state=HALTED, reason="Mine.", by=owner, now=now
    )
    worth(-1, 1000)
    worth(0, 500)

    assert state_of(broker) is HALTED


def test_a_tripped_breaker_stops_the_gate(
    book: Book, symbol: Symbol, worth: Worth, make_signal: Callable[..., Signal], now: datetime
) -> None:
    limit(book.owner, broker=book.broker, max_daily_loss=1)
    worth(-1, 1000)
    worth(0, 500)

    order = place(book=book, symbol=symbol, signal=make_signal(), now=now)

    assert order.denial_code == "reduce_only"
    assert "For Paper: Loss of 500 USDT" in order.denial_words


@pytest.mark.usefixtures("position")
class TestABook:
    """One bitcoin, bought at 100 by a strategy with 200 USDT of its own."""

    @pytest.fixture
    def price(self, book: Book, add_candle: Callable[..., Any], now: datetime) -> Worth:
        """The bitcoin's price, so many minutes later, and the judgement of that."""
        Book.objects.update(capital=200)

        def move(minute: int, close: float) -> None:
            moment = now + timedelta(minutes=minute)
            add_candle(close=close, minute=minute, received_at=moment)
            judge(broker_id=book.broker_id, now=moment)

        return move

    def test_its_daily_loss_stops_it_alone(self, book: Book, price: Worth) -> None:
        limit(book.owner, book=book, max_daily_loss=20)
        price(0, 100.0)
        price(1, 79.0)

        assert state_for(owner_id=book.owner_id, book_id=book.pk) is REDUCE_ONLY
        assert state_of(book.broker) is ACTIVE
        assert Alert.objects.get().message.startswith("EMA cross: Reduce only")

    def test_its_drawdown_is_one_of_its_capital(self, book: Book, price: Worth) -> None:
        limit(book.owner, book=book, max_drawdown=Decimal("0.2"))
        price(0, 100.0)
        price(1, 61.0)
        assert state_for(owner_id=book.owner_id, book_id=book.pk) is ACTIVE

        price(2, 59.0)

        assert state_for(owner_id=book.owner_id, book_id=book.pk) is HALTED

    def test_what_it_has_realized_counts(
        self, book: Book, price: Worth, position: Position, now: datetime
    ) -> None:
        limit(book.owner, book=book, max_daily_loss=20)
        price(0, 100.0)
        Position.objects.update(quantity=0, cost=0, realized_pnl=-21, closed_at=now)
        price(1, 79.0)

        assert state_for(owner_id=book.owner_id, book_id=book.pk) is REDUCE_ONLY

    def test_a_position_without_a_price_is_told(self, book: Book, now: datetime) -> None:
        limit(book.owner, book=book, max_daily_loss=20)

        judge(broker_id=book.broker_id, now=now)

        assert "No price is known of BTC/USDT." in Alert.objects.get().message
        assert not RiskMark.objects.exists()
