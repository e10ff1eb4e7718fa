"""What webhooks do, verb by verb, and in which order."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection

from apps.brokers.models import Broker
from apps.core.models import Alert
from apps.core.traces import current_trace_id
from apps.domain.orders import OrderPurpose
from apps.markets.models import Candle, Series, Symbol
from apps.trading.models import Lot, Order, OrderEvent, Position
from apps.webhooks import processing, trading
from apps.webhooks.models import Destination, Webhook, WebhookSource
from apps.webhooks.processing import process_webhook, sweep_webhooks

Make = Callable[..., Webhook]


@pytest.fixture
def run(
    make_webhook: Make, now: datetime, add_candle: Callable[..., Candle]
) -> Callable[..., Webhook]:
    """Stores and processes a webhook at a last price of 100: `run("BuyMarket", PourCent="50")`."""
    add_candle(close=100.0)

    def process(verb: str, *, row: dict[str, Any] | None = None, **fields: str) -> Webhook:
        given = {"Action": verb, "Symbol": "BTCUSDT", **fields}
        webhook = make_webhook(action=verb, fields=given, **(row or {}))
        process_webhook(webhook_id=webhook.pk, clock=lambda: now)
        webhook.refresh_from_db()
        return webhook

    return process


@pytest.fixture
def position(destination: Destination, symbol: Symbol, now: datetime) -> Position:
    """One bitcoin that the source bought at 100."""
    book = destination.book
    held = Position.objects.create(
        owner=book.owner, book=book, symbol=symbol, quantity=1, cost=100, opened_at=now
    )
    Lot.objects.create(
        owner=book.owner,
        book=book,
        asset="BTC",
        position=held,
        origin="bought",
        acquired_at=now,
        quantity=1,
        remaining=1,
        cost=100,
        cost_asset="USDT",
    )
    return held


@pytest.fixture
def make_order(destination: Destination, symbol: Symbol) -> Callable[..., Order]:
    """An order of the source's book."""

    def make(**values: Any) -> Order:
        row = {
            "owner": destination.owner,
            "book": destination.book,
            "broker": destination.broker,
            "symbol": symbol,
            "dedup_key": f"earlier-{Order.objects.count()}",
            "source": "webhook",
            "side": "buy",
            "order_type": "limit",
            "quantity": Decimal(1),
            "price": Decimal(95),
            "reference_price": Decimal(95),
            "status": "open",
            "exchange_order_id": "x1",
            "valid_until": datetime(2100, 1, 1, tzinfo=destination.created_at.tzinfo),
        }
        return Order.objects.create(**{**row, **values})

    return make


def test_buy_market_spends_its_share_of_the_free_quote(run: Callable[..., Webhook]) -> None:
    webhook = run("BuyMarket", PourCent="50")

    order = webhook.order
    assert order is not None
    assert (webhook.state, webhook.reason) == (
        "processed",
        f"Order {order.pk}: BuyMarket of 50 % by RSI.",
    )
    assert (order.side, order.order_type, order.purpose) == ("buy", "market", "entry")
    assert (order.source, order.status) == ("webhook", "created")
    assert order.quote_amount == Decimal(500)
    assert order.book == webhook.destination.book  # type: ignore[union-attr]


def test_without_a_share_all_is_spent_less_the_fee(run: Callable[..., Webhook]) -> None:
    order = run("BuyMarket").order

    assert order is not None
    assert order.quote_amount == Decimal("999.00099900")


def test_exits_that_an_entry_names_are_kept_as_prices(run: Callable[..., Webhook]) -> None:
    order = run("BuyMarket", PrixSL="95.5", PrixTP="110").order

    assert order is not None
    assert (order.stop_loss_price, order.take_profit_price) == (Decimal("95.5"), Decimal(110))


def test_buy_limit_rests_at_its_price(run: Callable[..., Webhook]) -> None:
    order = run("BuyLimit", Prix="99.999", PourCent="10").order

    assert order is not None
    assert (order.side, order.order_type) == ("buy", "limit")
    assert order.price == Decimal("99.99")
    assert order.quantity == Decimal("1.0001")


@pytest.mark.usefixtures("position")
@pytest.mark.parametrize(("percent", "sold"), [("100", "1"), ("25", "0.25"), ("33.33", "0.3333")])
def test_sell_market_sells_its_share_of_what_is_held(
    run: Callable[..., Webhook], percent: str, sold: str
) -> None:
    order = run("SellMarket", PourCent=percent).order

    assert order is not None
    assert (order.side, order.order_type, order.purpose) == ("sell", "market", "exit")
    assert order.quantity == Decimal(sold)


