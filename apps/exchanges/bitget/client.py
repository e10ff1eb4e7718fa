"""Bitget spot over REST: market data and one account in classic mode."""

import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from functools import partial

from apps.domain.candles import Timeframe
from apps.domain.markets import Market
from apps.exchanges.bitget import constants
from apps.exchanges.bitget.constants import CAPABILITIES, EXCHANGE, TPSL, Endpoint
from apps.exchanges.bitget.history import read_candle_range
from apps.exchanges.bitget.order_form import cancel_calls, edit_call, order_call, wire_symbol
from apps.exchanges.bitget.order_reader import OrderReader
from apps.exchanges.bitget.orders import (
    Placed,
    parse_cancelled,
    parse_placed,
    parse_replaced,
)
from apps.exchanges.bitget.parse import (
    KlineRow,
    parse_balances,
    parse_fees,
    parse_key_rights,
    parse_klines,
    parse_markets,
    parse_server_time,
    parse_ticker,
    parse_tickers,
    to_candles,
)
from apps.exchanges.bitget.session import Body, Session
from apps.exchanges.costs import the_market
from apps.exchanges.errors import (
    ExchangeError,
    InsufficientFunds,
    InvalidOrder,
    MarketClosed,
    OrderNotFound,
    OutcomeUnknown,
    UnknownSymbol,
    Unsupported,
)
from apps.exchanges.http import Transport
from apps.exchanges.limits import PROCESS_LIMITS, LimitStore, Priority
from apps.exchanges.parsing import ZERO, read_candles
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
from apps.exchanges.transport import PooledTransport

#: Canonical by wire symbol, per host: facts that never change, so every client may share them.
_symbols_of_host: dict[str, dict[str, str]] = {}


