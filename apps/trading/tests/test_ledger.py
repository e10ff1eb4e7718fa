from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import transaction
from django.utils import timezone
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from apps.brokers.models import Broker
from apps.core.models import Alert
from apps.domain.orders import OrderSide
from apps.domain.positions import CostMethod
from apps.markets.models import Candle, Series, Symbol
from apps.trading import ledger
from apps.trading.models import Book, Fill, Lot, Order, Position, RiskScope
from apps.trading.tests.fakes import NOW, make_fill

MakeOrder = Callable[..., Order]
Trade = Callable[..., Order]


@pytest.fixture
def trade(make_order: MakeOrder) -> Trade:
    """Books one fill: `trade("-1", "110", minute=3)` is a sale of one at 110."""
    count = 0

    def make(
        quantity: str, price: str, *, minute: int, order: Order | None = None, **values: Any
    ) -> Order:
        nonlocal count
        count += 1
        amount = Decimal(quantity)
        side = OrderSide.BUY if amount > 0 else OrderSide.SELL
        names = {"book", "stop_loss", "take_profit", "stop_loss_price", "take_profit_price"}
        order = order or make_order(
            side=side.value,
            purpose="entry" if amount > 0 else "exit",
            status="submitted",
            **{name: values.pop(name) for name in names & values.keys()},
        )
        at = NOW + timedelta(minutes=minute)
        fill = make_fill(
            f"{abs(amount):f}",
            price,
            **{"trade_id": str(count), "side": side, "executed_at": at, **values},
        )
        ledger.record_fills(order=order, fills=[fill])
        Order.objects.filter(pk=order.pk).update(status="filled")
        return order

    return make


def rows() -> dict[str, list[tuple[object, ...]]]:
    """All that the ledger derives, without its names and numbers of rows."""
    lots = Lot.objects.order_by("pk").values_list(
        "book", "position", "origin", "fill", "acquired_at", "quantity", "remaining", "cost"
    )
    positions = Position.objects.order_by("pk").values_list(
        "pk", "book", "quantity", "cost", "realized_pnl", "is_incomplete", "opened_at", "closed_at"
    )
    orders = Order.objects.order_by("pk").values_list("pk", "position")
    return {"lots": list(lots), "positions": list(positions), "orders": list(orders)}


def facts() -> dict[str, list[str]]:
    """The same, in whatever sequence they were written."""
    lots = Lot.objects.values_list("book", "origin", "fill", "acquired_at", "remaining", "cost")
    positions = Position.objects.values_list(
        "book", "quantity", "cost", "realized_pnl", "opened_at", "closed_at"
    )
    return {"lots": sorted(map(repr, lots)), "positions": sorted(map(repr, positions))}


def test_exit_prices_that_were_named_do_not_follow_the_fills(trade: Trade) -> None:
    trade("1", "110", minute=0, stop_loss_price=Decimal("95.557"), take_profit_price=Decimal(120))

    position = Position.objects.get()
    assert position.stop_loss_price == Decimal("95.55")
    assert position.take_profit_price == Decimal(120)


def test_a_late_fill_leaves_exit_prices_that_were_moved_meanwhile(trade: Trade) -> None:
    order = trade("1", "110", minute=0, stop_loss_price=Decimal(95))
    Position.objects.update(stop_loss_price=99, exit_prices_changed_at=timezone.now())

    trade("1", "110", minute=1, order=order)

    assert Position.objects.get().stop_loss_price == 99


@pytest.mark.parametrize(
    ("method", "realized"), [("average", "2.00"), ("fifo", "2.50"), ("lifo", "1.50")]
)
def test_the_reference_trades(broker: Broker, trade: Trade, method: str, realized: str) -> None:
    Broker.objects.update(cost_method=method)

    trade("0.001", "45000", minute=0)
    trade("0.002", "46000", minute=1)
    trade("-0.0015", "47000", minute=2)

    position = Position.objects.get()
    assert (position.quantity, position.realized_pnl) == (Decimal("0.0015"), Decimal(realized))
    left = sum(lot.remaining for lot in Lot.objects.all())
    assert left == position.quantity


@pytest.mark.parametrize("method", CostMethod)
def test_computing_again_gives_the_same_rows(
    broker: Broker, book: Book, trade: Trade, method: CostMethod
) -> None:
    Broker.objects.update(cost_method=method)
    other = Book.objects.create(owner=book.owner, broker=broker, kind="activation", label="Other")
    trade("1", "100", minute=0, fee=Decimal("0.001"))
    trade("2", "103.3", minute=1, book=other)
    trade("0.5", "97.7", minute=2)
    trade("-2.9", "111.1", minute=3)
    trade("1", "99", minute=4)
    before = rows()

    ledger.recompute(broker.pk)

    assert rows() == before


