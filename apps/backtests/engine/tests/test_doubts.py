import math

import pytest

from apps.backtests.engine.doubts import (
    Badge,
    Costs,
    Finding,
    judge_best_trades,
    judge_fees,
    judge_holding,
    judge_lookahead,
    judge_open_questions,
    judge_sample,
    judge_slippage,
    judge_warmup,
)
from apps.backtests.engine.lookahead import Leak, Lookahead
from apps.backtests.engine.warmup import Drift, Warmup

GOOD, CAUTION, DISTRUST = Badge


@pytest.mark.parametrize(("changed", "badge"), [(0, GOOD), (7, DISTRUST)])
def test_a_column_that_knows_the_future_makes_a_result_worthless(
    changed: int, badge: Badge
) -> None:
    leak = Leak(column="x", line=3, ahead=1, changed=changed)
    lookahead = Lookahead(leaks=(leak,) if changed else (), columns=2, places=6)

    finding = judge_lookahead(lookahead)

    assert (finding.badge, finding.words) == (badge, lookahead.words)


@pytest.mark.parametrize(
    ("offs", "badge"), [([], GOOD), ([0.001], CAUTION), ([0.001, math.inf], DISTRUST)]
)
def test_a_strategy_that_sees_nothing_live_is_worse_than_one_that_sees_it_inexactly(
    offs: list[float], badge: Badge
) -> None:
    drifts = tuple(Drift(column="x", line=3, off=off, enough=None) for off in offs)

    assert judge_warmup(Warmup(drifts=drifts, columns=2, lookback=500)).badge is badge


@pytest.mark.parametrize(
    ("pessimistic", "optimistic", "badge"),
    [
        (0.10, 0.12, GOOD),
        (0.05, 0.12, CAUTION),
        (-0.01, 0.12, DISTRUST),
        (0.0, 0.01, DISTRUST),
        (-0.3, -0.1, GOOD),
    ],
)
def test_a_profit_may_hang_on_what_candles_leave_open(
    pessimistic: float, optimistic: float, badge: Badge
) -> None:
    assert judge_open_questions(pessimistic, optimistic).badge is badge


def test_open_questions_in_words() -> None:
    assert judge_open_questions(0.05, 0.12).words == (
        "It returned +5.00 % with every open question decided against you and slippage, and +12.00 % with all"
        " decided for you and none: more than half of the profit hangs on that."
    )


@pytest.mark.parametrize(
    ("without", "paid", "doubled", "badge", "end"),
    [
        (0.2, 0.1, 0.05, GOOD, "+5.00 % with fees twice as high."),
        (0.2, 0.1, -0.01, CAUTION, ": then it loses."),
        (0.1, -0.1, -0.3, GOOD, ": it earns less than its fees."),
    ],
)
def test_a_profit_may_not_survive_higher_fees(
    without: float, paid: float, doubled: float, badge: Badge, end: str
) -> None:
    finding = judge_fees(Costs(without, paid, doubled), rate=0.001)

    assert finding.badge is badge
    assert finding.words.endswith(end)


def test_nor_worse_prices() -> None:
    assert judge_slippage(Costs(0.2, 0.1, -0.1), bps=5).words == (
        "It returned +10.00 %, +20.00 % without slippage, and -10.00 % with slippage twice as high: then it"
        " loses."
    )


def test_a_run_without_costs_is_like_no_market() -> None:
    costs = Costs(0.1, 0.1, 0.1)

    found = [judge_fees(costs, rate=0), judge_slippage(costs, bps=0)]

    assert [finding.badge for finding in found] == [CAUTION, CAUTION]
    assert found[1].words == "It was simulated without slippage, and no market is without."


@pytest.mark.parametrize(
    ("earned", "held", "drawdown", "badge"),
    [(0.1, 0.05, 0.5, GOOD), (0.1, 0.3, 0.1, GOOD), (0.1, 0.3, 0.2, CAUTION)],
)
def test_holding_is_better_where_it_earns_more_at_no_more_risk(
    earned: float, held: float, drawdown: float, badge: Badge
) -> None:
    assert judge_holding(earned, held, drawdown, 0.2).badge is badge


def test_without_a_return_of_holding_nothing_is_compared() -> None:
    assert judge_holding(0.1, None, 0.0, 0.0).badge is CAUTION


@pytest.mark.parametrize(
    ("trades", "p_value", "finding"),
    [
        (1, None, (DISTRUST, "1 closed trade: far too few to tell anything from chance.")),
        (9, 0.001, (DISTRUST, "9 closed trades: far too few to tell anything from chance.")),
        (12, None, (CAUTION, "12 closed trades, all with the same profit.")),
        (
            29,
            0.004,
            (
                CAUTION,
                "29 closed trades: fewer than 30, and chance alone brings such a mean in 0.4 % of cases.",
            ),
        ),
        (
            300,
            0.2,
            (
                CAUTION,
                "300 closed trades: chance alone brings a mean as far from nothing in 20.0 % of cases.",
            ),
        ),
        (
            300,
            1e-9,
            (
                GOOD,
                "300 closed trades: chance alone brings such a mean in less than 0.01 % of cases.",
            ),
        ),
        (
            300,
            0.03,
            (GOOD, "300 closed trades: chance alone brings such a mean in 3.0 % of cases."),
        ),
    ],
)
def test_few_trades_and_chance(
    trades: int, p_value: float | None, finding: tuple[Badge, str]
) -> None:
    found = judge_sample(trades, p_value)

    assert (found.badge, found.words) == finding


@pytest.mark.parametrize(
    ("profits", "badge", "words"),
    [
        ([1.0] * 150, GOOD, "The best 2 trades made 1.3 % of the profit of all 150."),
        ([5, 4, -1], CAUTION, "The best trade made 62.5 % of the profit of all 3."),
        (
            [5, -1, -1],
            CAUTION,
            "The best trade made 166.7 % of the profit of all 3: all others together lost.",
        ),
        ([-1.0], GOOD, "There is no profit that a few trades could have made."),
        ([], GOOD, "There is no profit that a few trades could have made."),
    ],
)
def test_a_profit_may_come_from_a_few_trades(
    profits: list[float], badge: Badge, words: str
) -> None:
    found: Finding = judge_best_trades(profits)

    assert (found.badge, found.words) == (badge, words)
