from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal

import pytest
from django.core import signing

from apps.accounts.models import User
from apps.brokers.models import Broker
from apps.domain.orders import OrderSide, OrderType
from apps.domain.risk import DenialCode
from apps.markets.models import Candle, Symbol
from apps.trading import ticket
from apps.trading.models import Book, Order, Position
from apps.trading.ticket import Unconfirmed, Wish, execute, find_problems, make_quote, reckon

MakeWish = Callable[..., Wish]


@pytest.fixture
def make_wish(broker: Broker, symbol: Symbol, add_candle: Callable[..., Candle]) -> MakeWish:
    """A wish to buy for 100 USDT at market; the last price is 100."""
    add_candle()

    def make(**values: object) -> Wish:
        size = {} if "quantity" in values else {"value": Decimal(100)}
        defaults = {
            "broker": broker,
            "symbol": symbol,
            "side": OrderSide.BUY,
            "order_type": OrderType.MARKET,
        }
        return Wish(**{**defaults, **size, **values})

    return make


@pytest.fixture
def by_hand(broker: Broker, symbol: Symbol, now: datetime) -> Position:
    """Two bitcoins bought by hand at 100."""
    book = ticket.manual_book(broker)
    return Position.objects.create(
        owner=book.owner, book=book, symbol=symbol, quantity=2, cost=200, opened_at=now
    )


def fields(wish: Wish, now: datetime) -> dict[str, str]:
    return {problem.field: problem.words for problem in find_problems(wish, now=now)}


@pytest.mark.parametrize(
    ("typed", "quantity", "value"),
    [
        ({"value": Decimal("33.333333")}, "0.33333", "33.333333"),
        ({"quantity": Decimal("0.1234567")}, "0.12345", "12.345"),
        ({"value": Decimal(100), "price": Decimal(50)}, "2", "100"),
        ({"quantity": Decimal(1), "trigger_price": Decimal(120)}, "1", "120"),
    ],
)
def test_quantity_and_value_come_from_each_other_at_the_price_it_will_trade_at(
    make_wish: MakeWish, typed: dict[str, Decimal], quantity: str, value: str
) -> None:
    reckoning = reckon(make_wish(**typed))

    assert (reckoning.quantity, reckoning.value) == (Decimal(quantity), Decimal(value))


def test_a_good_wish_leaves_no_trace_before_it_is_confirmed(
    make_wish: MakeWish, now: datetime
) -> None:
    assert find_problems(make_wish(), now=now) == []
    assert not Order.objects.exists()
    assert not Book.objects.exists()


def test_all_that_is_missing_is_said_at_once(make_wish: MakeWish, now: datetime) -> None:
    wish = make_wish(order_type=OrderType.STOP_LOSS_LIMIT, side=OrderSide.SELL, value=None)

    assert set(fields(wish, now)) == {"quantity", "price", "trigger_price", "side"}


def test_a_quantity_and_a_value_are_one_too_many(make_wish: MakeWish, now: datetime) -> None:
    wish = make_wish(quantity=Decimal(1), value=Decimal(1))

    assert fields(wish, now) == {"quantity": "Give one of the two."}


def test_money_that_is_not_there_is_named(make_wish: MakeWish, now: datetime) -> None:
    words = fields(make_wish(value=Decimal(2000)), now)

    assert words == {"size": "This needs 2,000.00 USDT, and 1,000.00 USDT are free."}


def test_more_coins_than_were_bought_by_hand_cannot_be_sold(
    make_wish: MakeWish, by_hand: Position, now: datetime
) -> None:
    wish = make_wish(side=OrderSide.SELL, quantity=Decimal(3))

    assert fields(wish, now) == {"size": "Only 2 BTC bought by hand can be sold here."}


def test_coins_of_a_strategy_are_not_sold_here(
    make_wish: MakeWish, position: Position, now: datetime
) -> None:
    words = fields(make_wish(side=OrderSide.SELL), now)

    assert "Positions page" in words["side"]


def test_a_symbol_without_a_price_cannot_be_traded(
    broker: Broker, symbol: Symbol, now: datetime
) -> None:
    wish = Wish(
        broker=broker,
        symbol=symbol,
        side=OrderSide.BUY,
        order_type=OrderType.MARKET,
        value=Decimal(100),
    )

    assert "No price is known" in fields(wish, now)["symbol"]


def test_the_gate_s_no_stands_beside_its_field(make_wish: MakeWish, now: datetime) -> None:
    words = fields(make_wish(value=Decimal(1)), now)

    assert words == {"size": DenialCode.BELOW_MINIMUM.words}


