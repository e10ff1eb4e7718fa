"""A sandbox that answers as it is told to."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal

from apps.strategies.sandbox import Answer, Outcome, Question


@dataclass
class FakeSandbox:
    """Gives each question the outcome of its activation, or else `outcome`; remembers what it was asked,
    and calls `meanwhile` before it answers."""

    outcome: Outcome
    of_activation: dict[int, Outcome] = field(default_factory=dict)
    meanwhile: Callable[[], object] = lambda: None
    questions: list[Question] = field(default_factory=list)

    def evaluate_all(
        self, questions: Iterable[tuple[str, str, Question]]
    ) -> Iterator[tuple[str, Outcome]]:
        for key, _code, question in questions:
            self.questions.append(question)
            self.meanwhile()
            yield key, self.of_activation.get(int(key.partition("-")[0]), self.outcome)


def answer(*, long: bool | None = None, short: bool | None = None, output: str = "") -> Answer:
    """Yes buys for 100 with a stop at 2 % and a target at 4 %."""
    return Answer(
        should_long=long,
        should_short=short,
        amount=Decimal(100) if long else None,
        stop_loss=Decimal("0.02") if long else None,
        take_profit=Decimal("0.04") if long else None,
        values={"ema": 1.5},
        output=output,
        elapsed_ms=1.0,
    )
