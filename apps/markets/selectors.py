"""Reading symbols and candles, which belong to nobody."""

import sys
from array import array
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db import connection
from django.db.models import Exists, OuterRef, QuerySet, Subquery

from apps.domain.candles import Timeframe
from apps.domain.environments import Environment, Exchange
from apps.markets.models import UNHEARD, Candle, ExchangeHealth, Series, Symbol, SymbolSync

# As packed binary columns: reading five hundred rows as Python objects would take longer than a strategy.
_WINDOW = """
SELECT string_agg(int8send((extract(epoch FROM opened_at) * 1000)::int8), '' ORDER BY opened_at),
       string_agg(float8send(open), '' ORDER BY opened_at),
       string_agg(float8send(high), '' ORDER BY opened_at),
       string_agg(float8send(low), '' ORDER BY opened_at),
       string_agg(float8send(close), '' ORDER BY opened_at),
       string_agg(float8send(volume), '' ORDER BY opened_at)
FROM (SELECT * FROM markets_candle WHERE series_id = %s AND opened_at <= %s
      ORDER BY opened_at DESC LIMIT %s) AS newest
"""

# Of the candles that had closed by then the one that closed last, in whatever timeframe.
_CLOSE = """
SELECT newest.close
FROM markets_symbol AS symbol
JOIN markets_series AS series ON series.symbol_id = symbol.id
CROSS JOIN LATERAL (
    SELECT close, opened_at + series.timeframe::interval AS closed_at
    FROM markets_candle
    WHERE series_id = series.id AND opened_at <= %(at)s - series.timeframe::interval
    ORDER BY opened_at DESC LIMIT 1
) AS newest
WHERE symbol.exchange = %(exchange)s AND symbol.environment = %(environment)s
  AND symbol.base = %(base)s AND symbol.quote = %(quote)s AND newest.closed_at > %(at)s - interval '1 day'
ORDER BY newest.closed_at DESC LIMIT 1
"""
#: Between two assets without a market of their own.
_BRIDGE = "USDT"


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """The last candles of a series, oldest first, one array a column; open times in UTC milliseconds."""

    opened_at_ms: "array[int]"
    open: "array[float]"
    high: "array[float]"
    low: "array[float]"
    close: "array[float]"
    volume: "array[float]"


def get_window(*, series_id: int, until: datetime, limit: int) -> Window:
    """At most `limit` candles up to and including the one that opened at `until`."""
    with connection.cursor() as cursor:
        cursor.execute(_WINDOW, [series_id, until, limit])
        opened_at_ms, *prices = cursor.fetchone()
    columns = [_unpack("d", packed) for packed in prices]
    return Window(
        opened_at_ms=_unpack("q", opened_at_ms),
        open=columns[0],
        high=columns[1],
        low=columns[2],
        close=columns[3],
        volume=columns[4],
    )


def _unpack(kind: str, packed: bytes | None) -> "array[Any]":
    """PostgreSQL packs numbers with the most significant byte first."""
    column = array(kind)
    column.frombytes(packed or b"")
    if sys.byteorder == "little":
        column.byteswap()
    return column


def find_newest_candle(series_id: int) -> Candle | None:
    """The candle that closed last."""
    return Candle.objects.filter(series_id=series_id).order_by("-opened_at").first()


def find_freshest_candle(*, symbol: str, timeframe: Timeframe) -> Candle | None:
    """Of the symbol of this name, wherever it is listed and followed, the candle that opened last."""
    newest = Candle.objects.filter(series=OuterRef("pk")).order_by("-opened_at").values("pk")[:1]
    series = Series.objects.filter(symbol__name=symbol, timeframe=timeframe, is_followed=True)
    candles = Candle.objects.filter(
        pk__in=series.annotate(newest=Subquery(newest)).values("newest")
    )
    return candles.order_by("-opened_at").first()


def find_last_candle(symbol: Symbol) -> Candle | None:
    """Of all followed series of a symbol the candle that came last."""
    newest = Candle.objects.filter(series=OuterRef("pk")).order_by("-opened_at").values("pk")[:1]
    series = Series.objects.filter(symbol=symbol, is_followed=True)
    series = series.annotate(newest=Subquery(newest))
    heard = Candle.objects.select_related("series").filter(received_at__gt=UNHEARD)
    candles = heard.filter(pk__in=series.values("newest"))
    return candles.order_by("-received_at").first()


