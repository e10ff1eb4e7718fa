"""Binance spot over REST: market data and one account."""

import time
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from functools import partial

import msgspec

from apps.domain.candles import Timeframe
from apps.domain.markets import Market
from apps.domain.orders import OrderType, TimeInForce
from apps.exchanges.binance import constants
from apps.exchanges.binance.constants import CAPABILITIES, EXCHANGE, MAX_ROWS
from apps.exchanges.binance.order_form import list_params, order_params, wire_symbol
from apps.exchanges.binance.orders import (
    parse_amended,
    parse_fills,
    parse_order,
    parse_order_list,
    parse_replacement,
)
from apps.exchanges.binance.parse import (
    Account,
    KeyRights,
    list_wire_symbols,
    parse_account,
    parse_candles,
    parse_fees,
    parse_key_rights,
    parse_markets,
    parse_server_time,
    parse_ticker,
    parse_tickers,
)
from apps.exchanges.binance.session import Session
from apps.exchanges.costs import the_market
from apps.exchanges.errors import (
    ExchangeError,
    InvalidOrder,
    OrderNotFound,
    OutcomeUnknown,
    UnknownSymbol,
)
from apps.exchanges.http import Transport
from apps.exchanges.limits import PROCESS_LIMITS, LimitStore, Priority
from apps.exchanges.parsing import milliseconds, read_candles
from apps.exchanges.ports import (
    Balance,
    Candles,
    ConnectionReport,
    Credentials,
    EditMethod,
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
from apps.exchanges.rounding import decimal_text
from apps.exchanges.transport import PooledTransport

#: Canonical by wire symbol, per host: facts that never change, so every client may share them.
_symbols_of_host: dict[str, dict[str, str]] = {}


class BinanceClient:
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
        host = base_url or (constants.TESTNET_URL if testnet else constants.REST_URL)
        self._now = now
        self._session = Session(
            credentials, transport or PooledTransport(host), limits, host=host, now=now
        )
        self._symbols = _symbols_of_host.setdefault(host, {})
        self._is_real = host == constants.REST_URL

    @property
    def venue(self) -> str:
        """What this client's limits and statistics are kept under."""
        return self._session.http.throttle.venue

    def get_server_time(self) -> datetime:
        """The exchange's clock."""
        return self._session.read(constants.TIME, parse_server_time)

    def get_markets(self) -> list[Market]:
        """Every market with its rules, those closed for trading included."""
        return list(self._read_markets({}).values())

    def get_ticker(self, symbol: str) -> Ticker:
        """Prices of one market."""
        return self._session.read(
            constants.TICKER,
            partial(parse_ticker, symbol=symbol),
            {"symbol": wire_symbol(symbol)},
        )

    def fetch_tickers(self, symbols: Collection[str] | None = None) -> dict[str, Ticker]:
        """Prices by symbol, of all markets or of those named; one that does not exist is left out."""
        if symbols is not None and not symbols:
            return {}
        if symbols is not None and len(symbols) <= constants.MAX_NAMED_TICKERS:
            by_wire = {wire_symbol(symbol): symbol for symbol in symbols}
            params = {"symbols": msgspec.json.encode(sorted(by_wire)).decode()}
            try:
                parse = partial(parse_tickers, symbols=by_wire)
                return self._session.read(constants.TICKERS_NAMED, parse, params)
            except UnknownSymbol:
                pass  # one of them refuses all: the whole list is asked for instead
        tickers = self._session.read(constants.TICKERS_ALL, self._parse_all_tickers)
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
        """Candles that open from `start` to `end`, both included, oldest first; at most 1000."""
        CAPABILITIES.check_timeframe(timeframe)
        params = {"symbol": wire_symbol(symbol), "interval": timeframe.value, "limit": str(limit)}
        if start is not None:
            params["startTime"] = str(milliseconds(start))
        if end is not None:
            params["endTime"] = str(milliseconds(end))
        return read_candles(
            lambda: self._session.read(constants.KLINES, parse_candles, params),
            self.get_server_time,
            timeframe,
            self._now(),
            as_of,
        )

    def get_balance(self) -> list[Balance]:
        """Every asset the account holds something of."""
        return self._read_account().balances

    def get_fees(self, symbol: str) -> Fee:
        """What this account pays in one market, without the discount of paying in BNB."""
        parse = partial(parse_fees, symbol=symbol)
        return self._session.signed_read(
            constants.COMMISSION, parse, {"symbol": wire_symbol(symbol)}
        )

    def place_order(self, request: OrderRequest, *, deadline: datetime) -> OrderReport:
        """Send an order once; the answer carries the fills it had on arrival."""
        CAPABILITIES.check_order(request)
        return self._session.write(
            constants.PLACE,
            partial(_parse_order, ref=_ref(request)),
            order_params(request),
            priority=_priority(request),
            deadline=deadline,
        )

    def place_order_list(self, request: OrderListRequest, *, deadline: datetime) -> OrderListReport:
        """Send tied orders once, all of them or none."""
        CAPABILITIES.check_order_list(request)
        return self._session.write(
            constants.ORDER_LISTS[request.kind],
            partial(_parse_order_list, request=request),
            list_params(request),
            priority=_priority(request.orders[0]),
            deadline=deadline,
        )

    def cancel_order(self, ref: OrderRef) -> OrderReport:
        """The order after its cancel; OutcomeUnknown also when no such order is open any more."""
        parse = partial(_parse_order, ref=ref, is_cancel=True)
        try:
            return self._session.write(
                constants.CANCEL, parse, _name(ref), priority=Priority.PROTECT
            )
        except OrderNotFound as e:
            raise OutcomeUnknown(
                f"Binance has no open order {ref} to cancel: it has ended or never arrived."
                f" {OutcomeUnknown.advice}",
                exchange=EXCHANGE,
                code=e.code,
                raw=e.raw,
            ) from e

    def cancel_all_orders(self, symbol: str) -> None:
        """Cancel every resting order of a symbol; nothing to cancel is no error."""
        params = {"symbol": wire_symbol(symbol)}
        try:
            self._session.write(constants.CANCEL_ALL, _ignore, params, priority=Priority.PROTECT)
        except OrderNotFound:
            return

    def edit_order(
        self, current: OrderReport, target: OrderRequest, *, deadline: datetime
    ) -> EditReport:
        """A smaller quantity is amended in place; anything else cancels and replaces, all or nothing.

        When only one half of a replacement was done the outcome is unknown.
        """
        CAPABILITIES.check_order(target)
        if (shrunk := _shrunk_quantity(current, target)) is not None:
            # Unless it is sent again, an amended order gets a random client order id.
            kept = current.client_order_id or target.client_order_id
            order = self._session.write(
                constants.AMEND,
                partial(_parse_amended, ref=replace(current.ref, client_order_id=kept)),
                {
                    **_name(current.ref),
                    "newClientOrderId": kept,
                    "newQty": decimal_text(shrunk),
                },
                priority=_priority(target),
                deadline=deadline,
            )
            return EditReport(method=EditMethod.AMENDED, order=order)
        # What has filled since `current` was read would be bought again.
        guard = {} if current.filled_quantity else {"cancelRestrictions": "ONLY_NEW"}
        if current.filled_quantity:
            self._check_is_current(current)
        name = _name(current.ref)
        old = {
            {"orderId": "cancelOrderId", "origClientOrderId": "cancelOrigClientOrderId"}[key]: value
            for key, value in name.items()
            if key != "symbol"
        }
        order = self._session.write(
            constants.CANCEL_REPLACE,
            partial(_parse_replacement, ref=_ref(target)),
            {**order_params(target), **old, **guard, "cancelReplaceMode": "STOP_ON_FAILURE"},
            priority=_priority(target),
            deadline=deadline,
        )
        return EditReport(method=EditMethod.REPLACED, order=order)

    def _check_is_current(self, current: OrderReport) -> None:
        if self.fetch_order(current.ref).filled_quantity != current.filled_quantity:
            raise InvalidOrder(
                f"Order {current.ref} has filled further meanwhile: nothing was changed. Read it again.",
                exchange=EXCHANGE,
            )

    def fetch_order(self, ref: OrderRef) -> OrderReport:
        """The order as it stands, without its fills."""
        parse = partial(_parse_order, ref=ref)
        return self._session.signed_read(
            constants.ORDER, parse, _name(ref), priority=Priority.PROTECT
        )

    def fetch_open_orders(self, symbol: str | None = None) -> list[OrderReport]:
        """Open orders of one symbol, or of all, whoever placed them."""
        if symbol is not None:
            params = {"symbol": wire_symbol(symbol)}
            parse = partial(_parse_orders, symbol=symbol)
            return self._session.signed_read(constants.OPEN_ORDERS, parse, params)
        reports = self._session.signed_read(constants.OPEN_ORDERS_ALL, _parse_orders)
        self._learn_symbols(report.symbol for report in reports)
        return [self.with_canonical_symbol(report) for report in reports]

    def fetch_closed_orders(self, symbol: str | None, *, since: datetime) -> list[OrderReport]:
        """Orders created from `since` on that rest no more, oldest first."""
        symbol = the_market(symbol, EXCHANGE)
        params = {
            "symbol": wire_symbol(symbol),
            "limit": str(MAX_ROWS),
            "startTime": str(milliseconds(since)),
        }
        orders: list[OrderReport] = []
        while True:
            parse = partial(_parse_orders, symbol=symbol)
            page = self._session.signed_read(constants.ALL_ORDERS, parse, params)
            orders += page
            if len(page) < MAX_ROWS:
                return [order for order in orders if order.status.is_terminal]
            params.pop("startTime", None)
            _turn_page(params, "orderId", int(page[-1].exchange_order_id))

    def fetch_fills(
        self,
        symbol: str | None,
        *,
        exchange_order_id: str | None = None,
        since: datetime | None = None,
    ) -> list[Fill]:
        """Every fill of a symbol, oldest first, optionally of one order, from `since` on."""
        symbol = the_market(symbol, EXCHANGE)
        params = {"symbol": wire_symbol(symbol), "limit": str(MAX_ROWS)}
        endpoint = constants.MY_TRADES
        if exchange_order_id is not None:
            endpoint = constants.MY_TRADES_OF_ORDER
            params["orderId"] = exchange_order_id
        elif since is not None:
            params["startTime"] = str(milliseconds(since))
        else:
            params["fromId"] = "0"
        fills: list[Fill] = []
        while True:
            parse = partial(parse_fills, symbol=symbol)
            page = self._session.signed_read(endpoint, parse, params)
            fills += page
            if len(page) < MAX_ROWS:
                return [fill for fill in fills if since is None or fill.executed_at >= since]
            params.pop("startTime", None)
            _turn_page(params, "fromId", int(page[-1].trade_id))

    def test_connection(self) -> ConnectionReport:
        """Whether the key works and what it may do; the message says what to change."""
        try:
            offset = self._session.measure_clock_offset()
            account = self._read_account()
        except ExchangeError as e:
            return ConnectionReport(ok=False, message=e.message)
        try:
            rights = self._read_key_rights()
        except ExchangeError as e:
            words = "Connected, but what the key may do could not be read: try again."
            return ConnectionReport(ok=False, message=f"{words} {e.message}")
        can_trade = account.can_trade and (rights is None or rights.enable_spot_and_margin_trading)
        can_withdraw = rights.enable_withdrawals if rights else None
        return ConnectionReport(
            ok=can_trade,
            message=_words(can_trade=can_trade, can_withdraw=can_withdraw),
            can_trade=can_trade,
            can_withdraw=can_withdraw,
            is_ip_restricted=rights.ip_restrict if rights else None,
            permissions=rights.words if rights else (),
            balances=tuple(account.balances),
            server_time_offset=offset,
        )

    def with_canonical_symbol(self, report: OrderReport) -> OrderReport:
        """A report that still carries the wire symbol; one that the exchange does not list stays."""
        self._learn_symbols([report.symbol])
        symbol = self._symbols.get(report.symbol) or report.symbol
        fills = tuple(replace(fill, symbol=symbol) for fill in report.fills)
        return replace(report, symbol=symbol, fills=fills)

    def _read_account(self) -> Account:
        params = {"omitZeroBalances": "true"}
        return self._session.signed_read(constants.ACCOUNT, parse_account, params)

    def _read_key_rights(self) -> KeyRights | None:
        try:
            return self._session.signed_read(constants.KEY_RIGHTS, parse_key_rights)
        except ExchangeError:
            # The testnet does not have this question, and its money is nobody's.
            if self._is_real:
                raise
            return None

    def _read_markets(self, params: Mapping[str, str]) -> dict[str, Market]:
        markets = self._session.read(constants.EXCHANGE_INFO, parse_markets, params)
        self._symbols.update({wire: market.symbol for wire, market in markets.items()})
        return markets

    def _learn_symbols(self, wire_symbols: Iterable[str]) -> None:
        if unknown := sorted(set(wire_symbols) - self._symbols.keys()):
            self._read_markets({"symbols": msgspec.json.encode(unknown).decode()})

    def _parse_all_tickers(self, body: bytes) -> dict[str, Ticker]:
        unknown = [wire for wire in list_wire_symbols(body) if wire not in self._symbols]
        if unknown:
            self._read_markets({})
            # What is not listed at all is not asked for again.
            self._symbols.update({wire: "" for wire in unknown if wire not in self._symbols})
        return parse_tickers(body, self._symbols)


def _parse_order(body: bytes, ref: OrderRef, *, is_cancel: bool = False) -> OrderReport:
    """The order that was asked for; raises msgspec.ValidationError where another one is told of."""
    raw = msgspec.json.decode(body, type=dict[str, object])
    return _check_is(ref, parse_order(raw, is_cancel=is_cancel))


def _check_is(ref: OrderRef, report: OrderReport) -> OrderReport:
    told = (report.symbol, report.client_order_id, report.exchange_order_id)
    asked = (wire_symbol(ref.symbol), ref.client_order_id, ref.exchange_order_id)
    for ours, theirs in zip(asked, told, strict=True):
        if ours and ours != theirs:
            raise msgspec.ValidationError(f"it tells of {theirs}, not of {ours}")
    fills = tuple(replace(fill, symbol=ref.symbol) for fill in report.fills)
    return replace(report, symbol=ref.symbol, fills=fills)


def _ignore(body: bytes) -> None:
    """What was cancelled is looked up."""
    msgspec.json.decode(body, type=list[object])


def _parse_orders(body: bytes, symbol: str | None = None) -> list[OrderReport]:
    rows = msgspec.json.decode(body, type=list[dict[str, object]])
    return [parse_order(row, symbol) for row in rows]


def _parse_amended(body: bytes, ref: OrderRef) -> OrderReport:
    return _check_is(ref, parse_order(parse_amended(body)))


def _parse_replacement(body: bytes, ref: OrderRef) -> OrderReport:
    return _check_is(ref, parse_order(parse_replacement(body)))


def _parse_order_list(body: bytes, request: OrderListRequest) -> OrderListReport:
    """In the sequence of the request; raises msgspec.ValidationError where an order is missing."""
    wire = parse_order_list(body)
    told = [parse_order(raw, request.symbol) for raw in wire.order_reports]
    by_name = {report.client_order_id: report for report in told}
    missing = [o.client_order_id for o in request.orders if o.client_order_id not in by_name]
    if missing:
        raise msgspec.ValidationError(f"the list does not tell of order {missing[0]}")
    return OrderListReport(
        exchange_list_id=str(wire.order_list_id),
        client_list_id=wire.list_client_order_id,
        orders=tuple(by_name[order.client_order_id] for order in request.orders),
        raw=msgspec.to_builtins(wire),
    )


def _turn_page(params: dict[str, str], name: str, last_id: int) -> None:
    """Ask from the next id on; an exchange that goes back would be asked for ever."""
    if last_id < int(params.get(name, "0")):
        raise ExchangeError(f"Binance told rows before the {name} it was asked from.")
    params[name] = str(last_id + 1)


def _ref(request: OrderRequest) -> OrderRef:
    return OrderRef(symbol=request.symbol, client_order_id=request.client_order_id)


def _name(ref: OrderRef) -> dict[str, str]:
    params = {"symbol": wire_symbol(ref.symbol)}
    if ref.client_order_id:
        return params | {"origClientOrderId": ref.client_order_id}
    return params | {"orderId": ref.exchange_order_id or ""}


def _priority(request: OrderRequest) -> Priority:
    return Priority.PROTECT if request.is_exit else Priority.ENTRY


def _shrunk_quantity(current: OrderReport, target: OrderRequest) -> Decimal | None:
    """The new total of an order that only gets smaller, filled part included; None for other changes."""
    if not (
        current.order_type is target.order_type is OrderType.LIMIT
        and target.time_in_force is TimeInForce.GTC
        and (current.side, current.price) == (target.side, target.price)
    ):
        return None
    if current.quantity is None or current.filled_quantity is None or target.quantity is None:
        return None
    total = target.quantity + current.filled_quantity
    return total if total < current.quantity else None


def _words(*, can_trade: bool, can_withdraw: bool | None) -> str:
    words = "Connected; the key may trade."
    if not can_trade:
        words = "Connected, but the key may not trade: allow spot trading for it at Binance."
    if can_withdraw:
        words += " It may also withdraw, which is never needed here: take that right away."
    return words