class BitgetClient:
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
        host = base_url or constants.REST_URL
        self._now = now
        self._session = Session(
            credentials,
            transport or PooledTransport(host),
            limits,
            host=host,
            is_demo=testnet,
            now=now,
        )
        self._orders = OrderReader(self._session)
        self._symbols = _symbols_of_host.setdefault(host, {})

    @property
    def venue(self) -> str:
        """What this client's limits and statistics are kept under."""
        return self._session.http.throttle.venue

    def get_server_time(self) -> datetime:
        """The exchange's clock."""
        return self._session.read(constants.TIME, parse_server_time)

    def get_markets(self) -> list[Market]:
        """Every market with its rules, those closed for trading included."""
        markets = self._session.read(constants.SYMBOLS, parse_markets)
        self._symbols.update({wire: market.symbol for wire, market in markets.items()})
        return list(markets.values())

    def get_ticker(self, symbol: str) -> Ticker:
        """Prices of one market."""
        wire = wire_symbol(symbol)
        parse = partial(parse_ticker, symbol=symbol, wire_symbol=wire)
        return self._session.read(constants.TICKERS, parse, {"symbol": wire})

    def fetch_tickers(self, symbols: Collection[str] | None = None) -> dict[str, Ticker]:
        """Prices by symbol, of all markets or of those named; one that does not exist is left out."""
        if symbols is None:
            if not self._symbols:
                self.get_markets()
            parse = partial(parse_tickers, symbols=self._symbols)
            return self._session.read(constants.TICKERS, parse)
        if not symbols:
            return {}
        by_wire = {wire_symbol(symbol): symbol for symbol in symbols}
        # One question is for one market or for all of them.
        params = {"symbol": next(iter(by_wire))} if len(by_wire) == 1 else {}
        try:
            parse = partial(parse_tickers, symbols=by_wire)
            return self._session.read(constants.TICKERS, parse, params)
        except UnknownSymbol:
            return {}

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
        """Candles that open from `start` to `end`, both included, oldest first.

        Minutes without a trade may be missing. Old ones come 200 to a call.
        """
        CAPABILITIES.check_timeframe(timeframe)

        def read(endpoint: Endpoint, params: Mapping[str, str]) -> list[KlineRow]:
            granularity = constants.GRANULARITIES[timeframe]
            market = {"symbol": wire_symbol(symbol), "granularity": granularity}
            return self._session.read(endpoint, parse_klines, {**market, **params})

        if start is None and end is None and limit <= constants.MAX_CANDLES:
            return read_candles(
                lambda: to_candles(read(constants.CANDLES, {"limit": str(limit)})),
                self.get_server_time,
                timeframe,
                self._now(),
                as_of,
            )
        return read_candle_range(
            read,
            timeframe,
            start=start,
            end=end,
            limit=limit,
            server_time=as_of or self.get_server_time(),
        )

    def get_balance(self) -> list[Balance]:
        """Every asset the account holds something of."""
        return self._session.read(constants.ASSETS, parse_balances)

    def get_fees(self, symbol: str) -> Fee:
        """What this account pays in one market, without the discount of paying in BGB."""
        parse = partial(parse_fees, symbol=symbol)
        params = {"symbol": wire_symbol(symbol), "businessType": "spot"}
        return self._session.read(constants.TRADE_RATE, parse, params)

    def place_order(self, request: OrderRequest, *, deadline: datetime) -> OrderReport:
        """Send an order once; Bitget only says that it took it."""
        CAPABILITIES.check_order(request)
        endpoint, body = order_call(request)
        placed = self._session.write(
            endpoint,
            partial(parse_placed, asked=body),
            body,
            priority=_priority(request),
            deadline=deadline,
        )
        return self._acknowledged(request, placed)

    def place_order_list(self, request: OrderListRequest, *, deadline: datetime) -> OrderListReport:
        """Always refused: Bitget ties no orders together but the exits attached to an entry."""
        del deadline
        raise Unsupported(
            f"Bitget has no {request.kind.upper()} order lists. Nothing was sent.",
            exchange=EXCHANGE,
        )

    def cancel_order(self, ref: OrderRef) -> None:
        """Ask for a cancel; Bitget only takes note of it.

        OutcomeUnknown also when no such order is open any more.
        """
        *others, last = cancel_calls(ref)
        for endpoint, body in others:
            try:
                return self._cancel(endpoint, body)
            except OrderNotFound:
                continue  # it may be kept elsewhere
        try:
            return self._cancel(*last)
        except OrderNotFound as e:
            raise _ended(f"open order {ref} to cancel", e) from e

    def cancel_all_orders(self, symbol: str) -> None:
        """Ask for every resting order of a symbol to be cancelled; nothing to cancel is no error."""
        is_begun = False
        try:
            for endpoint, body in self._cancel_all_calls(symbol):
                with suppress(OrderNotFound):
                    self._cancel(endpoint, body)
                is_begun = True
        except OutcomeUnknown:
            raise
        except ExchangeError as e:
            if not is_begun:
                raise
            raise OutcomeUnknown(
                f"Bitget was asked for only some of the cancels in {symbol}, then: {e.message}"
                " Look the orders up, and cancel again what still rests.",
                exchange=EXCHANGE,
                code=e.code,
                raw=e.raw,
            ) from e

    def edit_order(
        self, current: OrderReport, target: OrderRequest, *, deadline: datetime
    ) -> EditReport:
        """A conditional order is amended in place, a limit order is cancelled and placed anew.

        InvalidOrder where a limit order has filled further than `current` tells: read it again. When
        only one half of a replacement was done the outcome is unknown.
        """
        CAPABILITIES.check_order(target)
        endpoint, body = edit_call(current, target)
        if endpoint is constants.CANCEL_REPLACE:
            self._check_is_current(current)
            return self._replace(current, target, body, deadline)
        try:
            placed = self._session.write(
                endpoint,
                partial(parse_placed, asked=body),
                body,
                priority=_priority(target),
                deadline=deadline,
            )
        except OrderNotFound as e:
            raise _ended(f"waiting order {current.ref} to change", e) from e
        order = replace(
            self._acknowledged(target, placed),
            client_order_id=current.client_order_id,
            created_at=current.created_at,
        )
        return EditReport(method=EditMethod.AMENDED, order=order)

    def fetch_order(self, ref: OrderRef) -> OrderReport:
        """The order as it stands, without its fills.

        A conditional order that fired is told with the id and state of the order it placed.
        """
        return self._orders.find(ref)

    def fetch_open_orders(self, symbol: str | None = None) -> list[OrderReport]:
        """Open orders of one symbol, or of all, whoever placed them; conditional ones included."""
        reports = self._orders.read_open(symbol)
        if symbol is not None:
            return reports
        self._learn_symbols(report.symbol for report in reports)
        return [self._with_canonical_symbol(report) for report in reports]

    def fetch_closed_orders(self, symbol: str | None, *, since: datetime) -> list[OrderReport]:
        """Orders created from `since` on that rest no more, oldest first; 90 days back at most."""
        return self._orders.read_closed(the_market(symbol, EXCHANGE), since)

    def fetch_fills(
        self,
        symbol: str | None,
        *,
        exchange_order_id: str | None = None,
        since: datetime | None = None,
    ) -> list[Fill]:
        """Every fill of a symbol, oldest first, optionally of one order; 90 days back at most."""
        return self._orders.read_fills(the_market(symbol, EXCHANGE), exchange_order_id, since)

    def test_connection(self) -> ConnectionReport:
        """Whether the key works and what it may do; the message says what to change."""
        try:
            balances = self.get_balance()
            offset = self._session.measure_clock_offset()
        except ExchangeError as e:
            return ConnectionReport(ok=False, message=e.message)
        try:
            rights = self._session.read(constants.ACCOUNT_INFO, parse_key_rights)
        except ExchangeError as e:
            words = "Connected, but what the key may do could not be read: try again."
            return ConnectionReport(ok=False, message=f"{words} {e.message}")
        return ConnectionReport(
            ok=rights.can_trade,
            message=_words(can_trade=rights.can_trade, can_withdraw=rights.can_withdraw),
            can_trade=rights.can_trade,
            can_withdraw=rights.can_withdraw,
            is_ip_restricted=rights.is_ip_restricted,
            permissions=rights.words,
            balances=tuple(balances),
            server_time_offset=offset,
        )

    def with_canonical_symbol(self, report: OrderReport) -> OrderReport:
        """A report that still carries the wire symbol; one that the exchange does not list stays."""
        self._learn_symbols([report.symbol])
        return self._with_canonical_symbol(report)

    def _learn_symbols(self, wire_symbols: Iterable[str]) -> None:
        if set(wire_symbols) - self._symbols.keys():
            self.get_markets()

    def _with_canonical_symbol(self, report: OrderReport) -> OrderReport:
        symbol = self._symbols.get(report.symbol, report.symbol)
        fills = tuple(replace(fill, symbol=symbol) for fill in report.fills)
        return replace(report, symbol=symbol, fills=fills)

    def _cancel(self, endpoint: Endpoint, body: Body) -> None:
        parse = partial(parse_cancelled, asked=body)
        self._session.write(endpoint, parse, body, priority=Priority.PROTECT)

    def _cancel_all_calls(self, symbol: str) -> Iterator[tuple[Endpoint, Body]]:
        market = {"symbol": wire_symbol(symbol)}
        yield constants.CANCEL_SYMBOL, market
        for order in self._orders.read_tied_exits(symbol):
            tied = {**market, "orderId": order.exchange_order_id, "tpslType": TPSL}
            yield constants.CANCEL, tied
        # Without a list of symbols it would cancel those of all markets.
        yield constants.CANCEL_PLANS, {"symbolList": [wire_symbol(symbol)]}

    def _check_is_current(self, current: OrderReport) -> None:
        # What has filled since `current` was read would be traded again.
        filled = self._orders.find(current.ref).filled_quantity
        if filled != (current.filled_quantity or ZERO):
            raise InvalidOrder(
                f"Order {current.ref} was filled further meanwhile: nothing was changed. Read it"
                " again.",
                exchange=EXCHANGE,
            )

    def _replace(
        self, current: OrderReport, target: OrderRequest, body: Body, deadline: datetime
    ) -> EditReport:
        doubt = (
            f"Bitget did not place {target.client_order_id} instead of {current.ref}, which may be"
            " gone all the same. Look both up."
        )
        try:
            replaced = self._session.write(
                constants.CANCEL_REPLACE,
                partial(parse_replaced, asked=body),
                body,
                priority=_priority(target),
                deadline=deadline,
            )
        except (InsufficientFunds, InvalidOrder, MarketClosed, OrderNotFound) as e:
            raise OutcomeUnknown(
                f"{doubt} Its words: {e.message}", exchange=EXCHANGE, code=e.code, raw=e.raw
            ) from e
        if replaced.refusal is not None:
            raise OutcomeUnknown(
                f"{doubt} Its words: {replaced.refusal}.",
                exchange=EXCHANGE,
                raw=replaced.raw,
            )
        order = self._acknowledged(target, replaced)
        return EditReport(method=EditMethod.REPLACED, order=order)

    def _acknowledged(self, request: OrderRequest, placed: Placed) -> OrderReport:
        return OrderReport.acknowledged(
            request,
            exchange_order_id=placed.exchange_order_id,
            at=placed.at,
            raw=placed.raw,
        )


def _priority(request: OrderRequest) -> Priority:
    return Priority.PROTECT if request.is_exit else Priority.ENTRY


def _ended(what: str, error: OrderNotFound) -> OutcomeUnknown:
    return OutcomeUnknown(
        f"Bitget has no {what}: it has ended or never arrived. {OutcomeUnknown.advice}",
        exchange=EXCHANGE,
        code=error.code,
        raw=error.raw,
    )


def _words(*, can_trade: bool, can_withdraw: bool) -> str:
    words = "Connected; the key may trade."
    if not can_trade:
        words = "Connected, but the key may not trade: allow spot trading for it at Bitget."
    if can_withdraw:
        words += " It may also withdraw, which is never needed here: take that right away."
    return words
