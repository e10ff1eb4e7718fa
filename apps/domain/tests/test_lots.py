from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from apps.domain.lots import AssetLedger, Cause, Movement, Origin
from apps.domain.markets import Market
from apps.domain.positions import CostMethod

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
NOBODY, MINE, HERS = 0, 1, 2
MARKET = Market(
    symbol="BTC/USDT",
    base="BTC",
    quote="USDT",
    tick_size=Decimal("0.01"),
    step_size=Decimal("0.00001"),
    min_quantity=Decimal("0.00001"),
    max_quantity=Decimal(9000),
    min_notional=Decimal(5),
)


def trade(quantity: str, price: str, *, minute: int, book: int = MINE, order: int = 1) -> Movement:
    """A purchase, or a sale where the quantity is negative."""
    amount = Decimal(quantity)
    return Movement(
        at=NOW + timedelta(minutes=minute),
        cause=Cause.TRADE,
        book=book,
        is_incoming=amount > 0,
        quantity=abs(amount),
        worth=abs(amount) * Decimal(price),
        cost_asset="USDT",
        market=MARKET,
        price=Decimal(price),
        order=order,
    )


def transfer(quantity: str, worth: str | None, *, minute: int) -> Movement:
    amount = Decimal(quantity)
    return Movement(
        at=NOW + timedelta(minutes=minute),
        cause=Cause.TRANSFER,
        book=NOBODY,
        is_incoming=amount > 0,
        quantity=abs(amount),
        worth=None if worth is None else Decimal(worth),
        cost_asset="USDT",
    )


def book(*movements: Movement, method: CostMethod = CostMethod.AVERAGE) -> AssetLedger:
    ledger = AssetLedger(method=method, unassigned=NOBODY)
    for movement in movements:
        ledger.apply(movement)
    return ledger


def held(ledger: AssetLedger) -> Decimal:
    return sum((lot.remaining for lot in ledger.lots), Decimal(0))


@pytest.mark.parametrize(
    ("method", "realized"),
    [(CostMethod.AVERAGE, "2.00"), (CostMethod.FIFO, "2.50"), (CostMethod.LIFO, "1.50")],
)
def test_the_reference_trades(method: CostMethod, realized: str) -> None:
    ledger = book(
        trade("0.001", "45000", minute=0), trade("0.002", "46000", minute=1), method=method
    )
    (cycle,) = ledger.cycles
    assert round(cycle.cost / cycle.quantity, 4) == Decimal("45666.6667")

    ledger.apply(trade("-0.0015", "47000", minute=2))

    assert (cycle.quantity, cycle.realized_pnl) == (Decimal("0.0015"), Decimal(realized))


def test_a_fee_lowers_what_a_sale_earns() -> None:
    ledger = book(trade("1", "100", minute=0))
    sale = replace(trade("-1", "110", minute=1), worth=Decimal("109.89"), fee=Decimal("0.11"))

    (disposal,) = ledger.apply(sale)

    assert (disposal.proceeds, disposal.fee, disposal.gain) == (
        110,
        Decimal("0.11"),
        Decimal("9.89"),
    )
    assert ledger.cycles[0].realized_pnl == Decimal("9.89")


def test_what_the_exchange_would_not_take_is_nobodys_dust_and_ends_the_cycle() -> None:
    ledger = book(trade("1", "100", minute=0), trade("-0.99", "100", minute=1))

    (cycle,), dust = ledger.cycles, ledger.lots[-1]
    assert (cycle.quantity, cycle.cost, cycle.closed_at) == (0, 0, NOW + timedelta(minutes=1))
    assert (dust.origin, dust.book, dust.remaining, dust.cost) == (
        "dust",
        NOBODY,
        Decimal("0.01"),
        1,
    )


def test_the_next_purchase_begins_a_new_cycle() -> None:
    ledger = book(
        trade("1", "100", minute=0),
        trade("-1", "100", minute=1),
        trade("1", "90", minute=2, order=2),
    )

    assert [cycle.cost for cycle in ledger.cycles] == [0, 90]


def test_a_sale_of_more_takes_nobodys_coins_before_anybody_elses() -> None:
    ledger = book(
        transfer("0.2", "20", minute=0),
        trade("1", "100", minute=1, book=HERS),
        trade("1", "100", minute=2, order=2),
    )

    ledger.apply(trade("-1.5", "110", minute=3, order=3))

    hers, mine = ledger.cycles
    assert held(ledger) == hers.quantity == Decimal("0.7")
    assert (hers.cost, hers.realized_pnl) == (70, 0)
    assert (mine.quantity, mine.realized_pnl) == (0, 15)
    assert ledger.reached_out


def test_the_newest_owner_gives_first() -> None:
    older, newer = trade("1", "100", minute=0, book=2), trade("1", "100", minute=1, book=3)
    ledger = book(older, newer, trade("-1", "100", minute=2, order=9))

    assert [cycle.quantity for cycle in ledger.cycles] == [1, 0, 0]


def test_coins_nobody_had_are_adopted_at_the_price_of_their_sale() -> None:
    ledger = book(trade("-1", "100", minute=0))

    (lot,), (cycle,) = ledger.lots, ledger.cycles
    assert (lot.origin, lot.quantity, lot.remaining) == (Origin.ADOPTED, 1, 0)
    assert (cycle.realized_pnl, cycle.closed_at) == (0, NOW)


def test_coins_without_a_known_cost_make_the_profit_incomplete() -> None:
    ledger = book(transfer("1", None, minute=0), trade("-1", "100", minute=1))

    assert (ledger.cycles[0].realized_pnl, ledger.cycles[0].is_incomplete) == (0, True)