@pytest.mark.usefixtures("position")
def test_sell_limit_rests_at_its_price(run: Callable[..., Webhook]) -> None:
    order = run("SellLimit", Prix="105", PourCent="50").order

    assert order is not None
    assert (order.order_type, order.price, order.quantity) == (
        "limit",
        Decimal(105),
        Decimal("0.5"),
    )


@pytest.mark.parametrize("verb", ["SellMarket", "SellLimit"])
def test_what_is_not_held_is_not_sold(run: Callable[..., Webhook], verb: str) -> None:
    webhook = run(verb, Prix="100")

    assert (webhook.state, webhook.order) == ("error", None)
    assert webhook.reason == "Nothing of BTC/USDT is held here: there is nothing to sell."


def test_a_sale_at_market_takes_the_place_of_one_that_rests(
    run: Callable[..., Webhook], make_order: Callable[..., Order], position: Position
) -> None:
    resting = make_order(side="sell", purpose="exit", position=position, price=110)

    order = run("SellMarket").order

    resting.refresh_from_db()
    assert order is not None
    assert (order.status, order.replaces) == ("created", resting)
    assert resting.cancel_requested_at is not None


def test_selling_everything_calls_off_what_would_buy_again(
    run: Callable[..., Webhook], make_order: Callable[..., Order]
) -> None:
    resting = make_order(purpose="entry")

    webhook = run("SellMarket")

    resting.refresh_from_db()
    assert webhook.state == "processed"
    assert webhook.reason == "Nothing was held; what was to buy is called off."
    assert resting.cancel_requested_at is not None


def test_a_buy_adds_to_what_is_held(run: Callable[..., Webhook], position: Position) -> None:
    assert run("BuyMarket", PourCent="10").state == "processed"


@pytest.mark.parametrize(
    ("fields", "stop", "target"),
    [
        ({"PrixSL": "96"}, "96", "110"),
        ({"PrixTP": "120"}, "90", "120"),
        ({"PrixSL": "96", "PrixTP": "120"}, "96", "120"),
    ],
)
def test_maj_moves_the_prices_that_are_given(
    run: Callable[..., Webhook],
    position: Position,
    fields: dict[str, str],
    stop: str,
    target: str,
) -> None:
    Position.objects.update(stop_loss_price=90, take_profit_price=110)

    webhook = run("MAJ", PourCent="10", **fields)

    position.refresh_from_db()
    assert (webhook.state, webhook.order) == ("processed", None)
    assert (position.stop_loss_price, position.take_profit_price) == (
        Decimal(stop),
        Decimal(target),
    )
    leg = Order.objects.get(purpose=OrderPurpose.STOP_LOSS)
    assert (leg.trigger_price, leg.quantity) == (Decimal(stop), Decimal(1))


def test_maj_says_what_it_moved(run: Callable[..., Webhook], position: Position) -> None:
    webhook = run("MAJ", PrixSL="96", PrixTP="120")

    assert (
        webhook.reason == "From now on the stop-loss is at 96.00 and the take-profit is at 120.00."
    )


def test_maj_without_a_position_is_done(run: Callable[..., Webhook]) -> None:
    webhook = run("MAJ", PrixSL="96")

    assert webhook.state == "processed"
    assert webhook.reason == "Nothing of BTC/USDT is held here: there is nothing to protect."


@pytest.mark.usefixtures("position")
@pytest.mark.parametrize("verb", ["MAJ", "BuyMarket"])
@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"PrixSL": "100"}, "PrixSL: 100.00 is not below the price, which is 100.00."),
        ({"PrixTP": "100"}, "PrixTP: 100.00 is not above the price, which is 100.00."),
    ],
)
def test_exits_on_the_wrong_side_of_the_market_are_refused(
    run: Callable[..., Webhook], verb: str, fields: dict[str, str], words: str
) -> None:
    webhook = run(verb, **fields)

    assert (webhook.state, webhook.reason) == ("error", words)
    assert not Order.objects.exists()


def test_a_denial_is_an_error_with_its_words(run: Callable[..., Webhook], broker: Broker) -> None:
    Broker.objects.update(automation="strategies")

    webhook = run("BuyMarket")

    assert webhook.state == "error"
    assert webhook.reason == (
        "Denied: The broker's automation does not allow this source. Change it on the broker's page."
    )
    assert webhook.order is not None
    assert webhook.order.status == "denied"
    assert webhook.ordered_at is None


@pytest.mark.usefixtures("position")
def test_a_sale_passes_the_switches(run: Callable[..., Webhook]) -> None:
    Broker.objects.update(automation="off", is_active=False)

    assert run("SellMarket").state == "processed"


@pytest.mark.parametrize(("state", "words"), [("paused", "is paused"), ("off", "is switched off")])
def test_a_source_that_is_not_active_trades_nothing(
    run: Callable[..., Webhook], source: WebhookSource, state: str, words: str
) -> None:
    WebhookSource.objects.update(state=state)

    webhook = run("BuyMarket")

    assert (webhook.state, webhook.order) == ("error", None)
    assert words in webhook.reason


