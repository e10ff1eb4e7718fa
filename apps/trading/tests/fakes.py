"""An exchange in memory that answers as it is told to."""

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal

from apps.domain.orders import OrderSide, OrderStatus
from apps.exchanges import errors, ports

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)


def make_fill(quantity: str, price: str = "100", **values: object) -> ports.Fill:
    defaults = {
        "trade_id": "1",
        "exchange_order_id": "7",
        "symbol": "BTC/USDT",
        "side": OrderSide.BUY,
        "fee": Decimal(0),
        "fee_asset": "BTC",
        "is_maker": False,
        "executed_at": NOW,
    }
    return ports.Fill(quantity=Decimal(quantity), price=Decimal(price), **{**defaults, **values})


def make_report(
    status: OrderStatus = OrderStatus.FILLED, *fills: ports.Fill, **values: object
) -> ports.OrderReport:
    filled = sum((fill.quantity for fill in fills), Decimal(0))
    defaults = {
        "symbol": "BTC/USDT",
        "client_order_id": None,
        "exchange_order_id": "7",
        "exchange_status": status.value.upper(),
        "side": fills[0].side if fills else OrderSide.BUY,
        "order_type": None,
        "quantity": filled or Decimal(1),
        "filled_quantity": filled,
        "filled_quote": sum((fill.quantity * fill.price for fill in fills), Decimal(0)),
        "price": None,
        "updated_at": NOW,
        "fills": fills,
        "raw": {"orderId": 7},
    }
    return ports.OrderReport(status=status, **{**defaults, **values})


@dataclass
class FakeExchange:
    """Counts what is sent; `on_place`, `on_edit`, `on_fetch` and `on_cancel` return a report or raise."""

    on_place: Callable[[], ports.OrderReport] = lambda: make_report(OrderStatus.OPEN)
    on_edit: Callable[[], ports.OrderReport] = lambda: make_report(OrderStatus.OPEN)
    on_fetch: Callable[[], ports.OrderReport] = lambda: make_report(OrderStatus.OPEN)
    on_cancel: Callable[[], ports.OrderReport | None] = lambda: None
    fills: list[ports.Fill] = field(default_factory=list)
    tickers: dict[str, Decimal] | errors.ExchangeError = field(default_factory=dict)
    resting: list[ports.OrderReport] = field(default_factory=list)
    closed: list[ports.OrderReport] = field(default_factory=list)
    balances: list[ports.Balance] = field(default_factory=list)
    clock: datetime = NOW
    placed: list[ports.OrderRequest] = field(default_factory=list)
    cancelled: list[ports.OrderRef] = field(default_factory=list)
    edited: list[ports.OrderRequest] = field(default_factory=list)
    asked: list[str | None] = field(default_factory=list)
    fetched: int = 0

    def place_order(self, request: ports.OrderRequest, *, deadline: datetime) -> ports.OrderReport:
        self.placed.append(request)
        return self.on_place()

    def cancel_order(self, ref: ports.OrderRef) -> ports.OrderReport | None:
        self.cancelled.append(ref)
        return self.on_cancel()

    def edit_order(
        self, current: ports.OrderReport, target: ports.OrderRequest, *, deadline: datetime
    ) -> ports.EditReport:
        self.edited.append(target)
        return ports.EditReport(method=ports.EditMethod.AMENDED, order=self.on_edit())

    def fetch_order(self, ref: ports.OrderRef) -> ports.OrderReport:
        self.fetched += 1
        return self.on_fetch()

    def fetch_fills(self, symbol: str | None, **_which: object) -> list[ports.Fill]:
        return [fill for fill in self.fills if symbol in {None, fill.symbol}]

    def fetch_open_orders(self, symbol: str | None = None) -> list[ports.OrderReport]:
        self.asked.append(symbol)
        return [report for report in self.resting if symbol in {None, report.symbol}]

    def fetch_closed_orders(
        self, symbol: str | None, *, since: datetime
    ) -> list[ports.OrderReport]:
        return [report for report in self.closed if symbol in {None, report.symbol}]

    def get_balance(self) -> list[ports.Balance]:
        return self.balances

    def get_server_time(self) -> datetime:
        return self.clock

    def fetch_tickers(self, symbols: Collection[str]) -> dict[str, ports.Ticker]:
        if isinstance(self.tickers, errors.ExchangeError):
            raise self.tickers
        return {
            name: ports.Ticker(symbol=name, last=price, bid=None, ask=None, at_ms=None)
            for name, price in self.tickers.items()
            if name in symbols
        }


def failing(error: errors.ExchangeError) -> Callable[..., ports.OrderReport]:
    def fail(*_asked: object, **_how: object) -> ports.OrderReport:
        raise error

    return fail
