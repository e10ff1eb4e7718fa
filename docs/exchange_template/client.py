"""Example spot over REST: market data and one account."""

import time
from collections.abc import Callable, Collection
from datetime import datetime

from apps.domain.candles import Timeframe
from apps.domain.markets import Market
from apps.exchanges.errors import ExchangeError, OrderNotFound, OutcomeUnknown, UnknownSymbol
from apps.exchanges.http import Transport
from apps.exchanges.limits import PROCESS_LIMITS, LimitStore, Priority
from apps.exchanges.parsing import milliseconds, read_candles
from apps.exchanges.ports import (
    Balance,
    Candles,
    ConnectionReport,
    Credentials,
    EditReport,
    Fee,
    Fill,
    OrderListReport,
    OrderListRequest,
    OrderRef,
    OrderReport,
    OrderRequest,
    Ticker,
)
from apps.exchanges.transport import PooledTransport
from docs.exchange_template import constants, parse
from docs.exchange_template.constants import CAPABILITIES, EXCHANGE
from docs.exchange_template.errors import unsupported
from docs.exchange_template.orders import (
    order_params,
    parse_fills,
    parse_order,
    parse_orders,
    ref_params,
)
from docs.exchange_template.parse import wire_symbol
from docs.exchange_template.session import Session


class ExampleClient:
    """Speaks for one API key, or for nobody where only market data is asked for."""

    capabilities = CAPABILITIES

    def __init__(
        self,
        credentials: Credentials | None = None,
        *,
        base_url: str | None = None,
        testnet: bool = False,
        limits: LimitStore = PROCESS_LIMITS,
        transport: Transport | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        if testnet:
            raise unsupported("testnet")
        host = base_url or constants.REST_URL
        carrier = transport or PooledTransport(host)
        self._now = now
        self._session = Session(credentials, carrier, limits, host=host, now=now)

    @property
    def venue(self) -> str:
        """What this client's limits and statistics are kept under."""
        return self._session.http.throttle.venue

    def get_server_time(self) -> datetime:
        """The exchange's clock."""
        return self._session.read(constants.TIME, parse.parse_server_time)

    def get_markets(self) -> list[Market]:
        """Every market with its rules, those closed for trading included."""
        return self._session.read(constants.MARKETS, parse.parse_markets)

    def get_ticker(self, symbol: str) -> Ticker:
        """Prices of one market; raises UnknownSymbol."""
        tickers = self.fetch_tickers()
        if symbol not in tickers:
            message = f"Example lists no {symbol}. {UnknownSymbol.advice}"
            raise UnknownSymbol(message, exchange=EXCHANGE)
        return tickers[symbol]

    def fetch_tickers(self, symbols: Collection[str] | None = None) -> dict[str, Ticker]:
        """Prices by symbol, of all markets or of those named; one that does not exist is left out."""
        tickers = self._session.read(constants.TICKERS, parse.parse_tickers)
        return tickers if symbols is None else {s: tickers[s] for s in symbols if s in tickers}

    def get_candles(
        self,
        symbol: str,
        timeframe: Timeframe,
        *,
        start: datetime | None = None,
        end: datetime | None = None,
        limit: int = 500,
        as_of: datetime | None = None,
    ) -> Candles:
        """Candles that open from `start` to `end`, both included, oldest first."""
        CAPABILITIES.check_timeframe(timeframe)
        params = {"symbol": wire_symbol(symbol), "timeframe": timeframe.value, "limit": str(limit)}
        # Decide: exchanges differ in whether the ends count, and in what `limit` cuts off.
        if start is not None:
            params["start"] = str(milliseconds(start))
        if end is not None:
            params["end"] = str(milliseconds(end))
        return read_candles(
            lambda: self._session.read(constants.CANDLES, parse.parse_candles, params),
            self.get_server_time,
            timeframe,
            self._now(),
            as_of,
        )

    def get_balance(self) -> list[Balance]:
        """Every asset the account holds something of."""
        return self._read_account().balances

    def get_fees(self, symbol: str) -> Fee:
        """What this account pays, the same in every market."""
        account = self._read_account()
        return Fee(symbol=symbol, maker=account.maker, taker=account.taker)

    def place_order(self, request: OrderRequest, *, deadline: datetime) -> OrderReport:
        """Send an order once."""
        CAPABILITIES.check_order(request)
        return self._session.write(
            constants.PLACE,
            # Decide: where the answer is a bare id, return OrderReport.acknowledged(request, ...).
            parse_order,
            order_params(request),
            priority=Priority.PROTECT if request.is_exit else Priority.ENTRY,
            deadline=deadline,
        )

    def place_order_list(self, request: OrderListRequest, *, deadline: datetime) -> OrderListReport:
        """Always refused: Example ties no orders together."""
        del deadline
        raise unsupported(f"{request.kind.upper()} order lists")

    def cancel_order(self, ref: OrderRef) -> OrderReport | None:
        """The order after its cancel; OutcomeUnknown also when no such order is open any more."""
        try:
            return self._session.write(constants.CANCEL, parse_order, ref_params(ref))
        except OrderNotFound as e:
            message = f"Example has no open order {ref} to cancel. {OutcomeUnknown.advice}"
            raise OutcomeUnknown(message, exchange=EXCHANGE, code=e.code, raw=e.raw) from e

    def cancel_all_orders(self, symbol: str) -> None:
        """Cancel every resting order of a symbol; nothing to cancel is no error."""
        params = {"symbol": wire_symbol(symbol)}
        self._session.write(constants.CANCEL_ALL, parse_orders, params)

    def edit_order(
        self, current: OrderReport, target: OrderRequest, *, deadline: datetime
    ) -> EditReport:
        """Always refused: cancel the order and place another."""
        del current, target, deadline
        raise unsupported("way to change an order")

    def fetch_order(self, ref: OrderRef) -> OrderReport:
        """The order as it stands, without its fills."""
        params = ref_params(ref)
        return self._session.read(constants.ORDER, parse_order, params, priority=Priority.PROTECT)

    def fetch_open_orders(self, symbol: str | None = None) -> list[OrderReport]:
        """Open orders of one symbol, or of all, whoever placed them."""
        params = {"state": "open"} | ({"symbol": wire_symbol(symbol)} if symbol else {})
        return self._session.read(constants.LIST_ORDERS, parse_orders, params)

    def fetch_closed_orders(self, symbol: str, *, since: datetime) -> list[OrderReport]:
        """Orders created from `since` on that rest no more, oldest first."""
        # Decide: most exchanges tell orders and fills in pages, and every page has to be asked for
        # (see Binance's client, whose ids rise, or Kraken's, whose pages have offsets).
        params = {"symbol": wire_symbol(symbol), "since": str(milliseconds(since))}
        return self._session.read(
            constants.LIST_ORDERS, parse_orders, {"state": "closed", **params}
        )

    def fetch_fills(
        self,
        symbol: str,
        *,
        exchange_order_id: str | None = None,
        since: datetime | None = None,
    ) -> list[Fill]:
        """Every fill of a symbol, oldest first, optionally of one order, from `since` on."""
        params = {"symbol": wire_symbol(symbol)}
        if exchange_order_id is not None:
            params["order"] = exchange_order_id
        if since is not None:
            params["since"] = str(milliseconds(since))
        return self._session.read(constants.FILLS, parse_fills, params)

    def test_connection(self) -> ConnectionReport:
        """Whether the key works and what it may do; the message says what to change."""
        try:
            offset = self.get_server_time().timestamp() - self._now()
            account = self._read_account()
        except ExchangeError as e:
            return ConnectionReport(ok=False, message=e.message)
        can_trade = "trade" in account.rights
        return ConnectionReport(
            ok=can_trade,
            message=f"Connected; the key may {'' if can_trade else 'not '}trade.",
            can_trade=can_trade,
            can_withdraw="withdraw" in account.rights,
            permissions=account.rights,
            balances=tuple(account.balances),
            server_time_offset=offset,
        )

    def _read_account(self) -> parse.Account:
        return self._session.read(constants.ACCOUNT, parse.parse_account)
