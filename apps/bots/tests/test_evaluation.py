from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal

import pytest

from apps.bots.models import Activation, Decision
from apps.bots.services import Mismatch, activate, evaluate_candle
from apps.brokers.models import Broker
from apps.domain.candles import Timeframe
from apps.markets.models import Candle, Series
from apps.strategies.models import Strategy, StrategyVersion
from apps.strategies.sandbox import Answer, Question, SandboxUnavailable, StrategyFailed
from apps.trading.models import Book, Order, Position
from apps.trading.protection import guard_position

AddCandle = Callable[..., Candle]


@dataclass
class FakeSandbox:
    """Answers as it is told to and remembers what it was asked."""

    answer: Answer | Exception
    questions: list[Question] = field(default_factory=list)

    def evaluate(self, *, key: str, code: str, question: Question) -> Answer:
        self.questions.append(question)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


def answer(*, long: bool | None = None, short: bool | None = None) -> Answer:
    return Answer(
        should_long=long,
        should_short=short,
        amount=Decimal(100) if long else None,
        stop_loss=Decimal("0.02") if long else None,
        take_profit=Decimal("0.04") if long else None,
        values={"ema": 1.5},
        output="hello",
        elapsed_ms=1.0,
    )


@pytest.fixture(autouse=True)
def _no_messages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("apps.trading.gate.enqueue_on_commit", lambda *_args, **_kwargs: None)


@pytest.fixture
def activation(broker: Broker, series: Series, now: datetime) -> Activation:
    """Alice's strategy, at work on one-minute candles."""
    strategy = Strategy.objects.create(owner=broker.owner, name="EMA cross")
    version = StrategyVersion.objects.create(
        owner=broker.owner, strategy=strategy, number=1, code="...", code_hash="", class_name="E"
    )
    return activate(
        version=version,
        broker=broker,
        symbol=series.symbol,
        timeframe=Timeframe.M1,
        parameters={"fast": 5},
        now=now - timedelta(hours=1),
    )


@pytest.fixture
def holding(activation: Activation, series: Series, now: datetime) -> Position:
    """One bitcoin bought at 100, to be sold at 98 or 104."""
    return Position.objects.create(
        owner=activation.owner,
        book=activation.book,
        symbol=series.symbol,
        quantity=1,
        cost=100,
        stop_loss_price=98,
        take_profit_price=104,
        opened_at=now,
    )


def test_yes_becomes_an_order_with_its_decision(
    activation: Activation, add_candle: AddCandle, now: datetime
) -> None:
    candle = add_candle(close=100.0)

    evaluate_candle(candle_id=candle.pk, sandbox=FakeSandbox(answer(long=True)), now=now)

    decision, order = Decision.objects.get(), Order.objects.get()
    assert (decision.action, decision.order, decision.values) == ("buy", order, {"ema": 1.5})
    assert (order.side, order.quote_amount, order.reference_price) == ("buy", 100, 100)
    assert (order.stop_loss, order.take_profit) == (Decimal("0.02"), Decimal("0.04"))
    assert order.book == activation.book


def test_no_is_a_decision_too(activation: Activation, add_candle: AddCandle, now: datetime) -> None:
    candle = add_candle()

    evaluate_candle(candle_id=candle.pk, sandbox=FakeSandbox(answer(long=False)), now=now)

    assert (Decision.objects.get().action, Order.objects.count()) == ("wait", 0)


def test_the_same_candle_is_decided_once(
    activation: Activation, add_candle: AddCandle, now: datetime
) -> None:
    sandbox = FakeSandbox(answer(long=True))
    candle = add_candle()

    for _ in range(2):
        evaluate_candle(candle_id=candle.pk, sandbox=sandbox, now=now)

    assert (len(sandbox.questions), Decision.objects.count(), Order.objects.count()) == (1, 1, 1)


def test_the_strategy_sees_candles_balance_and_parameters(
    activation: Activation, add_candle: AddCandle, now: datetime
) -> None:
    sandbox = FakeSandbox(answer(long=False))
    candles = [add_candle(close=100.0 + minute, minute=minute) for minute in range(3)]

    evaluate_candle(candle_id=candles[-1].pk, sandbox=sandbox, now=now)

    (question,) = sandbox.questions
    assert (question.candles.rows, question.balance, question.position) == (3, 1000, None)
    assert question.params == {"fast": 5}


@pytest.mark.parametrize(("capital", "seen"), [("300", 150), ("5000", 1000), ("100", 0)])
def test_with_capital_of_its_own_it_sees_its_cash_and_never_more_than_is_free(
    holding: Position, add_candle: AddCandle, now: datetime, capital: str, seen: int
) -> None:
    Book.objects.update(capital=capital)
    Position.objects.update(cost=150)
    sandbox = FakeSandbox(answer(short=False))

    evaluate_candle(candle_id=add_candle().pk, sandbox=sandbox, now=now)

    assert sandbox.questions[0].balance == seen


