"""Reading what an exchange lists: the rules of all its markets, replaced as one."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Any

from django.core.exceptions import ValidationError
from django.db import DEFAULT_DB_ALIAS, DatabaseError, connections, transaction
from django.db.models.functions import Now
from django.utils import timezone

from apps.core.enqueue import enqueue_on_commit
from apps.core.locks import advisory_lock
from apps.core.tasks import TaskName
from apps.core.venues import NotRunning, client_options
from apps.domain.environments import Environment, Exchange
from apps.domain.markets import ZERO, Market
from apps.exchanges.clients import create_client
from apps.exchanges.errors import ExchangeError, ExchangeUnavailable
from apps.markets.models import Symbol, SymbolSync

_CHUNK = 100
#: Longer than the task may run: one that still claims to run has died.
_DEAD_AFTER = timedelta(minutes=2)
_MAXIMA = ("max_quantity", "max_notional", "market_max_quantity")
_RULES = (
    *("tick_size", "step_size", "min_quantity", "min_notional", "quote_step"),
    *("market_step_size", "market_min_quantity", *_MAXIMA),
)
_COLUMNS = ("base", "quote", *_RULES, "is_trading")
#: A QuantityField holds 18 digits before the point.
_TOO_LARGE = Decimal(10) ** 18
#: Where at least so many symbols trade, no larger share of them stops at once without doubt.
_MANY = 10
_DOUBTFUL_SHARE = Decimal("0.2")
#: A doubtful reading is believed if the one before it, within this time, said the same.
_DOUBT_LASTS = timedelta(hours=1)
_PROGRESS = "UPDATE markets_symbolsync SET done = %s, total = %s WHERE id = %s"

#: Told how many markets, of how many, are stored.
Progress = Callable[[int, int], None]


@dataclass(kw_only=True)
class Changes:
    """What a reading changed, in symbols; of those that were `trading` before, `stopped` are no longer.
    `dropped_limits` are maxima too large to keep, `left_out` markets with another rule that can't be
    kept as it is."""

    trading: int = 0
    stopped: int = 0
    listed: int = 0
    added: int = 0
    updated: int = 0
    removed: int = 0
    dropped_limits: int = 0
    left_out: int = 0

    @property
    def is_doubtful(self) -> bool:
        """Whether it rather looks like a mistake of the exchange: nothing listed, or many stop at once."""
        are_many = self.trading >= _MANY and self.stopped > self.trading * _DOUBTFUL_SHARE
        return not self.listed or are_many

    def describe(self) -> str:
        """In words, for the notice at the end."""
        words = (
            f"{self.listed:,} listed: {self.added:,} added, {self.updated:,} updated, "
            f"{self.removed:,} no longer there."
        )
        if self.dropped_limits:
            words += (
                f" Maximum sizes too large to keep, taken for no limit: {self.dropped_limits:,}."
            )
        if self.left_out:
            words += f" Left out, because their rules can't be kept as they are: {self.left_out:,}."
        return words


def request_sync(*, exchange: Exchange, environment: Environment) -> None:
    """Have a worker read the symbols; one that is reading them now goes on."""
    sync, _created = SymbolSync.objects.get_or_create(exchange=exchange, environment=environment)
    running = {"state": SymbolSync.State.RUNNING, "started_at__gt": Now() - _DEAD_AFTER}
    SymbolSync.objects.filter(pk=sync.pk).exclude(**running).update(
        state=SymbolSync.State.WAITING, done=0, total=0
    )
    enqueue_on_commit(TaskName.SYNC_SYMBOLS, exchange=exchange, environment=environment)


def sync_symbols(*, exchange: Exchange, environment: Environment) -> bool:
    """Read all markets from the exchange and replace their rules; False while another process does.
    Raises ExchangeError or NotRunning, which change nothing but the state of the reading: so ends a
    doubtful one too, unless the last one within an hour was the same."""
    with advisory_lock(f"sync_symbols:{exchange}:{environment}") as is_ours:
        if is_ours:
            _sync(exchange, environment)
    return is_ours


def _sync(exchange: Exchange, environment: Environment) -> None:
    sync, _created = SymbolSync.objects.get_or_create(exchange=exchange, environment=environment)
    row = SymbolSync.objects.filter(pk=sync.pk)
    is_recent = sync.finished_at and timezone.now() - sync.finished_at < _DOUBT_LASTS
    row.update(state=SymbolSync.State.RUNNING, started_at=Now(), finished_at=None, done=0, total=0)
    try:
        client = create_client(exchange, **client_options(exchange, environment))
        markets = client.get_markets()
        with _progress_of(sync) as tell, transaction.atomic(durable=True):
            changes = store_symbols(
                exchange=exchange, environment=environment, markets=markets, tell=tell
            )
            if changes.is_doubtful:
                doubt = _describe_doubt(exchange, changes)
                if not is_recent or sync.message != doubt:
                    raise ExchangeUnavailable(doubt, exchange=exchange)
            row.update(
                state=SymbolSync.State.DONE,
                done=len(markets),
                total=len(markets),
                added=changes.added,
                updated=changes.updated,
                removed=changes.removed,
                message=changes.describe(),
                finished_at=Now(),
            )
    except (ExchangeError, NotRunning, DatabaseError) as error:
        message = str(error).replace("\0", "")  # which no column holds
        row.update(state=SymbolSync.State.FAILED, message=message, finished_at=Now())
        raise


def _describe_doubt(exchange: Exchange, changes: Changes) -> str:
    still = changes.trading - changes.stopped
    return (
        f"{exchange.title()} told only {still:,} of {changes.trading:,} trading markets: nothing was"
        " changed. Sync again: the same answer twice within an hour is believed."
    )


@contextmanager
def _progress_of(sync: SymbolSync) -> Iterator[Progress]:
    """Written on a connection of its own: others see it while the replacement is not committed yet."""
    other = connections.create_connection(DEFAULT_DB_ALIAS)

    def tell(done: int, total: int) -> None:
        with other.cursor() as cursor:
            cursor.execute(_PROGRESS, [done, total, sync.pk])

    try:
        yield tell
    finally:
        other.close()


@transaction.atomic
def store_symbols(
    *,
    exchange: Exchange,
    environment: Environment,
    markets: Sequence[Market],
    tell: Progress = lambda _done, _total: None,
) -> Changes:
    """Keep the rules of `markets`; a symbol that the exchange no longer lists stops trading."""
    changes = Changes()
    known = {
        row.name: row for row in Symbol.objects.filter(exchange=exchange, environment=environment)
    }
    trading = {name for name, row in known.items() if row.is_trading}
    listed: set[str] = set()
    for start in range(0, len(markets), _CHUNK):
        tell(start, len(markets))
        rows = {
            market.symbol: Symbol(
                exchange=exchange,
                environment=environment,
                name=market.symbol,
                **_columns_of(market, changes),
            )
            for market in markets[start : start + _CHUNK]
        }
        listed |= _store_rows(rows, known, changes)
    gone = [row.pk for name, row in known.items() if row.is_trading and name not in listed]
    changes.removed = Symbol.objects.filter(pk__in=gone).update(is_trading=False)
    changes.listed = len(listed)
    still = {market.symbol for market in markets if market.is_trading} & listed
    changes.trading, changes.stopped = len(trading), len(trading - still)
    return changes


def _columns_of(market: Market, changes: Changes) -> dict[str, Any]:
    """Its rules, without maxima that no column holds: no order reaches them."""
    columns = {column: getattr(market, column) for column in _COLUMNS}
    for name in _MAXIMA:
        if columns[name] >= _TOO_LARGE:
            columns[name] = ZERO
            changes.dropped_limits += 1
    return columns


def _store_rows(rows: dict[str, Symbol], known: dict[str, Symbol], changes: Changes) -> set[str]:
    """Write those of `rows` that say something new; the names of all that are kept."""
    changed = {name: row for name, row in rows.items() if not _is_same(row, known.get(name))}
    written = [row for row in changed.values() if _can_be_kept(row)]
    changes.left_out += len(changed) - len(written)
    added = sum(row.name not in known for row in written)
    changes.added += added
    changes.updated += len(written) - added
    Symbol.objects.bulk_create(
        written,
        update_conflicts=True,
        unique_fields=["exchange", "environment", "name"],
        update_fields=_COLUMNS,
    )
    return (rows.keys() - changed.keys()) | {row.name for row in written}


def _is_same(row: Symbol, known: Symbol | None) -> bool:
    return known is not None and all(getattr(row, c) == getattr(known, c) for c in _COLUMNS)


def _can_be_kept(row: Symbol) -> bool:
    """Whether its columns hold every name and number as it is: without a rule it can't be traded."""
    for rule in _RULES:
        setattr(row, rule, getattr(row, rule).normalize())  # zeros at the end are no digits
    try:
        row.clean_fields()
    except ValidationError:
        return False
    return True
