"""Reading symbols and candles, which belong to nobody."""

from dataclasses import dataclass
from datetime import datetime

from django.db import connection

from apps.domain.candles import Timeframe
from apps.domain.environments import Environment, Exchange
from apps.markets.models import Candle, Series, Symbol

_WINDOW = """
SELECT array_agg((extract(epoch FROM opened_at) * 1000)::float8), array_agg(open), array_agg(high),
       array_agg(low), array_agg(close), array_agg(volume)
FROM (SELECT * FROM (SELECT * FROM markets_candle WHERE series_id = %s AND opened_at <= %s
                     ORDER BY opened_at DESC LIMIT %s) AS newest ORDER BY opened_at) AS ascending
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """The last candles of a series, oldest first, one list a column; open times in UTC milliseconds."""

    opened_at_ms: list[float]
    open: list[float]
    high: list[float]
    low: list[float]
    close: list[float]
    volume: list[float]


def get_window(*, series_id: int, until: datetime, limit: int) -> Window:
    """At most `limit` candles up to and including the one that opened at `until`."""
    with connection.cursor() as cursor:
        cursor.execute(_WINDOW, [series_id, until, limit], binary=True)
        columns = cursor.fetchone()
    return Window(
        opened_at_ms=columns[0] or [],
        open=columns[1] or [],
        high=columns[2] or [],
        low=columns[3] or [],
        close=columns[4] or [],
        volume=columns[5] or [],
    )


def find_newest_candle(series_id: int) -> Candle | None:
    """The candle that closed last."""
    return Candle.objects.filter(series_id=series_id).order_by("-opened_at").first()


def list_series(*, exchange: Exchange, environment: Environment) -> list[Series]:
    """Every series that somebody follows at this exchange."""
    return list(
        Series.objects.select_related("symbol").filter(
            symbol__exchange=exchange, symbol__environment=environment
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
