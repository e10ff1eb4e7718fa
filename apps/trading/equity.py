"""What accounts are worth over time. Performance is the equity less what was transferred."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from decimal import Decimal

from django.db import connection

from apps.brokers.models import Broker
from apps.domain.markets import ZERO
from apps.exchanges import ports
from apps.trading.models import EquitySnapshot
from apps.trading.reconciliation import compare
from apps.trading.selectors import last_prices

#: Two snapshots are at least so far apart.
INTERVAL = timedelta(minutes=1)
_TRANSFERRED = (
    "SELECT coalesce(sum(quantity * price), 0) FROM trading_transfer WHERE broker_id = %s"
)


def record_balances(
    *, broker_id: int, balances: Iterable[ports.Balance], now: datetime
) -> EquitySnapshot | None:
    """Write down what balances that were asked for at `now` are worth; None where that was done within the
    last minute. What no fill explains counts as transferred from the moment it is there, so that a deposit
    never looks like a profit."""
    newest = EquitySnapshot.objects.filter(broker_id=broker_id).first()
    if newest is not None and now - newest.at < INTERVAL:
        return None
    broker = Broker.objects.get(pk=broker_id)
    prices = last_prices(broker)
    equity = unexplained = ZERO
    unpriced = []
    for holding in compare(broker_id=broker_id, balances=balances):
        if holding.asset in prices:
            equity += holding.theirs * prices[holding.asset]
            unexplained += holding.unexplained * prices[holding.asset]
        elif holding.theirs:
            unpriced.append(holding.asset)
    return EquitySnapshot.objects.create(
        owner_id=broker.owner_id,
        broker=broker,
        at=now,
        equity=equity,
        transferred=_transferred(broker_id) + unexplained,
        unpriced=unpriced,
    )


def _transferred(broker_id: int) -> Decimal:
    with connection.cursor() as cursor:
        cursor.execute(_TRANSFERRED, [broker_id])
        (total,) = cursor.fetchone()
    return Decimal(total)