def test_a_broker_that_was_taken_from_the_source_meanwhile(run: Callable[..., Webhook]) -> None:
    Destination.objects.update(is_allowed=False)

    assert run("BuyMarket").reason == "The source may not trade on this broker any more."


def test_paper_first(run: Callable[..., Webhook], symbol: Symbol) -> None:
    Broker.objects.update(environment="live")
    Symbol.objects.update(environment="live")

    webhook = run("BuyMarket")

    assert (webhook.state, webhook.order) == ("error", None)
    assert webhook.reason.startswith("The source trades paper and testnet money first")

    WebhookSource.objects.update(is_paper_only=False)
    assert run("BuyMarket").state == "processed"


@pytest.mark.parametrize("waited", [61, 3600])
def test_an_entry_that_waited_too_long_is_denied(
    run: Callable[..., Webhook], now: datetime, waited: int
) -> None:
    webhook = run("BuyMarket", row={"received_at": now - timedelta(seconds=waited)})

    assert webhook.state == "error"
    assert webhook.reason.startswith("Denied: The signal was too old")


@pytest.mark.usefixtures("position")
def test_an_exit_has_no_age(run: Callable[..., Webhook], now: datetime) -> None:
    webhook = run("SellMarket", row={"received_at": now - timedelta(hours=1)})

    assert webhook.state == "processed"


@pytest.mark.usefixtures("position")
@pytest.mark.parametrize("verb", ["BuyMarket", "SellMarket"])
@pytest.mark.parametrize(
    ("age", "interval", "is_traded"),
    [
        (timedelta(minutes=6), timedelta(minutes=5), True),
        (timedelta(minutes=6, seconds=1), timedelta(minutes=5), False),
        (timedelta(days=1, minutes=1), None, True),
        (timedelta(days=1, minutes=2), None, False),
        (-timedelta(minutes=6), timedelta(minutes=5), True),
        (-timedelta(minutes=7), timedelta(minutes=5), False),
    ],
)
def test_a_bar_of_another_time_is_not_traded_on(
    run: Callable[..., Webhook],
    now: datetime,
    verb: str,
    age: timedelta,
    interval: timedelta | None,
    is_traded: bool,
) -> None:
    webhook = run(verb, row={"bar_at": now - age, "interval": interval})

    assert (webhook.state == "processed") is is_traded


def test_a_symbol_that_the_exchange_does_not_list(run: Callable[..., Webhook]) -> None:
    assert run("BuyMarket", Symbol="ETHUSDT").reason == "Symbol: Binance lists no ETHUSDT."


def test_a_symbol_that_may_be_cut_in_two_ways(run: Callable[..., Webhook], symbol: Symbol) -> None:
    Symbol.objects.create(**{
        **{field.attname: getattr(symbol, field.attname) for field in Symbol._meta.fields},
        "id": None, "name": "BTCU/SDT", "base": "BTCU", "quote": "SDT",
    })  # fmt: skip

    assert run("BuyMarket").reason == (
        "Symbol: BTCUSDT may be BTC/USDT or BTCU/SDT: send Currency as well."
    )
    assert run("BuyMarket", Currency="USDT").state == "processed"


@pytest.mark.parametrize(("fields", "price"), [({"Prix": "101"}, 101), ({"Close": "99"}, 99)])
def test_without_a_market_price_that_of_the_sender_counts(
    make_webhook: Make, now: datetime, symbol: Symbol, fields: dict[str, str], price: int
) -> None:
    webhook = make_webhook(fields={"Action": "BuyMarket", "Symbol": "BTCUSDT", **fields})

    process_webhook(webhook_id=webhook.pk, clock=lambda: now)

    assert Order.objects.get().reference_price == price
    assert Series.objects.get(symbol=symbol).is_followed


def test_without_any_price_nothing_is_bought(
    make_webhook: Make, now: datetime, symbol: Symbol
) -> None:
    webhook = make_webhook(fields={"Action": "BuyMarket", "Symbol": "BTCUSDT"})

    process_webhook(webhook_id=webhook.pk, clock=lambda: now)

    webhook.refresh_from_db()
    assert webhook.reason == "No price of the symbol is known yet. Send Prix or Close as well."


def test_names_that_were_ignored_stay_in_the_reason(run: Callable[..., Webhook]) -> None:
    webhook = run("MAJ", PrixSL="95", row={"reason": "Ignored: Comment."})

    assert webhook.reason.endswith("there is nothing to protect. Ignored: Comment.")


def test_its_times_are_kept(run: Callable[..., Webhook], now: datetime) -> None:
    webhook = run("BuyMarket")

    assert (webhook.started_at, webhook.ordered_at, webhook.finished_at) == (now, now, now)


