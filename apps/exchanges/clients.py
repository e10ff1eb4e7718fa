"""From the name of an exchange to its client; an adapter is imported when it is first asked for."""

from collections.abc import Callable, Iterable
from importlib import import_module
from typing import Any, NamedTuple

from apps.domain.candles import Timeframe
from apps.domain.environments import Exchange
from apps.exchanges.capabilities import Capabilities
from apps.exchanges.limits import PROCESS_LIMITS, LimitStore
from apps.exchanges.ports import CandleStream, Credentials, ExchangeClient, OrderStream


class _Adapter(NamedTuple):
    """Dotted paths into one exchange's folder."""

    capabilities: str
    client: str
    candle_stream: str
    order_stream: str


_ADAPTERS = {
    Exchange.BINANCE: _Adapter(
        capabilities="apps.exchanges.binance.constants.CAPABILITIES",
        client="apps.exchanges.binance.client.BinanceClient",
        candle_stream="apps.exchanges.binance.stream.KlineStream",
        order_stream="apps.exchanges.binance.order_stream.UserDataStream",
    ),
    Exchange.BITGET: _Adapter(
        capabilities="apps.exchanges.bitget.constants.CAPABILITIES",
        client="apps.exchanges.bitget.client.BitgetClient",
        candle_stream="apps.exchanges.bitget.stream.CandleChannel",
        order_stream="apps.exchanges.bitget.order_stream.OrdersChannel",
    ),
    Exchange.KRAKEN: _Adapter(
        capabilities="apps.exchanges.kraken.constants.CAPABILITIES",
        client="apps.exchanges.kraken.client.KrakenClient",
        candle_stream="apps.exchanges.kraken.stream.OhlcChannel",
        order_stream="apps.exchanges.kraken.order_stream.ExecutionsChannel",
    ),
}


def create_client(
    exchange: Exchange,
    credentials: Credentials | None = None,
    *,
    base_url: str | None = None,
    testnet: bool = False,
    limits: LimitStore | None = None,
) -> ExchangeClient:
    """A client for one key, or for market data alone.

    `base_url` leads to another host, `limits` are kept in this process unless a store is given.
    Raises Unsupported for the testnet of an exchange that has none.
    """
    create: Callable[..., ExchangeClient] = _load(_ADAPTERS[exchange].client)
    return create(credentials, base_url=base_url, testnet=testnet, limits=limits or PROCESS_LIMITS)


def create_candle_stream(
    exchange: Exchange,
    subscriptions: Iterable[tuple[str, Timeframe]],
    *,
    base_url: str | None = None,
    testnet: bool = False,
) -> CandleStream:
    """A stream, not connected yet, from the same place as the client of the same arguments."""
    create: Callable[..., CandleStream] = _load(_ADAPTERS[exchange].candle_stream)
    return create(subscriptions, base_url=base_url, testnet=testnet)


def create_order_stream(
    exchange: Exchange,
    credentials: Credentials,
    *,
    base_url: str | None = None,
    testnet: bool = False,
    limits: LimitStore | None = None,
) -> OrderStream:
    """The changes of one account's orders, not connected yet, from the place of its client."""
    create: Callable[..., OrderStream] = _load(_ADAPTERS[exchange].order_stream)
    return create(credentials, base_url=base_url, testnet=testnet, limits=limits or PROCESS_LIMITS)


def capabilities_of(exchange: Exchange) -> Capabilities:
    """What an exchange can do, without a client."""
    declared: Capabilities = _load(_ADAPTERS[exchange].capabilities)
    return declared


def _load(dotted_path: str) -> Any:
    module_name, _, name = dotted_path.rpartition(".")
    return getattr(import_module(module_name), name)
