"""Binance spot over REST: market data and one account."""

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from functools import partial

import msgspec

from apps.domain.candles import Timeframe
from apps.domain.markets import Market
from apps.domain.orders import OrderType
from apps.exchanges.binance.constants import EXCHANGE, MAX_ROWS, REST_URL, TESTNET_URL
from apps.exchanges.binance.orders import parse_fills, parse_order
from apps.exchanges.binance.parse import (
    Account,
    KeyRights,
    decimal_text,
    milliseconds,
    parse_account,
    parse_candles,
    parse_key_rights,
    parse_markets,
    parse_server_time,
    parse_ticker,
)
from apps.exchanges.binance.session import Session
from apps.exchanges.errors import ExchangeError, OrderNotFound, OutcomeUnknown
from apps.exchanges.http import PooledTransport, Transport
from apps.exchanges.ports import (
    Balance,
    Candle,
    ConnectionReport,
    Credentials,
    Fill,
    OrderReport,
    OrderRequest,
    Ticker,
)

#: Canonical by wire symbol, per host: facts that never change, so every client may share them.
_symbols_of_host: dict[str, dict[str, str]] = {}


def wire_symbol(symbol: str) -> str:
    """`BTC/USDT` as Binance writes it."""
    return symbol.replace("/", "")


class BinanceClient:
    """Speaks for one API key, or for nobody where only market data is asked for."""

    def __init__(
        self,
        credentials: Credentials | None = None,
        *,
        base_url: str | None = None,
        testnet: bool = False,
        transport: Transport | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        host = base_url or (TESTNET_URL if testnet else REST_URL)
        self._session = Session(credentials, transport or PooledTransport(host), now)
        self._symbols = _symbols_of_host.setdefault(host, {})

    def get_server_time(self) -> datetime:
        """The exchange's clock."""
        return self._session.read("/api/v3/time", parse_server_time)

    def get_markets(self) -> list[Market]:
        """Every market with its rules, those closed for trading included."""
        return list(self._read_markets({}).values())

    def get_ticker(self, symbol: str) -> Ticker:
        """Last, bid and ask."""
        return self._session.read(
            "/api/v3/ticker/24hr",
            partial(parse_ticker, symbol=symbol),
            {"symbol": wire_symbol(symbol)},
        )

    def get_candles(
        self,
        symbol: str,
        timeframe: Timeframe,
        *,
        start: datetime | None = None,
        end: datetime | None = None,
        limit: int = 500,
    ) -> list[Candle]:
        """Candles that open from `start` to `end`, both included, oldest first; at most 1000."""
        params = {"symbol": wire_symbol(symbol), "interval": timeframe.value, "limit": str(limit)}
        if start is not None:
            params["startTime"] = str(milliseconds(start))
        if end is not None:
            params["endTime"] = str(milliseconds(end))
        # Asked first: a candle that had ended by then was final when its row was read. Our own
        # clock would not do, the market's can be another one (a recorded or sped-up market).
        now = self.get_server_time()
        return self._session.read("/api/v3/klines", partial(parse_candles, now=now), params)

    def get_balance(self) -> list[Balance]:
        """Every asset the account holds something of."""
        return self._read_account().balances

    def place_order(self, request: OrderRequest, *, deadline: datetime) -> OrderReport:
        """Send an order once; the answer carries the fills it had on arrival."""
        params = {
            "symbol": wire_symbol(request.symbol),
            "side": request.side.value.upper(),
            "type": request.order_type.value.upper(),
            "newClientOrderId": request.client_order_id,
            "newOrderRespType": "FULL",
        }
        if request.quantity is not None:
            params["quantity"] = decimal_text(request.quantity)
        if request.quote_amount is not None:
            params["quoteOrderQty"] = decimal_text(request.quote_amount)
        if request.price is not None:
            params["price"] = decimal_text(request.price)
        if request.order_type is OrderType.LIMIT:
            params["timeInForce"] = request.time_in_force.value.upper()
        parse = partial(self._parse_order, symbol=request.symbol)
        return self._session.write("POST", "/api/v3/order", parse, params, deadline)

    def cancel_order(self, symbol: str, client_order_id: str) -> OrderReport:
        """The order after its cancel; OutcomeUnknown also when no such order is open any more."""
        params = {"symbol": wire_symbol(symbol), "origClientOrderId": client_order_id}
        try:
            parse = partial(self._parse_order, symbol=symbol)
            return self._session.write("DELETE", "/api/v3/order", parse, params)
        except OrderNotFound as e:
            raise OutcomeUnknown(
                f"Binance has no open order {client_order_id} to cancel: it has ended or never"
                f" arrived. {OutcomeUnknown.advice}",
                exchange=EXCHANGE,
                code=e.code,
                raw=e.raw,
            ) from e

    def fetch_order(self, symbol: str, client_order_id: str) -> OrderReport:
        """The order as it stands, without its fills."""
        params = {"symbol": wire_symbol(symbol), "origClientOrderId": client_order_id}
        parse = partial(self._parse_order, symbol=symbol)
        return self._session.signed_read("/api/v3/order", parse, params)

    def fetch_open_orders(self, symbol: str | None = None) -> list[OrderReport]:
        """Open orders of one symbol, or of all, whoever placed them."""
        params = {} if symbol is None else {"symbol": wire_symbol(symbol)}
        reports = self._session.signed_read("/api/v3/openOrders", self._parse_orders, params)
        if symbol is None:
            self._learn_symbols(report.symbol for report in reports)
        return [
            replace(report, symbol=symbol or self._symbols[report.symbol]) for report in reports
        ]

    def fetch_fills(
        self,
        symbol: str,
        *,
        exchange_order_id: str | None = None,
        since: datetime | None = None,
    ) -> list[Fill]:
        """Every fill of a symbol, oldest first, optionally of one order, from `since` on."""
        params = {"symbol": wire_symbol(symbol), "limit": str(MAX_ROWS)}
        if exchange_order_id is not None:
            params["orderId"] = exchange_order_id
        elif since is not None:
            params["startTime"] = str(milliseconds(since))
        else:
            params["fromId"] = "0"
        fills: list[Fill] = []
        while True:
            parse = partial(parse_fills, symbol=symbol)
            page = self._session.signed_read("/api/v3/myTrades", parse, params)
            fills += page
            if len(page) < MAX_ROWS:
                return [fill for fill in fills if since is None or fill.executed_at >= since]
            params.pop("startTime", None)
            params["fromId"] = str(int(page[-1].trade_id) + 1)

    def test_connection(self) -> ConnectionReport:
        """Whether the key works and what it may do; the message says what to change."""
        try:
            offset = self._session.measure_clock_offset()
            account = self._read_account()
        except ExchangeError as e:
            return ConnectionReport(ok=False, message=e.message)
        rights = self._read_key_rights()
        can_trade = account.can_trade and (rights is None or rights.enable_spot_and_margin_trading)
        can_withdraw = rights.enable_withdrawals if rights else None
        return ConnectionReport(
            ok=can_trade,
            message=_words(can_trade=can_trade, can_withdraw=can_withdraw),
            can_trade=can_trade,
            can_withdraw=can_withdraw,
            balances=tuple(account.balances),
            server_time_offset=offset,
        )

    def _read_account(self) -> Account:
        params = {"omitZeroBalances": "true"}
        return self._session.signed_read("/api/v3/account", parse_account, params)

    def _read_key_rights(self) -> KeyRights | None:
        # Only the real exchange is sure to have this; the account has answered, so the key works
        # and not knowing its rights is no failure.
        try:
            return self._session.signed_read("/sapi/v1/account/apiRestrictions", parse_key_rights)
        except ExchangeError:
            return None

    def _read_markets(self, params: Mapping[str, str]) -> dict[str, Market]:
        markets = self._session.read("/api/v3/exchangeInfo", parse_markets, params)
        self._symbols.update({wire: market.symbol for wire, market in markets.items()})
        return markets

    def _learn_symbols(self, wire_symbols: Iterable[str]) -> None:
        if unknown := sorted(set(wire_symbols) - self._symbols.keys()):
            self._read_markets({"symbols": msgspec.json.encode(unknown).decode()})

    def _report(self, raw: dict[str, object], symbol: str | None = None) -> OrderReport:
        return replace(parse_order(raw, symbol), raw=self._session.http.redact(raw))

    def _parse_order(self, body: bytes, symbol: str) -> OrderReport:
        return self._report(msgspec.json.decode(body, type=dict[str, object]), symbol)

    def _parse_orders(self, body: bytes) -> list[OrderReport]:
        rows = msgspec.json.decode(body, type=list[dict[str, object]])
        return [self._report(row) for row in rows]


def _words(*, can_trade: bool, can_withdraw: bool | None) -> str:
    words = "Connected; the key may trade."
    if not can_trade:
        words = "Connected, but the key may not trade: allow spot trading for it at Binance."
    if can_withdraw:
        words += " It may also withdraw, which is never needed here: take that right away."
    return words
