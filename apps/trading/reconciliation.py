"""The ledger beside the exchange's balances: what no fill explains is shown, and booked as a transfer when
no fill can be behind it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from django.db import connection, transaction
from django.db.models import Max, Sum
from django.urls import reverse

from apps.brokers.models import Broker
from apps.core.alerts import raise_alert, resolve_alert
from apps.core.formats import quantity
from apps.core.models import Alert
from apps.domain.lots import GRAIN
from apps.domain.markets import ZERO
from apps.domain.orders import OrderSource, OrderStatus
from apps.domain.positions import CASH, is_cash
from apps.exchanges import ports
from apps.trading.booking import Account, lock_account
from apps.trading.ledger import tell_owners
from apps.trading.models import Difference, Fill, Order, Transfer
from apps.trading.selectors import last_prices

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """What an account held at one moment, and what tells whether our books are of that moment: how many
    fills they had before the balances were asked for, and how far, by what the exchange said after that,
    each of our orders that rest had filled."""

    balances: Sequence[ports.Balance]
    fills_before: int
    filled_after: Mapping[int, Decimal]


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


def find_unexplained(*, broker_id: int, balances: Iterable[ports.Balance]) -> list[Holding]:
    """Assets of which the exchange has more or less than our books."""
    holdings = compare(broker_id=broker_id, balances=balances)
    return [holding for holding in holdings if abs(holding.unexplained) > ROUNDING]


def count_fills(broker_id: int) -> int:
    """How many fills are booked. Fills only come, so the same number is the same fills; by their own
    numbers it could not be told, since those are given before a fill can be seen."""
    return Fill.objects.filter(broker_id=broker_id).count()


@transaction.atomic
def reconcile(
    *, broker_id: int, snapshot: Snapshot, now: datetime, market_now: datetime
) -> list[Difference]:
    """Compare our books with the exchange's balances; the differences that are left. What was there before
    our first look, and what came or went since without a fill, becomes a transfer when it is seen the same
    twice, both times in balances that can contain no fill we don't have. It is dated by the exchange's
    clock, as fills are."""
    account = lock_account(broker_id)
    elsewhere = Order.objects.filter(
        broker_id=broker_id, source=OrderSource.EXTERNAL, filled_quantity__gt=0
    )
    seen = {row.asset: row for row in Difference.objects.filter(broker_id=broker_id)}
    reconciliation = _Reconciliation(
        account=account,
        now=now,
        market_now=market_now,
        prices=last_prices(Broker.objects.get(pk=broker_id)),
        is_first=not Transfer.objects.filter(broker_id=broker_id).exists(),
        is_in_doubt=_is_in_doubt(broker_id, snapshot),
        traded_elsewhere_at=elsewhere.aggregate(at=Max("submitted_at"))["at"],
    )
    unexplained = find_unexplained(broker_id=broker_id, balances=snapshot.balances)
    left = [reconciliation.judge(holding, seen.pop(holding.asset, None)) for holding in unexplained]
    for explained in seen.values():
        reconciliation.forget(explained)
    return [row for row in left if row is not None]


def _is_in_doubt(broker_id: int, snapshot: Snapshot) -> bool:
    """Whether the balances may contain a fill that is not booked, or one is booked that came after them. Of
    an order that was sent and is not settled only the exchange's word, given after them, says that it had
    filled no further. The caller has the ledger's lock: nothing is booked while this is found out."""
    if count_fills(broker_id) != snapshot.fills_before:
        return True
    sent = Order.objects.filter(broker_id=broker_id, is_settled=False)
    booked = sent.exclude(status=OrderStatus.CREATED).annotate(booked=Sum("fills__quantity"))
    return any(
        snapshot.filled_after.get(order_id) != (filled or ZERO)
        for order_id, filled in booked.values_list("pk", "booked")
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Reconciliation:
    """What decides whether a difference is believed."""

    account: Account
    now: datetime
    market_now: datetime
    prices: Mapping[str, Decimal]
    is_first: bool
    is_in_doubt: bool
    traded_elsewhere_at: datetime | None

    def judge(self, holding: Holding, seen: Difference | None) -> Difference | None:
        """Book a difference as a transfer, or keep it in sight."""
        since = self._stands_since(holding, seen)
        if since is None and not self.is_in_doubt:
            since = self.now
        if self.is_in_doubt or since is None or self.now - since < SEEN_AGAIN:
            return self._keep_in_sight(holding, since=since)
        self._book(holding)
        if seen is not None:
            self.forget(seen)
        return None

    def _stands_since(self, holding: Holding, seen: Difference | None) -> datetime | None:
        """When the same difference was first seen without a doubt. What was found since of orders placed
        elsewhere may have been behind it, and others of them behind what is seen now."""
        if seen is None or seen.first_seen_at is None or seen.amount != holding.unexplained:
            return None
        elsewhere_at = self.traded_elsewhere_at
        is_older = elsewhere_at is None or elsewhere_at <= seen.first_seen_at
        return seen.first_seen_at if is_older else None

    def forget(self, difference: Difference) -> None:
        """It is explained."""
        difference.delete()
        resolve_alert(owner_id=self.account.owner_id, key=self._key(difference.asset), now=self.now)

    def _book(self, holding: Holding) -> None:
        opens = self.is_first and holding.unexplained > 0
        transfer = Transfer.objects.create(
            owner_id=self.account.owner_id,
            broker_id=self.account.broker_id,
            asset=holding.asset,
            quantity=holding.unexplained,
            price=self.prices.get(holding.asset),
            at=self.market_now,
            note=f"{'Here at the first look.' if opens else 'Seen twice.'} No fill explains it.",
        )
        if not is_cash(holding.asset):
            disposals = self.account.replay(holding.asset)
            taken = (d for d in disposals if d.movement.transfer == transfer.pk)
            tell_owners(taken, owner_id=self.account.owner_id, now=self.now)

    def _keep_in_sight(self, holding: Holding, *, since: datetime | None) -> Difference:
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
        is_small = price is not None and abs(holding.unexplained) * price < WORTH_TELLING
        if since is not None and not is_small and not self.is_first:
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
