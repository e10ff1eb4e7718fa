"""Answers of the three exchanges as large as real ones, made up; the same for every client."""

import json
from collections.abc import Mapping
from typing import Any

ASSETS, SYMBOLS, CANDLES = 500, 2000, 1000
FIRST_CANDLE_MS = 1_700_000_000_000 // 60_000 * 60_000


def bases(count: int) -> list[str]:
    """Names of assets; the first is the one that is traded."""
    return ["BTC", *(f"AA{number}" for number in range(count - 1))]


def _json(payload: object) -> bytes:
    return json.dumps(payload, separators=(",", ":")).encode()


def binance() -> Mapping[str, bytes]:
    """Paths to bodies."""
    names = bases(SYMBOLS)
    symbol = {
        "status": "TRADING",
        "baseAssetPrecision": 8,
        "quoteAsset": "USDT",
        "quotePrecision": 8,
        "quoteAssetPrecision": 8,
        "orderTypes": ["LIMIT", "MARKET"],
        "isSpotTradingAllowed": True,
        "filters": [
            {
                "filterType": "PRICE_FILTER",
                "minPrice": "0.01",
                "maxPrice": "1000000",
                "tickSize": "0.01",
            },
            {
                "filterType": "LOT_SIZE",
                "minQty": "0.00001",
                "maxQty": "9000",
                "stepSize": "0.00001",
            },
            {"filterType": "NOTIONAL", "minNotional": "5", "maxNotional": "9000000"},
        ],
        "permissions": ["SPOT"],
    }
    ticker = {
        "priceChange": "-94.99999800",
        "priceChangePercent": "-1.960",
        "weightedAvgPrice": "64010.29628482",
        "prevClosePrice": "64000.10002000",
        "lastPrice": "64000.00000200",
        "lastQty": "200.00000000",
        "bidPrice": "64000.00000000",
        "bidQty": "100.00000000",
        "askPrice": "64000.01000000",
        "askQty": "100.00000000",
        "openPrice": "65000.00000000",
        "highPrice": "66000.00000000",
        "lowPrice": "63000.10000000",
        "volume": "8913.30000000",
        "quoteVolume": "571000015.30000000",
        "openTime": FIRST_CANDLE_MS,
        "closeTime": FIRST_CANDLE_MS + 86_400_000,
        "firstId": 28385,
        "lastId": 28460,
        "count": 76,
    }
    order = {
        "symbol": "BTCUSDT",
        "orderId": 28,
        "orderListId": -1,
        "clientOrderId": "0" * 32,
        "transactTime": FIRST_CANDLE_MS,
        "price": "64000.00000000",
        "origQty": "0.00100000",
        "executedQty": "0.00000000",
        "origQuoteOrderQty": "0.00000000",
        "cummulativeQuoteQty": "0.00000000",
        "status": "NEW",
        "timeInForce": "GTC",
        "type": "LIMIT",
        "side": "BUY",
        "workingTime": FIRST_CANDLE_MS,
        "fills": [],
        "selfTradePreventionMode": "NONE",
    }
    return {
        "/api/v3/exchangeInfo": _json(
            {
                "timezone": "UTC",
                "serverTime": FIRST_CANDLE_MS,
                "rateLimits": [],
                "symbols": [{**symbol, "symbol": f"{n}USDT", "baseAsset": n} for n in names],
            }
        ),
        "/api/v3/ticker/24hr": _json([{"symbol": f"{n}USDT", **ticker} for n in names]),
        "/api/v3/klines": _json(
            [
                [
                    opened,
                    "64000.01000000",
                    "64010.50000000",
                    "63990.10000000",
                    "64005.20000000",
                    "12.34567000",
                    opened + 59_999,
                    "790123.45600000",
                    308,
                    "6.17283500",
                    "395061.72800000",
                    "0",
                ]
                for opened in _candle_times()
            ]
        ),
        "/api/v3/account": _json(
            {
                "makerCommission": 10,
                "takerCommission": 10,
                "canTrade": True,
                "canWithdraw": False,
                "canDeposit": True,
                "updateTime": FIRST_CANDLE_MS,
                "accountType": "SPOT",
                "balances": [
                    {"asset": n, "free": "4723846.89208129", "locked": "12.00000000"}
                    for n in bases(ASSETS)
                ],
                "permissions": ["SPOT"],
            }
        ),
        "/api/v3/order": _json(order),
        "/api/v3/time": _json({"serverTime": FIRST_CANDLE_MS}),
    }


