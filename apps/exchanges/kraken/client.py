"""Kraken spot over REST: market data and one account."""

import time
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from functools import partial

from apps.domain.candles import EPOCH, Timeframe
from apps.domain.markets import Market
from apps.exchanges.errors import (
    ExchangeError,
    ExchangeUnavailable,
    OrderNotFound,
    OutcomeUnknown,
    UnknownSymbol,
)
from apps.exchanges.http import Transport
from apps.exchanges.kraken import constants
from apps.exchanges.kraken.constants import CAPABILITIES, EXCHANGE, PAGE_ROWS, Endpoint
from apps.exchanges.kraken.order_form import (
    amend_cost,
    amend_params,
    cancel_cost,
    check_amendable,
    engine_charge,
    order_params,
    priority_of,
    unsupported,
)
from apps.exchanges.kraken.orders import (
    Page,
    Row,
    TradeWire,
    newest_named,
    parse_added,
    parse_amended,
    parse_cancelled,
    parse_closed_orders,
    parse_open_orders,
    parse_order_wires,
    parse_queried_order,
    parse_trades,
    parse_trades_page,
    to_fill,
)
from apps.exchanges.kraken.parse import (
    KeyRights,
    cut_candles,
    parse_balances,
    parse_candles,
    parse_fees,
    parse_key_rights,
    parse_markets,
    parse_server_time,
    parse_ticker,
    parse_tickers,
    to_ticker,
    wire_symbol,
)
from apps.exchanges.kraken.session import Session
from apps.exchanges.limits import PROCESS_LIMITS, LimitStore, Priority
from apps.exchanges.parsing import read_candles
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

#: Canonical by any name of Kraken's, per host: facts that never change, so every client may share them.
_symbols_of_host: dict[str, dict[str, str]] = {}


