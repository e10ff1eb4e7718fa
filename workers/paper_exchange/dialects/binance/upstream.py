"""The real Binance's public side, as a source of prices."""

import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any, TypeVar
from urllib.parse import urlencode, urlsplit

from tornado.httpclient import AsyncHTTPClient, HTTPError
from tornado.websocket import (
    WebSocketClientConnection,
    WebSocketError,
    websocket_connect,
)

from apps.domain.markets import Market
from workers.paper_exchange.dialects.binance.names import wire_symbol
from workers.paper_exchange.markets.candles import Candle
from workers.paper_exchange.markets.feed import Tick
from workers.paper_exchange.markets.live import FOLLOWED, UpstreamFailed

DEFAULT_URL = "https://api.binance.com"
#: Hosts whose streams live elsewhere; any other host serves both.
_STREAM_HOSTS = {
    "api.binance.com": "stream.binance.com:9443",
    "data-api.binance.vision": "data-stream.binance.vision",
    "testnet.binance.vision": "stream.testnet.binance.vision",
    "demo-api.binance.com": "demo-stream.binance.com",
}
_Result = TypeVar("_Result")
_PAGE = 1000
_INVALID_SYMBOL = -1121


class BinanceUpstream:
    """Reads markets and minute candles from an exchange that speaks Binance's protocol."""

    def __init__(self, base_url: str) -> None:
        address = urlsplit(base_url)
        self.name = base_url
        scheme = "wss" if address.scheme == "https" else "ws"
        self._stream_url = f"{scheme}://{_STREAM_HOSTS.get(address.netloc, address.netloc)}/stream"

    async def markets(self) -> list[Market]:
        """The followed markets that it lists."""
        found: list[Market] = []
        for base, quote in FOLLOWED:
            info = await self._get("/api/v3/exchangeInfo", {"symbol": base + quote})
            if isinstance(info, dict) and info.get("code") != _INVALID_SYMBOL:
                found.append(_parse(_market, info))
        return found

    async def now_ms(self) -> int:
        """Its time."""
        reply = await self._get("/api/v3/time", {})
        return _parse(lambda row: int(row["serverTime"]), reply)

    async def candles(self, market: Market, start_ms: int) -> list[Candle]:
        """All minute candles from `start_ms` on, page by page, the running one last."""
        found: list[Candle] = []
        while True:
            wanted = {"interval": "1m", "startTime": start_ms, "limit": _PAGE}
            page = _parse(_candles, await self.klines(market, wanted))
            found += page
            if len(page) < _PAGE:
                return found
            start_ms = page[-1].opened_ms + 1

    async def klines(self, market: Market, wanted: Mapping[str, object]) -> object:
        """Its own answer to a request for candles."""
        sent = {name: value for name, value in wanted.items() if value is not None}
        return await self._get("/api/v3/klines", {"symbol": wire_symbol(market), **sent})

    @asynccontextmanager
    async def connection(self, markets: Mapping[str, Market]) -> AsyncIterator[AsyncIterator[Tick]]:
        """A connection that gives minute candles as they change, until it ends."""
        symbols = {wire_symbol(market): market.symbol for market in markets.values()}
        streams = "/".join(f"{symbol.lower()}@kline_1m" for symbol in symbols)
        try:
            socket = await websocket_connect(
                f"{self._stream_url}?streams={streams}", ping_interval=20
            )
        except (OSError, WebSocketError, HTTPError) as error:
            raise UpstreamFailed(f"{self._stream_url}: {error}") from error
        try:
            yield _ticks(socket, symbols)
        finally:
            socket.close()

    async def _get(self, path: str, parameters: Mapping[str, object]) -> object:
        url = f"{self.name}{path}?{urlencode(parameters)}"
        try:
            reply = await AsyncHTTPClient().fetch(url, raise_error=False, request_timeout=10)
            body = json.loads(reply.body)
        except (OSError, HTTPError, ValueError) as error:
            raise UpstreamFailed(f"{path}: {type(error).__name__} {error}") from error
        if reply.code >= 500 or reply.code in {403, 418, 429}:
            raise UpstreamFailed(f"{path}: HTTP {reply.code} {reply.reason}")
        return body


def _parse(read: Callable[[Any], _Result], body: object) -> _Result:
    try:
        return read(body)
    except (KeyError, IndexError, TypeError, ValueError, ArithmeticError) as error:
        text = f"an answer can't be read ({type(error).__name__}: {error})"
        raise UpstreamFailed(text) from error


def _market(info: Any) -> Market:
    row = info["symbols"][0]
    filters = {each["filterType"]: each for each in row["filters"]}
    lot = filters["LOT_SIZE"]
    notional = filters.get("NOTIONAL") or filters["MIN_NOTIONAL"]
    return Market(
        symbol=f"{row['baseAsset']}/{row['quoteAsset']}",
        base=row["baseAsset"],
        quote=row["quoteAsset"],
        tick_size=Decimal(filters["PRICE_FILTER"]["tickSize"]).normalize(),
        step_size=Decimal(lot["stepSize"]).normalize(),
        min_quantity=Decimal(lot["minQty"]),
        max_quantity=Decimal(lot["maxQty"]),
        min_notional=Decimal(notional["minNotional"]),
    )


def _candles(rows: Any) -> list[Candle]:
    return [Candle(int(row[0]), *(float(value) for value in row[1:6])) for row in rows]


async def _ticks(
    socket: WebSocketClientConnection, symbols: Mapping[str, str]
) -> AsyncIterator[Tick]:
    while (message := await socket.read_message()) is not None:
        yield _parse(lambda text: _tick(json.loads(text)["data"], symbols), message)


def _tick(frame: Any, symbols: Mapping[str, str]) -> Tick:
    row = frame["k"]
    candle = Candle(int(row["t"]), *(float(row[name]) for name in "ohlcv"))
    return Tick(symbols[row["s"]], int(frame["E"]), candle, bool(row["x"]))