@pytest.mark.parametrize("method", CostMethod)
def test_a_late_fill_gives_the_rows_it_would_have_given_in_time(
    broker: Broker, trade: Trade, method: CostMethod
) -> None:
    Broker.objects.update(cost_method=method)
    trade("1", "100", minute=0)
    trade("-1.2", "120", minute=2)

    trade("1", "110", minute=1, trade_id="late")

    position = Position.objects.get()
    realized = {"average": "18", "fifo": "22", "lifo": "14"}[method]
    assert (position.quantity, position.realized_pnl) == (Decimal("0.8"), Decimal(realized))
    assert not Lot.objects.filter(origin="adopted").exists()
    before = rows()
    ledger.recompute(broker.pk)
    assert rows() == before


@pytest.fixture
def _nothing_is_computed_again(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_args: object) -> None:
        pytest.fail("The whole history was read for it.")

    monkeypatch.setattr("apps.trading.booking.Account.replay", fail)


@pytest.mark.usefixtures("_nothing_is_computed_again")
@pytest.mark.parametrize("later", [["1"], ["1", "-1"]])
def test_a_late_fill_goes_on_from_the_open_lots_where_it_concerns_no_later_one(
    broker: Broker, book: Book, trade: Trade, later: list[str]
) -> None:
    other = Book.objects.create(owner=book.owner, broker=broker, kind="activation", label="Other")
    trade("2", "90", minute=0)
    for minute, quantity in enumerate(later, start=2):
        trade(quantity, "100", minute=minute, book=other)

    trade("-2", "110", minute=1, trade_id="late")

    position = book.positions.get()
    assert (position.quantity, position.realized_pnl, position.is_oversold) == (0, 40, False)


def test_a_late_fill_before_a_sale_of_its_coins_is_booked_as_if_in_time(
    broker: Broker, book: Book, trade: Trade
) -> None:
    other = Book.objects.create(owner=book.owner, broker=broker, kind="activation", label="Other")
    trade("-1", "100", minute=2, book=other)

    trade("1", "90", minute=1, trade_id="late")

    assert other.positions.get().is_oversold
    assert book.positions.get().quantity == 0
    before = rows()
    ledger.recompute(broker.pk)
    assert rows() == before