class KrakenClient:
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
            raise unsupported("spot testnet")
        host = base_url or constants.REST_URL
        self._now = now
        self._is_real = host == constants.REST_URL
        self._session = Session(
            credentials, transport or PooledTransport(host), limits, host=host, now=now
        )
        self._symbols = _symbols_of_host.setdefault(host, {})

    @property
    def venue(self) -> str:
        """What this client's limits and statistics are kept under."""
        return self._session.http.throttle.venue

    def get_server_time(self) -> datetime:
        """The exchange's clock, in whole seconds."""
        return self._session.read(constants.TIME, parse_server_time)

    def get_markets(self) -> list[Market]:
        """Every market with its rules, those closed for trading included."""
        listings = self._session.read(constants.ASSET_PAIRS, parse_markets)
        for names, market in listings:
            self._symbols.update(dict.fromkeys(names, market.symbol))
        return [market for _names, market in listings]

    def get_ticker(self, symbol: str) -> Ticker:
        """Prices of one market; Kraken tells neither their time nor the change in 24 hours."""
        parse = partial(parse_ticker, symbol=symbol)
        return self._session.read(constants.TICKER, parse, {"pair": wire_symbol(symbol)})

    def fetch_tickers(self, symbols: Collection[str] | None = None) -> dict[str, Ticker]:
        """Prices by symbol, of all markets or of those named; one that does not exist is left out."""
        if symbols is not None and not symbols:
            return {}
        if symbols is not None and len(symbols) <= constants.MAX_NAMED_TICKERS:
            try:
                names = ",".join(sorted(map(wire_symbol, symbols)))
                tickers = self._read_tickers({"pair": names})
            except UnknownSymbol:
                tickers = self._read_tickers({})  # one of them refuses all
        else:
            tickers = self._read_tickers({})
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
        """Candles that open from `start` to `end`, both included, oldest first.

        Kraken gives the newest 720 whatever is asked for: what lies before them can't be had.
        """
        CAPABILITIES.check_timeframe(timeframe)
        params = {
            "pair": wire_symbol(symbol),
            "interval": str(constants.INTERVALS[timeframe]),
        }
        if start is not None:
            # Exclusive, so that one candle earlier is asked for.
            params["since"] = str(int((start - timeframe.duration).timestamp()))
        candles = read_candles(
            lambda: self._session.read(constants.OHLC, parse_candles, params),
            self.get_server_time,
            timeframe,
            self._now(),
            as_of,
        )
        return cut_candles(candles, start, end, limit)

    def get_balance(self) -> list[Balance]:
        """Every asset the account holds something of that it can trade."""
        return self._session.private_read(constants.BALANCE, parse_balances)

    def get_fees(self, symbol: str) -> Fee:
        """What this account pays in one market."""
        parse = partial(parse_fees, symbol=symbol)
        params = {"pair": wire_symbol(symbol)}
        return self._session.private_read(constants.TRADE_VOLUME, parse, params)

    def place_order(self, request: OrderRequest, *, deadline: datetime) -> OrderReport:
        """Send an order once; Kraken tells no more than that it took it.

        An attached exit is Kraken's conditional close, which can't carry a client order id.
        """
        CAPABILITIES.check_order(request)
        return self._session.write(
            constants.ADD_ORDER,
            partial(parse_added, request=request),
            order_params(request),
            charges=(engine_charge(request.symbol),),
            priority=priority_of(request),
            deadline=deadline,
        )

    def place_order_list(self, request: OrderListRequest, *, deadline: datetime) -> OrderListReport:
        """Always refused: Kraken ties no orders together."""
        del deadline
        raise unsupported(f"{request.kind.upper()} order lists")

    def cancel_order(self, ref: OrderRef) -> None:
        """Kraken only takes note; OutcomeUnknown also when no such order is open any more."""
        cost = cancel_cost(ref.placed_at, self._now())
        try:
            count = self._session.write(
                constants.CANCEL_ORDER,
                parse_cancelled,
                _name(ref),
                charges=(engine_charge(ref.symbol, cost),),
                priority=Priority.PROTECT,
            )
        except OrderNotFound as e:
            raise _nothing_to_cancel(ref, e) from e
        if count == 0:
            raise _nothing_to_cancel(ref)

    def cancel_all_orders(self, symbol: str) -> None:
        """Cancel the open orders of a symbol in batches; none is no error.

        Never by CancelAll, which is the whole account. Every batch is sent before OutcomeUnknown
        tells that Kraken cancelled fewer; what goes wrong after the first batch is that too.
        """
        orders = self._read_open_orders(symbol, Priority.PROTECT)
        total, cancelled = len(orders), 0
        refused: OrderNotFound | None = None
        for first in range(0, total, constants.MAX_ORDERS):
            batch = orders[first : first + constants.MAX_ORDERS]
            try:
                cancelled += self._cancel_batch([order.exchange_order_id for order in batch])
            except OrderNotFound as e:
                refused = e
            except ExchangeError as e:
                if not first:
                    raise
                words = (
                    f"Kraken had been asked to cancel {first} of {total} orders in {symbol} when"
                    f" this came: {e.message} Look them up."
                )
                raise _doubt(words, e) from e
        if cancelled < total:
            words = (
                f"Kraken says it cancelled {cancelled} of {total} orders in {symbol}: look them up."
            )
            raise _doubt(words, refused) from refused

    def edit_order(
        self, current: OrderReport, target: OrderRequest, *, deadline: datetime
    ) -> EditReport:
        """Amend quantity, limit price and trigger price in place; the order keeps its ids.

        Another market, side, type or trailing distance is Unsupported. Where nothing differs nothing
        is sent. OrderNotFound: the order has ended, and nothing was changed.
        """
        CAPABILITIES.check_order(target)
        check_amendable(current, target)
        if current.filled_quantity is None:
            current = self.fetch_order(current.ref)
        changes = amend_params(current, target)
        if not changes:
            return EditReport(method=EditMethod.AMENDED, order=current)
        cost = amend_cost(current.created_at, self._now())
        amend_id = self._session.write(
            constants.AMEND_ORDER,
            parse_amended,
            {**_name(current.ref), **changes},
            charges=(engine_charge(current.symbol, cost),),
            priority=priority_of(target),
            deadline=deadline,
        )
        order = replace(
            current,
            quantity=target.quantity and target.quantity + (current.filled_quantity or 0),
            price=target.price,
            trigger_price=target.trigger_price,
            filled_quantity=None,
            filled_quote=None,
            fills=(),
            raw={"amend_id": amend_id},
        )
        return EditReport(method=EditMethod.AMENDED, order=order)

    def fetch_order(self, ref: OrderRef) -> OrderReport:
        """The order as it stands, without its fills.

        By our id it is looked for among the open orders, then among those that ended: orders move
        that way only, so it can't slip through.
        """
        txid = ref.exchange_order_id
        report = self._find_by_txid(txid, ref) if txid else self._find_by_our_id(ref)
        if report is None:
            raise OrderNotFound(
                f"Kraken knows no order {ref}. {OrderNotFound.advice}", exchange=EXCHANGE
            )
        report = self._finished(report, ref.symbol)
        # One that is not listed any more has a name that can't be compared.
        if report.symbol != ref.symbol and "/" in report.symbol:
            raise ExchangeUnavailable(
                f"Kraken was asked for order {ref} in {ref.symbol}, and its answer is about an order"
                f" in {report.symbol}. {ExchangeUnavailable.advice}",
                exchange=EXCHANGE,
                raw=report.raw,
            )
        return report

    def fetch_open_orders(self, symbol: str | None = None) -> list[OrderReport]:
        """Open orders of one symbol, or of all, whoever placed them, oldest first."""
        reports = self._read_open_orders(symbol, Priority.READ)
        if symbol is None:
            self._learn_symbols(report.symbol for report in reports)
        return _oldest_first(self._finished(report, symbol) for report in reports)

    def fetch_closed_orders(self, symbol: str | None, *, since: datetime) -> list[OrderReport]:
        """Orders created from `since` on that rest no more, oldest first; of all markets without one."""
        # Newest first: what ends meanwhile shifts rows to later pages, and none is missed.
        params = {"start": _just_before(since), "closetime": "open"}
        reports = self._read_pages(constants.CLOSED_ORDERS, parse_closed_orders, params).values()
        return _oldest_first(
            self._finished(report, symbol)
            for report in reports
            if (symbol is None or self._is_in(symbol, report.symbol))
            and (report.created_at or EPOCH) >= since
        )

    def fetch_fills(
        self,
        symbol: str | None,
        *,
        exchange_order_id: str | None = None,
        since: datetime | None = None,
    ) -> list[Fill]:
        """Every fill, oldest first, of a symbol or of all, optionally of one order, from `since` on.

        Trades tell no fee currency. Their orders are asked for it (one more question for 50 orders):
        it is the quote currency, unless an order asked for fees in base and the figure can be one.
        """
        if exchange_order_id is None:
            trades = self._read_trades(symbol, since)
            flags = self._read_flags({trade.ordertxid for trade in trades.values()})
        else:
            trades, flags = self._read_trades_of_order(exchange_order_id)
        fills = [
            to_fill(
                trade_id, trade, symbol or self._symbols[trade.pair], flags.get(trade.ordertxid)
            )
            for trade_id, trade in trades.items()
        ]
        fills.sort(key=lambda fill: (fill.executed_at, fill.trade_id))
        return [fill for fill in fills if since is None or fill.executed_at >= since]

    def test_connection(self) -> ConnectionReport:
        """Whether the key works and what it may do; the message says what to change."""
        try:
            offset = self._session.measure_clock_offset()
            balances = self.get_balance()
        except ExchangeError as e:
            return ConnectionReport(ok=False, message=e.message)
        try:
            rights = self._read_key_rights()
        except ExchangeError as e:
            words = "What the key may do could not be read: try again."
            return ConnectionReport(ok=False, message=f"{words} {e.message}")
        permissions = rights.permissions if rights else ()
        missing = [r for r in constants.NEEDED_RIGHTS if rights and r not in permissions]
        can_withdraw = constants.MAY_WITHDRAW in permissions if rights else None
        return ConnectionReport(
            ok=not missing,
            message=_words(rights, missing),
            can_trade=constants.MAY_TRADE in permissions if rights else None,
            can_withdraw=can_withdraw,
            is_ip_restricted=rights.is_ip_restricted if rights else None,
            permissions=permissions,
            balances=tuple(balances),
            server_time_offset=offset,
        )

    def _read_tickers(self, params: Mapping[str, str]) -> dict[str, Ticker]:
        wires = self._session.read(constants.TICKER, parse_tickers, params)
        self._learn_symbols(wires)
        symbols = ((self._symbols[name], wire) for name, wire in wires.items())
        # A name without a slash is not of a listed market.
        return {symbol: to_ticker(symbol, wire) for symbol, wire in symbols if "/" in symbol}

    def _read_open_orders(self, symbol: str | None, priority: Priority) -> list[OrderReport]:
        reports = self._session.private_read(
            constants.OPEN_ORDERS, parse_open_orders, priority=priority
        )
        return [r for r in reports if symbol is None or self._is_in(symbol, r.symbol)]

    def _cancel_batch(self, txids: list[str]) -> int:
        """How many of them Kraken says it cancelled, or is about to."""
        is_batch = len(txids) > 1  # whether a batch may be of one is not documented
        count = self._session.write(
            constants.CANCEL_BATCH if is_batch else constants.CANCEL_ORDER,
            parse_cancelled,
            {"orders": txids} if is_batch else {"txid": txids[0]},
            # What the engine counts for a batch is not documented: its no is the limit.
            charges=(),
            priority=Priority.PROTECT,
        )
        return len(txids) if count is None else min(count, len(txids))

    def _find_by_txid(self, txid: str, ref: OrderRef) -> OrderReport | None:
        return self._session.private_read(
            constants.QUERY_ORDERS,
            partial(parse_queried_order, txid=txid, client_order_id=ref.client_order_id),
            {"txid": txid},
            priority=Priority.PROTECT,
        )

    def _find_by_our_id(self, ref: OrderRef) -> OrderReport | None:
        name, params = ref.client_order_id or "", _name(ref)
        reports = self._session.private_read(
            constants.OPEN_ORDERS, parse_open_orders, params, priority=Priority.PROTECT
        )
        if found := newest_named(reports, name):
            return found
        closed = self._session.private_read(
            constants.CLOSED_ORDERS, parse_closed_orders, params, priority=Priority.PROTECT
        )
        return newest_named(closed.rows.values(), name)

    def _read_trades(self, symbol: str | None, since: datetime | None) -> dict[str, TradeWire]:
        # One row for each execution, as the stream tells them, and not one for each order taken.
        params = {"consolidate_taker": "false"}
        if since is not None:
            params["start"] = _just_before(since)
        trades = self._read_pages(constants.TRADES_HISTORY, parse_trades_page, params)
        self._learn_symbols(trade.pair for trade in trades.values())
        return {
            id_: trade
            for id_, trade in trades.items()
            if symbol is None or self._is_in(symbol, trade.pair)
        }

    def _read_trades_of_order(
        self, txid: str
    ) -> tuple[dict[str, TradeWire], dict[str, str | None]]:
        orders = self._session.private_read(
            constants.QUERY_ORDERS,
            parse_order_wires,
            {"txid": txid, "trades": "true", "consolidate_taker": "false"},
            priority=Priority.PROTECT,
        )
        if txid not in orders:
            raise OrderNotFound(
                f"Kraken knows no order {txid}. {OrderNotFound.advice}", exchange=EXCHANGE
            )
        trades: dict[str, TradeWire] = {}
        ids = orders[txid].trades or ()
        for first in range(0, len(ids), constants.MAX_TRADES):
            trades |= self._session.private_read(
                constants.QUERY_TRADES,
                parse_trades,
                {"txid": ",".join(ids[first : first + constants.MAX_TRADES])},
                priority=Priority.PROTECT,
                # Given up here, what was spent so far would be spent again and again.
                patience=constants.PAGE_PATIENCE_SECONDS,
            )
        return trades, {txid: orders[txid].oflags}

    def _read_flags(self, txids: Iterable[str]) -> dict[str, str | None]:
        flags: dict[str, str | None] = {}
        names = sorted(txids)
        for first in range(0, len(names), constants.MAX_ORDERS):
            orders = self._session.private_read(
                constants.QUERY_ORDERS,
                parse_order_wires,
                {"txid": ",".join(names[first : first + constants.MAX_ORDERS])},
                patience=constants.PAGE_PATIENCE_SECONDS,
            )
            flags |= {txid: order.oflags for txid, order in orders.items()}
        return flags

    def _read_pages(
        self,
        endpoint: Endpoint,
        parse: Callable[[bytes], Page[Row]],
        params: Mapping[str, str],
    ) -> dict[str, Row]:
        rows: dict[str, Row] = {}
        offset = 0
        while True:
            page = self._session.private_read(
                endpoint,
                parse,
                {**params, "ofs": str(offset)} if offset else params,
                patience=constants.PAGE_PATIENCE_SECONDS if offset else 0.0,
            )
            # An exchange that tells the same rows for ever is not asked for ever.
            is_news = not page.rows.keys() <= rows.keys()
            rows |= page.rows
            offset += len(page.rows)
            is_short = len(page.rows) < PAGE_ROWS and (page.total is None or offset >= page.total)
            if is_short or not is_news:
                return rows

    def _read_key_rights(self) -> KeyRights | None:
        try:
            return self._session.private_read(constants.KEY_INFO, parse_key_rights)
        except ExchangeError as e:
            # Only the real exchange is sure to have this question.
            if self._is_real or e.code not in constants.NO_SUCH_CALL:
                raise
            return None

    def _learn_symbols(self, names: Iterable[str]) -> None:
        unknown = set(names) - self._symbols.keys()
        if unknown:
            self.get_markets()
            # What is not listed any more keeps Kraken's name, and is not asked for again.
            self._symbols.update({n: n for n in unknown if n not in self._symbols})

    def _is_in(self, symbol: str, name: str) -> bool:
        return name == wire_symbol(symbol) or self._symbols.get(name) == symbol

    def _finished(self, report: OrderReport, symbol: str | None) -> OrderReport:
        """A report with its canonical symbol."""
        if symbol is None or not self._is_in(symbol, report.symbol):
            self._learn_symbols([report.symbol])
            symbol = self._symbols[report.symbol]
        return replace(report, symbol=symbol)


