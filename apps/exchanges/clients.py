"""From the name of an exchange to its client; an adapter is imported when it is first asked for."""

from collections.abc import Callable, Iterable
from importlib import import_module
from typing import NamedTuple, cast

from apps.domain.candles import Timeframe
from apps.domain.environments import Exchange
from apps.exchanges.ports import CandleStream, Credentials, ExchangeClient


class _Adapter(NamedTuple):
    client: str
    candle_stream: str


_ADAPTERS = {
    Exchange.BINANCE: _Adapter(
        client="apps.exchanges.binance.client.BinanceClient",
        candle_stream="apps.exchanges.binance.stream.open_kline_stream",
    ),
}


def create_client(
    exchange: Exchange,
    credentials: Credentials | None = None,
    *,
    base_url: str | None = None,
    testnet: bool = False,
) -> ExchangeClient:
    """A client for one key, or for market data alone; `base_url` leads to another host."""
    create = cast(Callable[..., ExchangeClient], _load(_ADAPTERS[exchange].client))
    return create(credentials, base_url=base_url, testnet=testnet)


def create_candle_stream(
    exchange: Exchange,
    subscriptions: Iterable[tuple[str, Timeframe]],
    *,
    base_url: str | None = None,
    testnet: bool = False,
) -> CandleStream:
    """A stream, not connected yet, from the same place as the client of the same arguments."""
    create = cast(Callable[..., CandleStream], _load(_ADAPTERS[exchange].candle_stream))
    return create(subscriptions, base_url=base_url, testnet=testnet)


def _load(dotted_path: str) -> object:
    module_name, _, name = dotted_path.rpartition(".")
    return getattr(import_module(module_name), name)