@given(
    trades=st.lists(
        st.tuples(
            st.integers(0, 2),  # book
            st.sampled_from(["-2", "-1", "-0.9999", "0.5", "1", "2"]),
            st.integers(100, 104),  # price
            st.sampled_from(["0", "0.001"]),  # fee, in coins
            st.integers(0, 3),  # told so many trades later
        ),
        min_size=4,
        max_size=12,
    ),
    method=st.sampled_from(CostMethod),
)
@settings(
    max_examples=15,
    phases=[Phase.generate],
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)
def test_fills_in_any_sequence_give_the_rows_that_computing_all_again_gives(
    broker: Broker, book: Book, trade: Trade, trades: list[Any], method: CostMethod
) -> None:
    with transaction.atomic():
        Broker.objects.update(cost_method=method)
        books = [book] + [
            Book.objects.create(owner=book.owner, broker=broker, kind="activation", label=label)
            for label in ("Other", "Third")
        ]
        told = sorted(enumerate(trades), key=lambda item: item[0] + item[1][-1])
        for minute, (number, quantity, price, fee, _delay) in told:
            trade(quantity, str(price), minute=minute // 2, book=books[number], fee=Decimal(fee))
        before = facts()
        ledger.recompute(broker.pk)
        assert facts() == before
        transaction.set_rollback(True)


def test_changing_the_method_keeps_what_a_flat_position_has_earned(
    broker: Broker, trade: Trade
) -> None:
    trade("1", "100", minute=0)
    trade("1", "110", minute=1)
    trade("-0.7", "130", minute=2)
    trade("-1.3", "90", minute=3)
    totals = set()
    for method in CostMethod:
        Broker.objects.update(cost_method=method)
        ledger.recompute(broker.pk)
        totals.add(Position.objects.get().realized_pnl)

    assert totals == {Decimal(-2)}


def test_a_trade_told_twice_is_booked_once(make_order: MakeOrder) -> None:
    order, fill = make_order(), make_fill("1")

    new = ledger.record_fills(order=order, fills=[fill, fill])
    again = ledger.record_fills(order=make_order(book=order.book, status="filled"), fills=[fill])

    assert (len(new), again, Fill.objects.count()) == (1, [], 1)


def test_a_sale_of_anothers_coins_reduces_and_tells_him(
    broker: Broker, book: Book, trade: Trade
) -> None:
    manual = Book.objects.create(owner=book.owner, broker=broker, kind="manual", label="Manual")
    trade("1", "100", minute=0)

    trade("-0.4", "110", minute=1, book=manual)

    hers = Position.objects.get(book=book)
    assert (hers.quantity, hers.cost, hers.realized_pnl) == (Decimal("0.6"), 60, 0)
    assert Position.objects.get(book=manual).realized_pnl == 4
    assert Alert.objects.get().key == f"position-reduced-{hers.pk}"


def test_a_strategy_whose_coins_others_sell_opens_nothing_more(
    broker: Broker, book: Book, trade: Trade
) -> None:
    manual = Book.objects.create(owner=book.owner, broker=broker, kind="manual", label="Manual")
    trade("1", "100", minute=0)

    trade("-0.4", "110", minute=1, book=manual)

    scope = RiskScope.objects.get(book=book)
    assert scope.state == "reduce_only"
    assert scope.reason == (
        "0.4 BTC of EMA cross were sold by something else, so its position is smaller by that."
    )
    assert "resume it by the switch" in Alert.objects.get().advice


def test_who_trades_by_hand_is_not_stopped_for_coins_that_others_sold(
    broker: Broker, book: Book, trade: Trade
) -> None:
    manual = Book.objects.create(owner=book.owner, broker=broker, kind="manual", label="Manual")
    trade("1", "100", minute=0, book=manual)

    trade("-0.4", "110", minute=1)

    assert Alert.objects.get().advice == "Look at the position and its stop-loss."
    assert not RiskScope.objects.exclude(state="active").exists()


@pytest.fixture
def bnb(symbol: Symbol) -> Series:
    """The candles of BNB/USDT."""
    coin = Symbol.objects.get()
    coin.pk, coin.name, coin.base = None, "BNB/USDT", "BNB"
    coin.save()
    return Series.objects.create(symbol=coin, timeframe="1m")


def add_close(series: Series, minute: int, close: float) -> None:
    prices = dict.fromkeys(("open", "high", "low", "close"), close)
    opened_at = NOW + timedelta(minutes=minute)
    Candle.objects.create(series=series, opened_at=opened_at, received_at=NOW, volume=1.0, **prices)


def test_a_fee_in_a_third_asset_costs_what_that_was_worth(
    book: Book, bnb: Series, trade: Trade
) -> None:
    add_close(bnb, 0, 600)
    add_close(bnb, 9, 700)

    trade("1", "100", minute=9, fee=Decimal("0.001"), fee_asset="BNB")

    fill, position = Fill.objects.get(), Position.objects.get()
    assert (fill.fee, fill.fee_value) == (Decimal("0.001"), Decimal("0.6"))
    assert (position.quantity, position.cost) == (1, Decimal("100.6"))
    assert not position.is_incomplete


def test_a_fee_in_a_third_asset_disposes_of_it(
    bnb: Series, book: Book, trade: Trade, make_order: MakeOrder
) -> None:
    add_close(bnb, 0, 600)
    held = make_order(symbol=bnb.symbol, status="filled")
    fill = make_fill("1", "500", symbol="BNB/USDT", executed_at=NOW, fee_asset="BNB")
    ledger.record_fills(order=held, fills=[fill])

    trade("1", "100", minute=5, fee=Decimal("0.1"), fee_asset="BNB")

    coin = Position.objects.get(symbol=bnb.symbol)
    assert (coin.quantity, coin.cost, coin.realized_pnl) == (Decimal("0.9"), 450, 10)


def test_a_strategy_whose_coins_pay_another_s_fee_opens_nothing_more(
    bnb: Series, broker: Broker, book: Book, trade: Trade, make_order: MakeOrder
) -> None:
    add_close(bnb, 0, 600)
    fill = make_fill("1", "500", symbol="BNB/USDT", executed_at=NOW, fee_asset="BNB")
    ledger.record_fills(order=make_order(symbol=bnb.symbol, status="filled"), fills=[fill])
    manual = Book.objects.create(owner=book.owner, broker=broker, kind="manual", label="Manual")

    trade("1", "100", minute=5, fee=Decimal("0.1"), fee_asset="BNB", book=manual)

    scope = RiskScope.objects.get(book=book)
    assert scope.state == "reduce_only"
    assert "0.1 BNB of EMA cross went as a fee" in scope.reason


def test_a_fee_without_a_known_price_makes_the_profit_incomplete(book: Book, trade: Trade) -> None:
    trade("1", "100", minute=0, fee=Decimal("0.001"), fee_asset="BNB")

    assert Fill.objects.get().fee_value is None
    assert Position.objects.get().is_incomplete


def test_the_version_counts_every_change(book: Book, trade: Trade) -> None:
    trade("1", "100", minute=0)
    trade("1", "100", minute=1)

    assert Position.objects.get().version == 2


def test_one_fill_of_a_market_buy_is_cheap(
    make_order: MakeOrder, django_assert_max_num_queries: Any
) -> None:
    order = make_order()

    with django_assert_max_num_queries(10):
        ledger.record_fills(order=order, fills=[make_fill("1", fee=Decimal("0.001"))])