@dataclass(frozen=True, slots=True, kw_only=True)
class LastPrice:
    """The close of a symbol's newest candle, and when we heard of it."""

    price: Decimal
    at: datetime


def find_last_price(symbol: Symbol) -> LastPrice | None:
    """None for a symbol that nobody follows, or that no candle has come of yet."""
    candle = find_last_candle(symbol)
    if candle is None:
        return None
    return LastPrice(price=Decimal(str(candle.close)), at=candle.received_at)


def list_priced_symbols(*, exchange: str, environment: str) -> QuerySet[Symbol]:
    """What can be traded there and has a price that is followed."""
    return Symbol.objects.filter(
        Exists(Series.objects.filter(symbol=OuterRef("pk"), is_followed=True)),
        exchange=exchange,
        environment=environment,
        is_trading=True,
    )


def find_rate(
    *, exchange: str, environment: str, asset: str, quote: str, at: datetime
) -> Decimal | None:
    """What one `asset` was worth in `quote` by the candle that had closed last, at most a day before; over
    USDT where the two have no market. None where that isn't known."""

    def find(base: str, other: str) -> Decimal | None:
        if base == other:
            return Decimal(1)
        place = {"exchange": exchange, "environment": environment}
        with connection.cursor() as cursor:
            cursor.execute(_CLOSE, {**place, "base": base, "quote": other, "at": at})
            row = cursor.fetchone()
        return Decimal(str(row[0])) if row else None

    direct = find(asset, quote)
    if direct is not None:
        return direct
    worth, unit = find(asset, _BRIDGE), find(quote, _BRIDGE)
    return worth / unit if worth is not None and unit else None


def list_newest_undispatched(*, stored_before: datetime) -> list[Candle]:
    """Of every followed series the newest candle, where it was stored and its strategies were not called."""
    followed = Series.objects.filter(is_followed=True)
    newest = Candle.objects.filter(series=OuterRef("pk")).order_by("-opened_at").values("pk")[:1]
    return list(
        Candle.objects.select_related("series").filter(
            pk__in=followed.annotate(newest=Subquery(newest)).values("newest"),
            dispatched_at=None,
            received_at__lte=stored_before,
        )
    )


def list_series(*, exchange: Exchange, environment: Environment) -> list[Series]:
    """Every series that somebody follows at this exchange."""
    return list(
        Series.objects.select_related("symbol").filter(
            symbol__exchange=exchange, symbol__environment=environment, is_followed=True
        )
    )


def list_symbol_names(*, exchange: Exchange, environment: Environment) -> set[str]:
    """The names of all symbols we know of this exchange."""
    return set(
        Symbol.objects.filter(exchange=exchange, environment=environment).values_list(
            "name", flat=True
        )
    )


def timeframe_of(series: Series) -> Timeframe:
    """The timeframe as the domain knows it."""
    return Timeframe(series.timeframe)


def find_default_symbol(exchange: Exchange, environment: Environment) -> Symbol:
    """BTC/USDT, or the first symbol of an exchange (or a recording) that has none; raises
    Symbol.DoesNotExist for one that lists nothing."""
    symbols = Symbol.objects.filter(exchange=exchange, environment=environment, is_trading=True)
    return symbols.filter(name="BTC/USDT").first() or symbols.earliest("pk")


def find_symbol(*, exchange: str, environment: str, name: str) -> Symbol | None:
    """The symbol of this name at this exchange."""
    return Symbol.objects.filter(exchange=exchange, environment=environment, name=name).first()


def list_syncs() -> list[SymbolSync]:
    """How the last reading of every exchange's symbols went, or how far it is."""
    return list(SymbolSync.objects.all())


def find_sync(*, exchange: Exchange, environment: Environment) -> SymbolSync:
    """The same of one exchange; one that nobody has begun is not saved, and done without a time."""
    row = SymbolSync.objects.filter(exchange=exchange, environment=environment).first()
    return row or SymbolSync(
        exchange=exchange, environment=environment, state=SymbolSync.State.DONE
    )


def list_exchange_health(*, now: datetime) -> list[ExchangeHealth]:
    """How the exchanges that are watched now answer."""
    return [health for health in ExchangeHealth.objects.all() if health.is_current(now)]
