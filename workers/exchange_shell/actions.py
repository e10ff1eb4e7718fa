"""What can be asked of an exchange from the shell: every read of its client, and no write."""

from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from apps.domain.candles import Timeframe
from apps.domain.markets import Market
from apps.exchanges.errors import UnknownSymbol
from apps.exchanges.ports import ExchangeClient, OrderRef

AddArgument = Callable[[ArgumentParser], object]


@dataclass(frozen=True, slots=True)
class Action:
    """One question: its words on the command line, and how a client is asked."""

    help: str
    ask: Callable[[ExchangeClient, Namespace], object]
    arguments: tuple[AddArgument, ...] = ()
    needs_key: bool = False

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Only what this action takes."""
        for add in self.arguments:
            add(parser)


def parse_moment(word: str) -> datetime:
    """A time in UTC from ISO 8601; UTC is meant where no offset is named."""
    try:
        moment = datetime.fromisoformat(word)
    except ValueError:
        message = f"{word!r} is no time: write 2026-01-31 or 2026-01-31T12:00Z"
        raise ArgumentTypeError(message) from None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def parse_address(word: str) -> str:
    """The base URL of an exchange."""
    try:
        url = urlsplit(word)
        is_address = url.scheme in {"http", "https"} and bool(url.hostname) and url.port != 0
    except ValueError:
        is_address = False
    if not is_address:
        raise ArgumentTypeError(f"{word!r} is no address: write http(s)://HOST[:PORT]")
    return word


def parse_count(word: str) -> int:
    """A whole number from 1 on."""
    if not word.isdecimal() or int(word) < 1:
        raise ArgumentTypeError(f"{word!r} is no number of rows: write 1 or more")
    return int(word)


def _argument(*names: str, **options: Any) -> AddArgument:
    return lambda parser: parser.add_argument(*names, **options)


def _add_order_id(parser: ArgumentParser) -> None:
    order_id = parser.add_mutually_exclusive_group(required=True)
    order_id.add_argument("--client-id", metavar="ID", help="the client order id")
    order_id.add_argument("--exchange-id", metavar="ID", help="the exchange's own id")


_SYMBOL = _argument("symbol", metavar="SYMBOL", help="such as BTC/USDT")
_SYMBOLS = _argument("symbols", metavar="SYMBOL", nargs="*", help="such as BTC/USDT (all)")
_MAYBE_SYMBOL = _argument("symbol", metavar="SYMBOL", nargs="?", help="such as BTC/USDT (all)")
_TIMEFRAME = _argument("timeframe", metavar="TIMEFRAME", choices=[t.value for t in Timeframe])
_TIME = "ISO 8601; UTC where no offset is named"
_START = _argument("--start", metavar="TIME", type=parse_moment, help=f"first candle: {_TIME}")
_END = _argument("--end", metavar="TIME", type=parse_moment, help=f"last candle: {_TIME}")
_LIMIT = _argument("--limit", metavar="N", type=parse_count, default=500, help="rows (500)")
_ORDER = _argument("--order", metavar="ID", help="only of the order with this id of the exchange")


def _since(*, required: bool) -> AddArgument:
    return _argument("--since", metavar="TIME", type=parse_moment, required=required, help=_TIME)


def _get_markets(client: ExchangeClient, options: Namespace) -> list[Market]:
    markets = {market.symbol: market for market in client.get_markets()}
    if missing := [symbol for symbol in options.symbols if symbol not in markets]:
        raise UnknownSymbol(f"There is no market {', '.join(missing)}. {UnknownSymbol.advice}")
    return [markets[symbol] for symbol in options.symbols or markets]


def _fetch_order(client: ExchangeClient, options: Namespace) -> object:
    return client.fetch_order(
        OrderRef(
            symbol=options.symbol,
            client_order_id=options.client_id,
            exchange_order_id=options.exchange_id,
        )
    )


ACTIONS = {
    "get_server_time": Action(
        "the exchange's clock", lambda client, _: {"server_time": client.get_server_time()}
    ),
    "get_markets": Action("markets with their rules", _get_markets, (_SYMBOLS,)),
    "get_ticker": Action(
        "prices of one market", lambda client, o: client.get_ticker(o.symbol), (_SYMBOL,)
    ),
    "fetch_tickers": Action(
        "prices of many markets",
        lambda client, o: list(client.fetch_tickers(o.symbols or None).values()),
        (_SYMBOLS,),
    ),
    "get_candles": Action(
        "candles, oldest first",
        lambda client, o: client.get_candles(
            o.symbol, Timeframe(o.timeframe), start=o.start, end=o.end, limit=o.limit
        ),
        (_SYMBOL, _TIMEFRAME, _START, _END, _LIMIT),
    ),
    "get_balance": Action(
        "what the account holds", lambda client, _: client.get_balance(), needs_key=True
    ),
    "get_fees": Action(
        "what the account pays in one market",
        lambda client, o: client.get_fees(o.symbol),
        (_SYMBOL,),
        needs_key=True,
    ),
    "fetch_order": Action(
        "one order as it stands", _fetch_order, (_SYMBOL, _add_order_id), needs_key=True
    ),
    "fetch_open_orders": Action(
        "orders that rest",
        lambda client, o: client.fetch_open_orders(o.symbol),
        (_MAYBE_SYMBOL,),
        needs_key=True,
    ),
    "fetch_closed_orders": Action(
        "orders that rest no more",
        lambda client, o: client.fetch_closed_orders(o.symbol, since=o.since),
        (_SYMBOL, _since(required=True)),
        needs_key=True,
    ),
    "fetch_fills": Action(
        "fills, oldest first",
        lambda client, o: client.fetch_fills(o.symbol, exchange_order_id=o.order, since=o.since),
        (_SYMBOL, _ORDER, _since(required=False)),
        needs_key=True,
    ),
    "test_connection": Action(
        "whether the key works and what it may do",
        lambda client, _: client.test_connection(),
        needs_key=True,
    ),
    "capabilities": Action(
        "what can be done at this exchange", lambda client, _: client.capabilities
    ),
}