def test_a_payment_disposes_of_the_owners_coins_at_their_worth() -> None:
    ledger = book(trade("1", "100", minute=0))
    fee = replace(trade("-0.1", "150", minute=1), cause=Cause.PAYMENT, market=None)

    (disposal,) = ledger.apply(fee)

    (cycle,) = ledger.cycles
    assert (cycle.quantity, cycle.cost, cycle.realized_pnl) == (Decimal("0.9"), 90, 5)
    assert disposal.gain == 5


def test_a_withdrawal_takes_coins_at_cost_and_earns_nothing() -> None:
    ledger = book(trade("1", "100", minute=0), transfer("-0.5", None, minute=1))

    (cycle,) = ledger.cycles
    assert (cycle.quantity, cycle.cost, cycle.realized_pnl) == (Decimal("0.5"), 50, 0)
    assert not cycle.is_incomplete


def test_what_an_order_sells_after_the_end_of_its_cycle_still_counts_there() -> None:
    ledger = book(
        trade("1", "100", minute=0),
        trade("-0.99", "100", minute=1, order=2),
        trade("-0.01", "200", minute=2, order=2),
    )

    (cycle,) = ledger.cycles
    assert (cycle.realized_pnl, held(ledger)) == (1, 0)


amounts = st.decimals("0.001", "100", places=8)
prices = st.decimals("1", "100000", places=2)
trades = st.lists(
    st.tuples(st.booleans(), st.sampled_from([MINE, HERS]), amounts, prices), max_size=12
)


def make(rows: Sequence[tuple[bool, int, Decimal, Decimal]]) -> list[Movement]:
    return [
        trade(f"{quantity if is_buy else -quantity:f}", f"{price:f}", minute=n, book=whose, order=n)
        for n, (is_buy, whose, quantity, price) in enumerate(rows)
    ]


@given(trades, prices)
def test_once_flat_every_method_has_earned_the_same(
    rows: list[tuple[bool, int, Decimal, Decimal]], price: Decimal
) -> None:
    totals = set()
    for method in CostMethod:
        ledger = book(*make(rows), method=method)
        left = held(ledger)
        if left:
            ledger.apply(trade(f"-{left:f}", f"{price:f}", minute=99, order=99))
        assert held(ledger) == 0
        totals.add(sum((cycle.realized_pnl for cycle in ledger.cycles), Decimal(0)))
    assert len(totals) == 1


@given(trades, st.sampled_from(CostMethod))
def test_no_coin_is_lost_or_made(
    rows: list[tuple[bool, int, Decimal, Decimal]], method: CostMethod
) -> None:
    movements = make(rows)
    ledger = book(*movements, method=method)

    adopted = sum((lot.quantity for lot in ledger.lots if lot.origin == "adopted"), Decimal(0))
    moved = sum((m.quantity if m.is_incoming else -m.quantity for m in movements), Decimal(0))
    assert held(ledger) == moved + adopted
    for cycle in ledger.cycles:
        lots = [lot for lot in ledger.lots if lot.cycle is cycle]
        assert cycle.quantity == sum((lot.remaining for lot in lots), Decimal(0))
        assert cycle.cost == sum((lot.cost or 0 for lot in lots), Decimal(0))
        assert cycle.cost >= 0


@given(trades, st.sampled_from(CostMethod), st.integers(0, 12))
def test_going_on_from_what_was_kept_gives_the_same(
    rows: list[tuple[bool, int, Decimal, Decimal]], method: CostMethod, cut: int
) -> None:
    """What the incremental way keeps: lots with something left, and open cycles."""
    movements = make(rows)
    whole = book(*movements, method=method)
    first = book(*movements[:cut], method=method)

    rest = AssetLedger(
        method=method,
        unassigned=NOBODY,
        lots=[lot for lot in first.lots if lot.remaining],
        cycles=[cycle for cycle in first.cycles if cycle.closed_at is None],
    )
    for movement in movements[cut:]:
        rest.apply(movement)

    def state(ledger: AssetLedger) -> list[tuple[object, ...]]:
        open_lots = [lot for lot in ledger.lots if lot.remaining]
        return [
            (lot.book, lot.origin, lot.acquired_at, lot.remaining, lot.cost) for lot in open_lots
        ]

    assert state(rest) == state(whole)


@given(trades, st.tuples(st.booleans(), amounts, prices), trades, st.sampled_from(CostMethod))
def test_what_needs_no_coins_of_others_may_be_applied_after_them(
    earlier: list[tuple[bool, int, Decimal, Decimal]],
    late: tuple[bool, Decimal, Decimal],
    later: list[tuple[bool, int, Decimal, Decimal]],
    method: CostMethod,
) -> None:
    is_buy, quantity, price = late
    hers = [(side, HERS, amount, at) for side, _whose, amount, at in later]
    movements = make([*earlier, (is_buy, MINE, quantity, price), *hers])
    mine = len(earlier)

    def settle(after: list[Movement]) -> AssetLedger:
        ledger = book(*movements[:mine], method=method)
        ledger.reached_out = False
        for movement in after:
            ledger.apply(movement)
        return ledger

    in_time = settle(movements[mine:])
    too_late = settle([*movements[mine + 1 :], movements[mine]])

    assume(not too_late.reached_out)
    assert sorted(map(repr, in_time.cycles)) == sorted(map(repr, too_late.cycles))
    assert sorted(map(repr, in_time.lots)) == sorted(map(repr, too_late.lots))
