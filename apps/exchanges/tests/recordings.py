"""Recorded answers of each exchange, read in place, and a transport that gives them: what the contract
tests need to know of an exchange. A new exchange adds its own."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from apps.domain.environments import Exchange
from apps.domain.orders import OrderSide
from apps.exchanges.http import HttpAnswer, HttpRequest, Transport
from apps.exchanges.limits import LimitStore, MemoryLimitStore
from apps.exchanges.ports import Credentials, ExchangeClient

NOW = datetime(2026, 1, 2, tzinfo=UTC)
CLIENT_ORDER_ID = "0123456789abcdef0123456789abcdef"
#: Stands for the keys of the recording itself.
OWN = Credentials(api_key="", api_secret="")


@dataclass(frozen=True, kw_only=True)
class Recording:
    """`answers`: fixture below the exchange's folder, by the path it answers; or how to make one of them.

    `error` makes the answer for a code that the exchange does not list, `refused` for an
    order that it refuses, `limited` the answer that says to slow down.
    """

    exchange: Exchange
    make: Callable[..., ExchangeClient]
    symbol: str
    place_path: str
    cancel_path: str
    answers: Mapping[str, str | Callable[[Callable[[str], Any]], object]]
    unlisted_error: HttpAnswer
    duplicate_id: HttpAnswer
    not_found_on_cancel: HttpAnswer
    limited: HttpAnswer
    side: OrderSide = OrderSide.SELL
    credentials: Credentials = field(
        default_factory=lambda: Credentials(
            api_key="the-api-key",
            api_secret="dGhlLWFwaS1zZWNyZXQ=",  # base64, because one exchange's have to be
            passphrase="the-passphrase",
        )
    )

    def client(
        self,
        transport: Transport,
        *,
        credentials: Credentials | None = OWN,
        limits: LimitStore | None = None,
    ) -> ExchangeClient:
        """A client of this exchange whose clock stands still, with limits of its own."""
        return self.make(
            self.credentials if credentials is OWN else credentials,
            base_url="http://recorded",
            limits=limits or MemoryLimitStore(NOW.timestamp),
            transport=transport,
            now=NOW.timestamp,
        )

    def transport(self, shared: Path) -> "RecordedTransport":
        """Everything as it was recorded."""
        folder = shared / "exchanges" / "fixtures" / self.exchange

        def read(name: str) -> Any:
            return json.loads((folder / f"{name}.json").read_text())["payload"]

        return RecordedTransport(
            {
                path: read(what) if isinstance(what, str) else what(read)
                for path, what in self.answers.items()
            }
        )


class RecordedTransport:
    """Answers each path with its payload, or with what a test has put in its place."""

    def __init__(self, payloads: Mapping[str, Any]) -> None:
        self.payloads = dict(payloads)
        self.instead: dict[str, HttpAnswer | Exception] = {}
        self.requests: list[HttpRequest] = []

    def send(self, request: HttpRequest) -> HttpAnswer:
        """The answer to this path."""
        self.requests.append(request)
        key = f"{request.method} {request.path}"
        given = self.instead.get(key)
        if isinstance(given, Exception):
            raise given
        if given is not None:
            return given
        return answer(self.payloads[self.find(request)])

    def find(self, request: HttpRequest) -> str:
        """The key of the payload that answers: a path, or a path with a part of the query."""
        path = f"{request.method} {request.path}"
        keys = [
            key
            for key in self.payloads
            if key.partition("?")[0] == path and key.partition("?")[2] in request.query
        ]
        return max(keys, key=len)

    def sent(self, key: str) -> int:
        """How often a path was asked."""
        return sum(f"{request.method} {request.path}" == key for request in self.requests)


def answer(payload: object, status: int = 200) -> HttpAnswer:
    """A JSON answer."""
    return HttpAnswer(status=status, body=json.dumps(payload).encode())


def _binance() -> Recording:
    from apps.exchanges.binance.client import BinanceClient  # noqa: PLC0415  as the factory does

    def ours(name: str) -> Callable[[Callable[[str], Any]], object]:
        """A recorded order in our market and under our name."""
        names = {"symbol": "ETHBTC", "clientOrderId": CLIENT_ORDER_ID}
        return lambda read: {
            **read(name),
            **names,
            **({"origClientOrderId": CLIENT_ORDER_ID} if "origClientOrderId" in read(name) else {}),
        }

    return Recording(
        exchange=Exchange.BINANCE,
        make=BinanceClient,
        symbol="ETH/BTC",
        place_path="POST /api/v3/order",
        cancel_path="DELETE /api/v3/order",
        answers={
            "GET /api/v3/time": "time/docs_Check_server_time_1",
            "GET /api/v3/exchangeInfo": "markets/docs_Exchange_information_1",
            "GET /api/v3/ticker/24hr?symbol=": "tickers/xchange_single-24hr-ticker",
            # The one market of the recorded list.
            "GET /api/v3/ticker/24hr": lambda read: [
                read("tickers/docs_24hr_ticker_price_change_statistics_2")[0] | {"symbol": "ETHBTC"}
            ],
            "GET /api/v3/klines": "klines/nautilus_http_spot_market_klines",
            "GET /api/v3/account": "balances/docs_Account_information_USER_DATA__1",
            "GET /api/v3/account/commission": "fees/jkorf_GetCommissionRates",
            "GET /sapi/v1/account/apiRestrictions": "account/jkorf_GetAPIKeyPermissions",
            "POST /api/v3/order": ours("orders/jkorf_PlaceOrder"),
            "DELETE /api/v3/order": ours("orders/docs_Cancel_order_TRADE__1"),
            "GET /api/v3/order": ours("orders/xchange_filled-market-order"),
            "GET /api/v3/openOrders": "orders/docs_Current_open_orders_USER_DATA__1",
            "GET /api/v3/allOrders": "orders/docs_Current_open_orders_USER_DATA__1",
            # The same rows over the other door.
            "GET /api/v3/myTrades": lambda read: read(
                "ws_api/docs_wsapi_Account_trade_history_USER_DATA__2"
            )["result"],
        },
        unlisted_error=answer({"code": -987654, "msg": "never heard of"}, 400),
        duplicate_id=answer({"code": -2010, "msg": "Duplicate order sent."}, 400),
        not_found_on_cancel=answer({"code": -2011, "msg": "Unknown order sent."}, 400),
        limited=answer({"code": -1003, "msg": "Too many requests."}, 429),
    )


def _bitget() -> Recording:
    from apps.exchanges.bitget.client import BitgetClient  # noqa: PLC0415  as the factory does

    def refusal(code: str, words: str, status: int = 400) -> HttpAnswer:
        return answer({"code": code, "msg": words, "requestTime": 1, "data": None}, status)

    def holding_something(recorded: dict[str, Any]) -> object:
        (row,) = recorded["data"]
        return recorded | {"data": [row | {"available": "12.5"}]}

    def ours(name: str) -> Callable[[Callable[[str], Any]], object]:
        """A recorded answer about one order, under our name."""

        def renamed(read: Callable[[str], Any]) -> object:
            data = read(name)["data"]
            rows = (
                [row | {"clientOid": CLIENT_ORDER_ID} for row in data]
                if isinstance(data, list)
                else data | {"clientOid": CLIENT_ORDER_ID}
            )
            return read(name) | {"data": rows}

        return renamed

    nothing_triggered: dict[str, object] = {
        "code": "00000",
        "msg": "success",
        "requestTime": 1,
        "data": {"nextFlag": False, "idLessThan": None, "orderList": []},
    }
    return Recording(
        exchange=Exchange.BITGET,
        make=BitgetClient,
        symbol="BTC/USDT",
        place_path="POST /api/v2/spot/trade/place-order",
        cancel_path="POST /api/v2/spot/trade/cancel-order",
        answers={
            "GET /api/v2/public/time": lambda read: (
                read("time/jkorf_GetServerTime")
                | {"data": {"serverTime": str(int(NOW.timestamp() * 1000))}}
            ),
            "GET /api/v2/spot/public/symbols": "markets/xchange_api_v2_spot_public_symbols",
            "GET /api/v2/spot/market/tickers": "tickers/ccxt_src_fetch_ticker_1",
            # The recorded rows all tell of the same minute.
            "GET /api/v2/spot/market/candles": "klines/jkorf_GetHistoricalKlines",
            "GET /api/v2/spot/account/assets": lambda read: holding_something(
                read("balances/ccxt_src_fetch_balance_3")
            ),
            "GET /api/v2/spot/account/info": "account/jkorf_GetAccountInfo",
            "GET /api/v2/common/trade-rate": "fees/jkorf_GetTradeFee",
            "POST /api/v2/spot/trade/place-order": ours("order_ack/ccxt_src_create_order_1"),
            "POST /api/v2/spot/trade/place-plan-order": ours("order_ack/ccxt_src_create_order_1"),
            "POST /api/v2/spot/trade/cancel-order": ours("order_ack/ccxt_src_cancel_order_1"),
            "GET /api/v2/spot/trade/orderInfo": ours("orders/ccxt_src_fetch_order_1"),
            "GET /api/v2/spot/trade/unfilled-orders": "orders/ccxt_src_fetch_open_orders_1",
            "GET /api/v2/spot/trade/history-orders": (
                "orders/ccxt_src_fetch_canceled_and_closed_orders_1"
            ),
            "GET /api/v2/spot/trade/fills": "fills/ccxt_src_fetch_my_trades_1",
            "GET /api/v2/spot/trade/current-plan-order": lambda _read: nothing_triggered,
            "GET /api/v2/spot/trade/history-plan-order": lambda _read: nothing_triggered,
        },
        unlisted_error=refusal("99999", "never heard of"),
        duplicate_id=refusal("40786", "Duplicate clientOid"),
        not_found_on_cancel=refusal("43001", "The order does not exist"),
        limited=refusal("429", "Too Many Requests", 429),
    )


def _kraken() -> Recording:
    from apps.exchanges.kraken.client import KrakenClient  # noqa: PLC0415  as the factory does

    def refusal(words: str) -> HttpAnswer:
        return answer({"error": [words]})

    def pairs(read: Callable[[str], Any]) -> object:
        """The recorded market, and one that some recorded orders are in, under the same rules."""
        recorded = read("markets/nautilus_http_asset_pairs")
        same = recorded["result"]["XBTUSDT"]
        names = {"altname": "LTCUSDT", "wsname": "LTC/USDT", "base": "XLTC"}
        return recorded | {"result": recorded["result"] | {"LTCUSDT": same | names}}

    def under_our_name(recorded: dict[str, Any]) -> object:
        """A recorded order in our market."""
        (orders,) = json.loads(
            json.dumps(recorded["result"]).replace("LTCUSDT", "XBTUSDT")
        ).values()
        named = {txid: order | {"cl_ord_id": CLIENT_ORDER_ID} for txid, order in orders.items()}
        return recorded | {"result": {"open": named}}

    def in_our_market(read: Callable[[str], Any], name: str) -> Any:
        return json.loads(json.dumps(read(name)).replace("XXBTZUSD", "XBTUSDT"))

    return Recording(
        exchange=Exchange.KRAKEN,
        make=KrakenClient,
        symbol="BTC/USDT",
        place_path="POST /0/private/AddOrder",
        cancel_path="POST /0/private/CancelOrder",
        answers={
            "GET /0/public/Time": "time/xchange_example-servertime-data",
            "GET /0/public/AssetPairs": pairs,
            "GET /0/public/Ticker": "tickers/nautilus_http_ticker",
            "GET /0/public/OHLC": "klines/nautilus_http_ohlc",
            "POST /0/private/BalanceEx": "balances/jkorf_GetAvailableBalances",
            "POST /0/private/GetApiKeyInfo": "account/jkorf_GetApiKeyInfo",
            "POST /0/private/TradeVolume": lambda read: in_our_market(
                read, "fees/ccxt_src_fetch_trading_fee_1"
            ),
            "POST /0/private/AddOrder": "order_ack/ccxt_src_create_order_1",
            "POST /0/private/CancelOrder": "order_ack/ccxt_src_cancel_order_1",
            "POST /0/private/QueryOrders": "orders/ccxt_static_fetch_closed_market",
            "POST /0/private/OpenOrders": lambda read: under_our_name(
                read("orders/ccxt_static_open_client_id")
            ),
            "POST /0/private/ClosedOrders": "orders/ccxt_static_closed_canceled_client_id",
            "POST /0/private/TradesHistory": lambda read: in_our_market(
                read, "fills/jkorf_json_GetUserTrades"
            ),
        },
        unlisted_error=refusal("EOdd:Never heard of"),
        duplicate_id=refusal("EOrder:Duplicate cl_ord_id"),
        not_found_on_cancel=refusal("EOrder:Unknown order"),
        limited=refusal("EGeneral:Too many requests"),
    )


RECORDINGS: Mapping[Exchange, Callable[[], Recording]] = {
    Exchange.BINANCE: _binance,
    Exchange.BITGET: _bitget,
    Exchange.KRAKEN: _kraken,
}


def template() -> Recording:
    """The template in docs/exchange_template: made-up answers of an exchange that is no member."""
    from docs.exchange_template.client import ExampleClient  # noqa: PLC0415  as the others
    from docs.exchange_template.constants import EXCHANGE  # noqa: PLC0415

    def refusal(code: str, status: int = 400) -> HttpAnswer:
        return answer({"error": code, "message": "No."}, status)

    now_ms = int(NOW.timestamp() * 1000)
    order = {
        "id": "28",
        "name": CLIENT_ORDER_ID,
        "symbol": "BTC-USDT",
        "side": "sell",
        "type": "limit",
        "quantity": "0.001",
        "price": "64000.5",
        "filled": "0.0004",
        "filled_quote": "25.6002",
        "status": "partly_filled",
        "created_at": now_ms,
        "updated_at": now_ms,
    }
    fill = {
        "id": "7",
        "order": "28",
        "symbol": "BTC-USDT",
        "side": "sell",
        "quantity": "0.0004",
        "price": "64000.5",
        "fee": "0.0256002",
        "fee_asset": "USDT",
        "is_maker": True,
        "at": now_ms,
    }
    market = {
        "base": "BTC",
        "quote": "USDT",
        "tick": "0.01",
        "step": "0.00001",
        "min_quantity": "0.00001",
        "min_notional": "5",
        "status": "open",
    }
    account = {
        "balances": [{"asset": "BTC", "free": "1.5", "locked": "0.001"}],
        "maker": "0.001",
        "taker": "0.002",
        "rights": ["read", "trade"],
    }
    ticker = {"symbol": "BTC-USDT", "last": "64000", "bid": "63999", "ask": None, "at": now_ms}
    candles = [
        [now_ms - 60_000, 64000, 64010.5, 63990, 64005, 12.5],
        [now_ms, 64005, 64006, 64004.5, 64005, 0.25],
    ]
    answers: dict[str, object] = {
        "GET /time": {"now": now_ms},
        "GET /markets": [market],
        "GET /tickers": [ticker],
        "GET /candles": candles,
        "GET /account": account,
        "POST /order": order,
        "GET /order": order,
        "DELETE /order": order | {"status": "cancelled"},
        "DELETE /orders": [order | {"status": "cancelled"}],
        "GET /orders": [order],
        "GET /fills": [fill],
    }
    return Recording(
        exchange=EXCHANGE,
        make=ExampleClient,
        symbol="BTC/USDT",
        place_path="POST /order",
        cancel_path="DELETE /order",
        answers={path: (lambda _read, told=told: told) for path, told in answers.items()},
        unlisted_error=refusal("never_heard_of"),
        duplicate_id=refusal("name_taken"),
        not_found_on_cancel=refusal("order_not_found", 404),
        limited=refusal("too_many_requests", 429),
    )