@pytest.mark.parametrize(("short", "action", "orders"), [(True, "sell", 1), (False, "hold", 0)])
def test_in_a_position_it_is_asked_about_the_exit(
    holding: Position,
    add_candle: AddCandle,
    now: datetime,
    short: bool,
    action: str,
    orders: int,
) -> None:
    sandbox = FakeSandbox(answer(short=short))
    candle = add_candle(close=101.0)

    evaluate_candle(candle_id=candle.pk, sandbox=sandbox, now=now)

    (question,) = sandbox.questions
    assert question.position
    assert question.position.unrealized_pnl == 1.0
    assert (Decision.objects.get().action, Order.objects.count()) == (action, orders)


def test_a_resting_stop_is_nothing_to_wait_for(
    holding: Position, add_candle: AddCandle, now: datetime
) -> None:
    sandbox = FakeSandbox(answer(short=False))
    guard_position(position_id=holding.pk, now=now)
    assert Order.objects.get().purpose == "stop_loss"

    evaluate_candle(candle_id=add_candle().pk, sandbox=sandbox, now=now)

    assert len(sandbox.questions) == 1


def test_an_entry_in_flight_is_not_flat(
    activation: Activation, add_candle: AddCandle, now: datetime
) -> None:
    sandbox = FakeSandbox(answer(long=True))

    for minute in range(2):
        candle = add_candle(minute=minute)
        evaluate_candle(candle_id=candle.pk, sandbox=sandbox, now=now)

    assert len(sandbox.questions) == 1
    assert [row.action for row in Decision.objects.order_by("pk")] == ["buy", "wait"]


def test_only_the_newest_candle_may_trade(
    activation: Activation, add_candle: AddCandle, now: datetime
) -> None:
    sandbox = FakeSandbox(answer(long=True))
    older = add_candle(minute=1)
    add_candle(minute=2)

    evaluate_candle(candle_id=older.pk, sandbox=sandbox, now=now)

    assert (sandbox.questions, Decision.objects.count()) == ([], 0)


def test_a_candle_older_than_one_candle_is_not_traded_on(
    activation: Activation, add_candle: AddCandle, now: datetime
) -> None:
    sandbox = FakeSandbox(answer(long=True))
    candle = add_candle()

    evaluate_candle(candle_id=candle.pk, sandbox=sandbox, now=now + timedelta(minutes=1))

    assert sandbox.questions == []


def test_a_strategy_that_fails_is_paused_before_any_order(
    activation: Activation, add_candle: AddCandle, now: datetime
) -> None:
    failure = StrategyFailed("division by zero", traceback="line 7", output="")
    candle = add_candle()

    evaluate_candle(candle_id=candle.pk, sandbox=FakeSandbox(failure), now=now)

    activation.refresh_from_db()
    assert (activation.is_active, activation.error) == (False, "line 7")
    assert Decision.objects.get().action == "failed"
    assert Order.objects.count() == 0


def test_without_its_sandbox_nothing_is_decided(
    activation: Activation, add_candle: AddCandle, now: datetime
) -> None:
    candle = add_candle()

    with pytest.raises(SandboxUnavailable):
        evaluate_candle(
            candle_id=candle.pk, sandbox=FakeSandbox(SandboxUnavailable("gone")), now=now
        )

    assert Decision.objects.count() == 0
    assert Activation.objects.get().is_active


def test_a_denied_order_says_so_in_the_decision(
    activation: Activation, add_candle: AddCandle, now: datetime
) -> None:
    Broker.objects.update(automation="off")
    candle = add_candle()

    evaluate_candle(candle_id=candle.pk, sandbox=FakeSandbox(answer(long=True)), now=now)

    assert "Denied: The broker's automation" in Decision.objects.get().reason


@pytest.mark.parametrize("field", ["is_active", "ends_at"])
def test_what_is_off_or_over_is_not_asked(
    activation: Activation, add_candle: AddCandle, now: datetime, field: str
) -> None:
    Activation.objects.update(**{field: {"is_active": False, "ends_at": now}[field]})
    sandbox = FakeSandbox(answer(long=True))
    candle = add_candle()

    evaluate_candle(candle_id=candle.pk, sandbox=sandbox, now=now)

    assert sandbox.questions == []


def test_a_strategy_cannot_be_joined_to_a_foreign_broker(
    activation: Activation, bob: object, series: Series, now: datetime
) -> None:
    foreign = Broker.objects.create(
        owner=bob, name="b", exchange="binance", environment="simulated"
    )

    with pytest.raises(Mismatch):
        activate(
            version=activation.version,
            broker=foreign,
            symbol=series.symbol,
            timeframe=Timeframe.M1,
            parameters={},
            now=now,
        )


def test_a_strategy_cannot_be_joined_to_a_symbol_of_another_market(
    activation: Activation, broker: Broker, series: Series, now: datetime
) -> None:
    series.symbol.environment = "live"

    with pytest.raises(Mismatch, match="does not trade where"):
        activate(
            version=activation.version,
            broker=broker,
            symbol=series.symbol,
            timeframe=Timeframe.M1,
            parameters={},
            now=now,
        )
