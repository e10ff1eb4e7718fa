"""The ledger: lots, positions and profit, derived from fills and transfers and from nothing else.

New fills go on from the open lots. One that comes after later ones has its assets computed again from all
their movements, as a change of the P&L method does: both ways give the same rows.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from django.db import connection, transaction
from django.urls import reverse

from apps.brokers.models import Broker
from apps.core.alerts import raise_alert, resolve_alert
from apps.core.formats import quantity
from apps.core.models import Alert
from apps.domain.lots import GRAIN, Cause, Disposal
from apps.domain.markets import ZERO
from apps.domain.orders import OrderSide
from apps.domain.positions import CASH, is_cash
from apps.domain.risk import RiskState
from apps.exchanges import ports
from apps.markets.models import Symbol
from apps.markets.selectors import find_rate
from apps.trading.booking import Account, lock_account
from apps.trading.models import Difference, Fill, Order, Position, Transfer
from apps.trading.movements import sort_key
from apps.trading.risk import restrict
from apps.trading.selectors import has_orders_in_flight, last_prices

# Of coins the open lots, of cash what fills and transfers have left.
_OURS = """
SELECT lot.asset, sum(lot.remaining)
FROM trading_lot AS lot JOIN trading_book AS book ON book.id = lot.book_id
WHERE book.broker_id = %(broker_id)s AND lot.remaining > 0 AND NOT lot.asset = ANY(%(cash)s)
GROUP BY lot.asset
UNION ALL
SELECT asset, sum(amount) FROM (
    SELECT symbol.base AS asset, CASE side WHEN 'buy' THEN quantity ELSE -quantity END AS amount
    FROM trading_fill AS fill JOIN markets_symbol AS symbol ON symbol.id = fill.symbol_id
    WHERE broker_id = %(broker_id)s
    UNION ALL
    SELECT symbol.quote, CASE side WHEN 'buy' THEN -quantity * price ELSE quantity * price END
    FROM trading_fill AS fill JOIN markets_symbol AS symbol ON symbol.id = fill.symbol_id
    WHERE broker_id = %(broker_id)s
    UNION ALL
    SELECT fee_asset, -fee FROM trading_fill WHERE broker_id = %(broker_id)s
    UNION ALL
    SELECT asset, quantity FROM trading_transfer WHERE broker_id = %(broker_id)s
) AS moved WHERE asset = ANY(%(cash)s) GROUP BY asset
"""
#: Exchanges round what a trade costs; less than this is no difference.
ROUNDING = Decimal("0.00000001")
#: A difference that is worth less USDT is booked, but nobody is told.
WORTH_TELLING = Decimal("0.01")
#: The same difference, seen again after so long, is no fill on its way.
SEEN_AGAIN = timedelta(minutes=1)
_TAKEN_BY = {
    Cause.TRADE: "were sold by something else",
    Cause.PAYMENT: "went as a fee or a price of something else",
    Cause.TRANSFER: "left the account without a trade",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Holding:
    """What there is of an asset, by our books and by the exchange's."""

    asset: str
    ours: Decimal
    theirs: Decimal

    @property
    def unexplained(self) -> Decimal:
        """How much more the exchange has than we know of."""
        return self.theirs - self.ours


def record_fills(*, order: Order, fills: Sequence[ports.Fill]) -> list[Fill]:
    """Keep the fills we did not have and book them; the new ones. The caller holds the order's row lock."""
    told = {fill.trade_id: fill for fill in fills}
    if not told:
        return []
    of_market = Fill.objects.filter(broker_id=order.broker_id, symbol_id=order.symbol_id)
    known = set(of_market.filter(trade_id__in=told).values_list("trade_id", flat=True))
    new = [_to_row(order, fill) for fill in told.values() if fill.trade_id not in known]
    if new:
        new.sort(key=sort_key)
        Fill.objects.bulk_create(new)
        _book(order, new)
    return new


@transaction.atomic
def recompute(broker_id: int) -> None:
    """Compute all lots and positions of a broker again, by its present P&L method."""
    account = lock_account(broker_id)
    for asset in list_assets(broker_id):
        account.replay(asset)