def test_a_summary_says_what_for_how_much_and_with_which_money(
    make_wish: MakeWish, alice: User, now: datetime
) -> None:
    quote = make_quote(make_wish(stop_loss=Decimal("0.02")), user=alice, now=now)

    assert quote.lines == [
        "Buy 1 BTC at market for about 100.00 USDT on Paper.",
        "Last price 100.00 USDT at 12:00:00 UTC, fee about 0.1 USDT.",
        "Once it is filled, a stop-loss 2 % below its price.",
        "Paper money, simulated prices.",
    ]
    assert not quote.is_real_money


def test_a_summary_names_the_dust(make_wish: MakeWish, alice: User, now: datetime) -> None:
    quote = make_quote(make_wish(quantity=Decimal("0.12345")), user=alice, now=now)

    assert "0.00000655 BTC will be left that are too little to sell." in quote.lines


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"order_type": OrderType.LIMIT, "price": Decimal(90)}, "at 90.00 USDT or better"),
        (
            {"order_type": OrderType.STOP_LOSS, "trigger_price": Decimal(95)},
            "once the price reaches 95.00 USDT, at market,",
        ),
        (
            {
                "order_type": OrderType.STOP_LOSS_LIMIT,
                "trigger_price": Decimal(95),
                "price": Decimal(94),
            },
            "once the price reaches 95.00 USDT, at 94.00 USDT or better,",
        ),
    ],
)
def test_a_summary_says_how_it_trades(
    make_wish: MakeWish, alice: User, now: datetime, values: dict[str, object], words: str
) -> None:
    assert words in make_quote(make_wish(**values), user=alice, now=now).lines[0]


def test_a_confirmation_places_the_order_it_was_given_for(
    make_wish: MakeWish, alice: User, now: datetime
) -> None:
    token = make_quote(make_wish(take_profit=Decimal("0.04")), user=alice, now=now).token

    order = execute(user=alice, token=token, now=now + timedelta(seconds=15))

    assert (order.status, order.source, order.purpose) == ("created", "manual", "entry")
    assert (order.quote_amount, order.take_profit) == (Decimal(100), Decimal("0.04"))
    assert order.book.kind == Book.Kind.MANUAL


def test_a_confirmation_works_once(make_wish: MakeWish, alice: User, now: datetime) -> None:
    token = make_quote(make_wish(), user=alice, now=now).token

    orders = {execute(user=alice, token=token, now=now + timedelta(days=d)) for d in (0, 0, 1)}

    assert len(orders) == Order.objects.count() == 1


def test_a_confirmation_that_comes_late_places_nothing(
    make_wish: MakeWish, alice: User, now: datetime
) -> None:
    token = make_quote(make_wish(), user=alice, now=now).token

    with pytest.raises(Unconfirmed, match="within 15 s"):
        execute(user=alice, token=token, now=now + timedelta(seconds=15, milliseconds=1))
    assert not Order.objects.exists()


def test_a_confirmation_of_somebody_else_places_nothing(
    make_wish: MakeWish, alice: User, bob: User, now: datetime
) -> None:
    token = make_quote(make_wish(), user=alice, now=now).token

    with pytest.raises(Unconfirmed, match="Somebody else"):
        execute(user=bob, token=token, now=now)


def test_a_changed_confirmation_places_nothing(
    make_wish: MakeWish, alice: User, now: datetime
) -> None:
    token = make_quote(make_wish(), user=alice, now=now).token
    forged = signing.dumps(signing.loads(token, salt=ticket.SALT), salt="another")

    for text in (forged, token[:-1], ""):
        with pytest.raises(Unconfirmed, match="no confirmation"):
            execute(user=alice, token=text, now=now)


def test_a_sale_is_an_exit_of_the_position_as_it_was_confirmed(
    make_wish: MakeWish, by_hand: Position, alice: User, now: datetime
) -> None:
    wish = make_wish(side=OrderSide.SELL, quantity=Decimal("0.5"))
    first, second = (make_quote(wish, user=alice, now=now).token for _ in range(2))

    order = execute(user=alice, token=first, now=now)
    assert (order.purpose, order.quantity, order.position) == ("exit", Decimal("0.5"), by_hand)

    Order.objects.all().delete()
    Position.objects.update(version=1)
    assert execute(user=alice, token=second, now=now).denial_code == DenialCode.POSITION_CHANGED


def test_closing_sells_all_of_a_position_once(
    position: Position, add_candle: Callable[..., Candle], now: datetime
) -> None:
    add_candle()

    orders = {ticket.close_position(position=position, key="a", now=now) for _ in range(2)}

    order = orders.pop()
    assert not orders
    assert (order.status, order.side, order.quantity) == ("created", "sell", Decimal(1))


def test_a_position_whose_price_nobody_follows_can_be_closed(
    position: Position, now: datetime
) -> None:
    position.refresh_from_db()
    assert ticket.close_position(position=position, key="a", now=now).status == "created"