def test_its_order_carries_its_trace(run: Callable[..., Webhook]) -> None:
    webhook = run("BuyMarket", row={"trace_id": "feed" * 8})

    assert OrderEvent.objects.get(order=webhook.order).trace_id == "feed" * 8
    assert current_trace_id() == ""


def test_processing_twice_makes_one_order(run: Callable[..., Webhook], now: datetime) -> None:
    webhook = run("BuyMarket")
    Webhook.objects.update(state="processing", order=None)
    Order.objects.update(is_settled=True)

    process_webhook(webhook_id=webhook.pk, clock=lambda: now)

    assert Order.objects.get() == Webhook.objects.get().order


def test_what_waits_is_processed_oldest_first(
    make_webhook: Make, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[int] = []
    monkeypatch.setattr(processing, "carry_out", _note(done))
    rows = [make_webhook() for _ in range(3)]
    make_webhook(symbol_name="ETHUSDT")

    process_webhook(webhook_id=rows[2].pk, clock=lambda: now)

    assert done == [row.pk for row in rows]
    assert Webhook.objects.filter(state="received").get().symbol_name == "ETHUSDT"


def _note(done: list[int]) -> Callable[..., trading.Outcome]:
    def carry_out(webhook: Webhook, _now: datetime) -> trading.Outcome:
        done.append(webhook.pk)
        return trading.Outcome(is_done=True, words="done")

    return carry_out


@contextmanager
def _locked_elsewhere(_name: str) -> Iterator[bool]:
    yield False


def test_who_finds_others_at_it_leaves(
    make_webhook: Make, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processing, "advisory_lock", _locked_elsewhere)
    webhook = make_webhook()

    process_webhook(webhook_id=webhook.pk, clock=lambda: now)

    webhook.refresh_from_db()
    assert webhook.state == "received"


def test_a_webhook_that_is_gone_is_nothing_to_do(db: None, now: datetime) -> None:
    process_webhook(webhook_id=1, clock=lambda: now)


@pytest.mark.parametrize("status", ["created", "submitted", "unknown", "filled"])
def test_an_order_on_its_way_is_waited_for(
    run: Callable[..., Webhook],
    make_order: Callable[..., Order],
    monkeypatch: pytest.MonkeyPatch,
    status: str,
) -> None:
    sent: list[tuple[str, int]] = []
    monkeypatch.setattr(
        processing, "send", lambda task, *, webhook_id: sent.append((task, webhook_id))
    )
    make_order(purpose="entry", status=status)

    webhook = run("SellMarket")

    assert webhook.state == "received"
    assert sent == [("webhooks.resume_webhook", webhook.pk)]


def test_an_order_is_not_waited_for_for_ever(
    run: Callable[..., Webhook], make_order: Callable[..., Order], now: datetime
) -> None:
    make_order(purpose="entry", status="unknown")

    webhook = run("SellMarket", row={"received_at": now - timedelta(seconds=61)})

    assert webhook.state == "processed"


def test_a_webhook_that_breaks_off_is_given_up(
    make_webhook: Make, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_args: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(processing, "carry_out", fail)
    webhook = make_webhook()

    for _ in range(3):
        with pytest.raises(ZeroDivisionError):
            process_webhook(webhook_id=webhook.pk, clock=lambda: now)
    process_webhook(webhook_id=webhook.pk, clock=lambda: now)

    webhook.refresh_from_db()
    assert (webhook.state, webhook.reason) == (
        "error",
        "Given up: 3 attempts to process it broke off.",
    )
    assert Alert.objects.get().key == f"webhook-{webhook.pk}"


def test_the_sweep_finds_the_first_of_each_queue(
    make_webhook: Make, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[int] = []
    monkeypatch.setattr(processing, "send", lambda _task, *, webhook_id: sent.append(webhook_id))
    earlier = now - timedelta(seconds=3)
    first = make_webhook(received_at=earlier, state="processing")
    make_webhook(received_at=earlier)
    other = make_webhook(received_at=earlier, symbol_name="ETHUSDT")
    make_webhook(symbol_name="XRPUSDT")
    make_webhook(received_at=earlier, symbol_name="SOLUSDT", state="processed")

    sweep_webhooks(now=now)

    assert sorted(sent) == [first.pk, other.pk]


def test_waiting_webhooks_are_found_by_their_index(db: None) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute(
            "EXPLAIN SELECT id FROM webhooks_webhook WHERE source_id = 1 AND symbol_name = 'X'"
            " AND state IN ('received', 'processing') ORDER BY id LIMIT 1"
        )
        plan = "\n".join(row[0] for row in cursor.fetchall())
    assert "webhook_waiting" in plan