def compare(*, broker_id: int, balances: Iterable[ports.Balance]) -> list[Holding]:
    """Every asset of a broker: what fills and transfers explain, beside what the exchange says."""
    with connection.cursor() as cursor:
        cursor.execute(_OURS, {"broker_id": broker_id, "cash": sorted(CASH)})
        ours = {asset: amount.quantize(GRAIN) for asset, amount in cursor.fetchall()}
    theirs = {row.asset: row.free + row.locked for row in balances}
    return [
        Holding(asset=asset, ours=ours.get(asset, ZERO), theirs=theirs.get(asset, ZERO))
        for asset in sorted(ours.keys() | theirs.keys())
    ]


@transaction.atomic
def reconcile(
    *, broker_id: int, balances: Iterable[ports.Balance], now: datetime, market_now: datetime
) -> list[Difference]:
    """Compare our books with the exchange's balances; the differences that are left. What was there before
    our first look is adopted at once, what is seen twice with no order in flight becomes a transfer, dated
    by the exchange's clock as fills are."""
    account = lock_account(broker_id)
    unexplained = [
        holding
        for holding in compare(broker_id=broker_id, balances=balances)
        if abs(holding.unexplained) > ROUNDING
    ]
    seen = {row.asset: row for row in Difference.objects.filter(broker_id=broker_id)}
    reconciliation = _Reconciliation(
        account=account,
        now=now,
        market_now=market_now,
        prices=last_prices(Broker.objects.get(pk=broker_id)),
        is_first=not Transfer.objects.filter(broker_id=broker_id).exists(),
        is_in_flight=has_orders_in_flight(broker_id),
    )
    left = [reconciliation.judge(holding, seen.pop(holding.asset, None)) for holding in unexplained]
    for explained in seen.values():
        reconciliation.forget(explained)
    return [row for row in left if row is not None]


def list_assets(broker_id: int) -> list[str]:
    """Assets a broker has, or ever had, lots of."""
    fills = Fill.objects.filter(broker_id=broker_id)
    transfers = Transfer.objects.filter(broker_id=broker_id)
    bases = set(fills.values_list("symbol__base", flat=True).distinct())
    moved = set(fills.values_list("symbol__quote", flat=True).distinct())
    moved |= set(fills.exclude(fee=0).values_list("fee_asset", flat=True).distinct())
    moved |= set(transfers.values_list("asset", flat=True).distinct())
    return sorted(bases | {asset for asset in moved if not is_cash(asset)})


def _to_row(order: Order, fill: ports.Fill) -> Fill:
    return Fill(
        owner_id=order.owner_id,
        order=order,
        broker_id=order.broker_id,
        symbol=order.symbol,
        trade_id=fill.trade_id,
        side=fill.side,
        quantity=fill.quantity,
        price=fill.price,
        fee=fill.fee,
        fee_asset=fill.fee_asset,
        fee_value=_value_fee(order.symbol, fill),
        is_maker=fill.is_maker,
        executed_at=fill.executed_at,
    )


def _value_fee(symbol: Symbol, fill: ports.Fill) -> Decimal | None:
    """What the fee was worth in quote currency; one in a third asset by the candle that had closed last."""
    if fill.fee_asset == symbol.quote or not fill.fee:
        return fill.fee
    if fill.fee_asset == symbol.base:
        return (fill.fee * fill.price).quantize(GRAIN)
    rate = find_rate(
        exchange=symbol.exchange,
        environment=symbol.environment,
        asset=fill.fee_asset,
        quote=symbol.quote,
        at=fill.executed_at,
    )
    return None if rate is None else (fill.fee * rate).quantize(GRAIN)


def _book(order: Order, new: Sequence[Fill]) -> None:
    disposals = lock_account(order.broker_id, new=new).book(order, new)
    if order.side == OrderSide.BUY and (order.stop_loss or order.take_profit):
        _set_exit_prices(order)
    tell_owners(disposals, owner_id=order.owner_id, now=new[-1].executed_at)


def _set_exit_prices(order: Order) -> None:
    """Stop-loss and take-profit follow the average fill price of the entry: the stop rounded down to the
    market's tick, the target up."""
    bought = order.fills.filter(side=OrderSide.BUY)
    base = sum((fill.quantity for fill in bought), ZERO)
    average = sum((fill.quantity * fill.price for fill in bought), ZERO) / base
    market, prices = order.symbol.to_market(), {}
    if order.stop_loss:
        prices["stop_loss_price"] = market.round_price(average * (1 - order.stop_loss))
    if order.take_profit:
        target = market.round_price(average * (1 + order.take_profit))
        prices["take_profit_price"] = target + market.tick_size
    Position.objects.filter(orders=order).update(**prices)