def _name(ref: OrderRef) -> dict[str, str]:
    """Kraken's own id where it is known: only that is unique for ever."""
    if ref.exchange_order_id:
        return {"txid": ref.exchange_order_id}
    return {"cl_ord_id": ref.client_order_id or ""}


def _just_before(since: datetime) -> str:
    """A start, which is exclusive and in whole seconds, that leaves out nothing from `since` on."""
    return str(int(since.timestamp()) - 1)


def _oldest_first(reports: Iterable[OrderReport]) -> list[OrderReport]:
    return sorted(reports, key=lambda report: report.created_at or EPOCH)


def _nothing_to_cancel(ref: OrderRef, cause: ExchangeError | None = None) -> OutcomeUnknown:
    words = f"Kraken has no open order {ref} to cancel: it has ended or never arrived."
    return _doubt(f"{words} {OutcomeUnknown.advice}", cause)


def _doubt(message: str, cause: ExchangeError | None) -> OutcomeUnknown:
    return OutcomeUnknown(
        message,
        exchange=EXCHANGE,
        code=cause.code if cause else None,
        raw=cause.raw if cause else None,
    )


def _words(rights: KeyRights | None, missing: list[str]) -> str:
    if rights is None:
        return "Connected; what the key may do was not told."
    words = "Connected; the key may trade."
    if missing:
        words = f"Connected, but the key lacks rights: give it {', '.join(missing)} at Kraken."
    if constants.MAY_WITHDRAW in rights.permissions:
        words += " It may also withdraw, which is never needed here: take that right away."
    return words
