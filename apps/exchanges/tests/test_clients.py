"""Choosing a client by the name of its exchange."""

import subprocess
import sys
from pathlib import Path

from apps.domain.candles import Timeframe
from apps.domain.environments import Exchange
from apps.exchanges.binance.client import BinanceClient
from apps.exchanges.binance.stream import KlineStream
from apps.exchanges.clients import create_candle_stream, create_client
from apps.exchanges.ports import CandleStream, ExchangeClient

ROOT = Path(__file__).resolve().parents[3]


def test_client_is_chosen_by_exchange() -> None:
    client: ExchangeClient = BinanceClient()

    assert type(create_client(Exchange.BINANCE)) is type(client)


def test_stream_is_chosen_by_exchange() -> None:
    stream: CandleStream = KlineStream([])

    chosen = create_candle_stream(Exchange.BINANCE, [("BTC/USDT", Timeframe.M1)], testnet=True)

    assert type(chosen) is type(stream)


def test_package_needs_no_framework_and_loads_adapters_late() -> None:
    script = f"""
import sys
sys.path.insert(0, {str(ROOT)!r})
import apps.exchanges.clients
assert "apps.exchanges.binance.client" not in sys.modules
import apps.exchanges.binance.client, apps.exchanges.binance.stream
assert not {{"django", "celery", "redis"}} & sys.modules.keys()
"""
    subprocess.run([sys.executable, "-I", "-c", script], check=True)