def tell_owners(disposals: Iterable[Disposal], *, owner_id: int, now: datetime) -> None:
    """Alert for every position that others took coins from; a strategy that owns one opens nothing more
    until a person resumes it, since what it counted on is not there."""
    for disposal in disposals:
        cycle = disposal.lot.cycle
        if cycle is None or cycle.row is None or cycle.book == disposal.movement.book:
            continue
        position = Position.objects.select_related("book", "symbol").get(pk=cycle.row)
        what = (
            f"{quantity(disposal.quantity)} {position.symbol.base} of {position.book}"
            f" {_TAKEN_BY[disposal.movement.cause]}, so its position is smaller by that."
        )
        advice = "Look at the position and its stop-loss."
        if position.book.is_automatic:
            restrict(
                owner_id=owner_id,
                book_id=position.book_id,
                state=RiskState.REDUCE_ONLY,
                reason=what,
                now=now,
            )
            advice += (
                " Its strategy opens nothing more: when you know why it happened, resume it by the"
                " switch at the top of every page."
            )
        raise_alert(
            owner_id=owner_id,
            key=f"position-reduced-{position.pk}",
            level=Alert.Level.CRITICAL,
            message=what,
            advice=advice,
            link=reverse("admin:trading_position_change", args=[position.pk]),
            now=now,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Reconciliation:
    """What decides whether a difference is believed."""

    account: Account
    now: datetime
    market_now: datetime
    prices: Mapping[str, Decimal]
    is_first: bool
    is_in_flight: bool

    def judge(self, holding: Holding, seen: Difference | None) -> Difference | None:
        """Book a difference as a transfer, or keep it in sight."""
        is_old = seen is not None and seen.amount == holding.unexplained
        opens = self.is_first and holding.unexplained > 0
        is_seen_again = is_old and seen is not None and self.now - seen.first_seen_at >= SEEN_AGAIN
        if (opens or is_seen_again) and not self.is_in_flight:
            self._book(holding, note="Here at the first look." if opens else "Seen twice.")
            if seen is not None:
                self.forget(seen)
            return None
        return self._keep_in_sight(
            holding, since=seen.first_seen_at if is_old and seen else self.now
        )

    def forget(self, difference: Difference) -> None:
        """It is explained."""
        difference.delete()
        resolve_alert(owner_id=self.account.owner_id, key=self._key(difference.asset), now=self.now)

    def _book(self, holding: Holding, *, note: str) -> None:
        transfer = Transfer.objects.create(
            owner_id=self.account.owner_id,
            broker_id=self.account.broker_id,
            asset=holding.asset,
            quantity=holding.unexplained,
            price=self.prices.get(holding.asset),
            at=self.market_now,
            note=f"{note} No fill explains it.",
        )
        if not is_cash(holding.asset):
            disposals = self.account.replay(holding.asset)
            taken = (d for d in disposals if d.movement.transfer == transfer.pk)
            tell_owners(taken, owner_id=self.account.owner_id, now=self.now)

    def _keep_in_sight(self, holding: Holding, *, since: datetime) -> Difference:
        difference, _created = Difference.objects.update_or_create(
            broker_id=self.account.broker_id,
            asset=holding.asset,
            defaults={
                "owner_id": self.account.owner_id,
                "ours": holding.ours,
                "theirs": holding.theirs,
                "first_seen_at": since,
                "seen_at": self.now,
            },
        )
        price = self.prices.get(holding.asset)
        if price is None or abs(holding.unexplained) * price >= WORTH_TELLING:
            self._tell(holding)
        return difference

    def _tell(self, holding: Holding) -> None:
        more = "more" if holding.unexplained > 0 else "less"
        raise_alert(
            owner_id=self.account.owner_id,
            key=self._key(holding.asset),
            level=Alert.Level.WARNING,
            message=f"The exchange has {quantity(abs(holding.unexplained))} {holding.asset} {more} than"
            f" fills and transfers explain: {quantity(holding.theirs)} instead of"
            f" {quantity(holding.ours)}.",
            advice="After a deposit or a withdrawal there is nothing to do: it is booked as a transfer when"
            " it is seen again. Otherwise look at the exchange's own history.",
            link=reverse("admin:trading_difference_changelist"),
            now=self.now,
        )

    def _key(self, asset: str) -> str:
        return f"ledger-difference-{self.account.broker_id}-{asset}"