def bitget() -> Mapping[str, bytes]:
    """Paths to bodies."""
    names = bases(SYMBOLS)
    symbol = {
        "quoteCoin": "USDT",
        "minTradeAmount": "0",
        "maxTradeAmount": "900000000000000000000",
        "takerFeeRate": "0.002",
        "makerFeeRate": "0.002",
        "pricePrecision": "2",
        "quantityPrecision": "6",
        "quotePrecision": "8",
        "minTradeUSDT": "1",
        "status": "online",
        "buyLimitPriceRatio": "0.05",
        "sellLimitPriceRatio": "0.05",
        "orderQuantity": "500",
        "areaSymbol": "no",
    }
    ticker = {
        "high24h": "66000.78",
        "open": "65000.12",
        "low24h": "63000.10",
        "lastPr": "64000.01",
        "quoteVolume": "571000015.31",
        "baseVolume": "8913.3012",
        "usdtVolume": "571000015.31",
        "ts": str(FIRST_CANDLE_MS),
        "bidPr": "64000.00",
        "askPr": "64000.01",
        "bidSz": "1.00012",
        "askSz": "0.53217",
        "openUtc": "65000.12",
        "changeUtc24h": "-0.0154",
        "change24h": "-0.0196",
    }
    asset = {"frozen": "0", "locked": "12.00", "limitAvailable": "0", "uTime": str(FIRST_CANDLE_MS)}
    return {
        path: _json(
            {"code": "00000", "msg": "success", "requestTime": FIRST_CANDLE_MS, "data": data}
        )
        for path, data in {
            "/api/v2/public/time": {"serverTime": str(FIRST_CANDLE_MS)},
            "/api/v2/spot/public/symbols": [
                {"symbol": f"{n}USDT", "baseCoin": n, **symbol} for n in names
            ],
            # What ccxt asks for besides.
            "/api/v2/spot/public/coins": [],
            "/api/v2/margin/currencies": [],
            "/api/v2/spot/market/tickers": [{"symbol": f"{n}USDT", **ticker} for n in names],
            "/api/v2/spot/market/candles": [
                [
                    str(opened),
                    "64000.01",
                    "64010.50",
                    "63990.10",
                    "64005.20",
                    "12.34567",
                    "790123.456",
                    "790123.456",
                ]
                for opened in _candle_times()
            ],
            "/api/v2/spot/account/assets": [
                {"coin": n, "available": "4723846.89208129", **asset} for n in bases(ASSETS)
            ],
            "/api/v2/spot/trade/place-order": {
                "orderId": "1098394344925597696",
                "clientOid": "0" * 32,
            },
        }.items()
    }


def kraken() -> Mapping[str, bytes]:
    """Paths to bodies; Kraken's own names for the first market are old ones."""
    names = bases(SYMBOLS)
    pairs = {_kraken_pair(n): n for n in names}
    pair = {
        "aclass_base": "currency",
        "aclass_quote": "currency",
        "quote": "USDT",
        "pair_decimals": 2,
        "cost_decimals": 5,
        "lot_decimals": 8,
        "lot_multiplier": 1,
        "leverage_buy": [],
        "leverage_sell": [],
        "fees": [[0, 0.4]],
        "fees_maker": [[0, 0.25]],
        "fee_volume_currency": "ZUSD",
        "margin_call": 80,
        "margin_stop": 40,
        "ordermin": "0.00005",
        "costmin": "0.5",
        "tick_size": "0.01",
        "status": "online",
    }
    ticker: dict[str, Any] = {
        "a": ["64000.01", "1", "1.000"],
        "b": ["64000.00", "1", "1.000"],
        "c": ["64000.01", "0.00067643"],
        "v": ["2154.23", "8913.30"],
        "p": ["64010.29", "64020.11"],
        "t": [20192, 44212],
        "l": ["63000.10", "63000.10"],
        "h": ["66000.78", "66000.78"],
        "o": "65000.12",
    }
    return {
        path: _json({"error": [], "result": result})
        for path, result in {
            "/0/public/Time": {
                "unixtime": FIRST_CANDLE_MS // 1000,
                "rfc1123": "Tue, 14 Nov 23 22:13:00 +0000",
            },
            "/0/public/Assets": {
                ("XXBT" if n == "BTC" else n): {
                    "aclass": "currency",
                    "altname": "XBT" if n == "BTC" else n,
                    "decimals": 10,
                    "display_decimals": 5,
                    "status": "enabled",
                }
                for n in [*names, "USDT"]
            },
            "/0/public/AssetPairs": {
                key: {
                    "altname": key,
                    "wsname": f"{'XBT' if n == 'BTC' else n}/USDT",
                    "base": "XXBT" if n == "BTC" else n,
                    **pair,
                }
                for key, n in pairs.items()
            },
            "/0/public/Ticker": dict.fromkeys(pairs, ticker),
            "/0/public/OHLC": {
                "XBTUSDT": [
                    [
                        opened // 1000,
                        "64000.1",
                        "64010.5",
                        "63990.1",
                        "64005.2",
                        "64001.7",
                        "12.34567000",
                        308,
                    ]
                    for opened in _candle_times()
                ],
                "last": FIRST_CANDLE_MS // 1000,
            },
            "/0/private/BalanceEx": {
                ("XXBT" if n == "BTC" else n): {
                    "balance": "4723846.8920812900",
                    "hold_trade": "12.0000000000",
                }
                for n in bases(ASSETS)
            },
            "/0/private/Balance": {
                ("XXBT" if n == "BTC" else n): "4723846.8920812900" for n in bases(ASSETS)
            },
            "/0/private/AddOrder": {
                "descr": {"order": "buy 0.00100000 XBTUSDT @ limit 64000.00"},
                "txid": ["OUF4EM-FRGI2-MQMWZD"],
            },
        }.items()
    }


def _kraken_pair(base: str) -> str:
    return "XBTUSDT" if base == "BTC" else f"{base}USDT"


def _candle_times() -> list[int]:
    # The last one is still running by any clock of today's: it opens a thousand years from now.
    last = FIRST_CANDLE_MS + 60_000 * 500_000_000
    return [last - 60_000 * (CANDLES - 1 - row) for row in range(CANDLES)]
