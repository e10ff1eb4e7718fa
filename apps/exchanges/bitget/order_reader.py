"""Orders and fills of one account, wherever Bitget keeps them: ordinary ones, the exits tied to an
entry, and the conditional ("plan") orders, each in a list of open and a list of past ones."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from itertools import chain

from apps.domain.orders import OrderStatus
from apps.exchanges.bitget import constants
from apps.exchanges.bitget.constants import EXCHANGE, NORMAL, TPSL, Endpoint
from apps.exchanges.bitget.history import history_windows, read_pages
from apps.exchanges.bitget.order_form import wire_symbol
from apps.exchanges.bitget.orders import (
    Page,
    merge_fired,
    parse_fills,
    parse_found_order,
    parse_orders,
    parse_plans,
    parse_sub_orders,
)
from apps.exchanges.bitget.session import Session
from apps.exchanges.errors import OrderNotFound
from apps.exchanges.limits import Priority
from apps.exchanges.parsing import ZERO
from apps.exchanges.ports import Fill, OrderRef, OrderReport

#: How much earlier than we think an order may have been created.
_PLACED_SLACK = timedelta(hours=1)
_RESTING = frozenset({OrderStatus.OPEN, OrderStatus.PARTIALLY_FILLED})


class OrderReader:
    """Looks orders up; without a symbol its reports carry the wire symbol."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def find(self, ref: OrderRef) -> OrderReport:
        """One order, looked for where its type is kept; raises OrderNotFound."""
        look_ups = [self._find_ordinary, self._find_plan]
        if ref.order_type is not None and not ref.order_type.is_conditional:
            look_ups = [self._find_ordinary]
        elif ref.order_type is not None:
            # One that fired may be named by the id of the ordinary order it placed.
            look_ups = [self._find_plan, self._find_ordinary]
        for look_up in look_ups:
            if (report := look_up(ref)) is not None:
                return replace(report, order_type=report.order_type or ref.order_type)
        raise OrderNotFound(
            f"Bitget knows no order {ref} in {ref.symbol}. {OrderNotFound.advice}",
            exchange=EXCHANGE,
        )

    def read_open(self, symbol: str | None) -> list[OrderReport]:
        """What rests, oldest first."""
        params = {} if symbol is None else {"symbol": wire_symbol(symbol)}
        orders, plans = partial(parse_orders, symbol=symbol), partial(parse_plans, symbol=symbol)
        return _oldest_first(
            [
                *self._read_all(constants.OPEN_ORDERS, orders, {**params, "tpslType": NORMAL}),
                *self._read_all(constants.OPEN_ORDERS, orders, {**params, "tpslType": TPSL}),
                *self._read_all(constants.OPEN_PLANS, plans, params),
            ]
        )

    def read_tied_exits(self, symbol: str) -> list[OrderReport]:
        """The stop losses and take profits that came with an entry and rest now."""
        params = {"symbol": wire_symbol(symbol), "tpslType": TPSL}
        parse = partial(parse_orders, symbol=symbol)
        exits = self._read_all(constants.OPEN_ORDERS, parse, params, priority=Priority.PROTECT)
        return list(exits)

    def read_closed(self, symbol: str, since: datetime) -> list[OrderReport]:
        """What was created from `since` on and rests no more, oldest first.

        A conditional order that fired is told once, with the id and state of the order it placed.
        """
        orders, plans = partial(parse_orders, symbol=symbol), partial(parse_plans, symbol=symbol)
        found: dict[str, OrderReport] = {}
        past_plans: list[OrderReport] = []
        for window in history_windows(since, self._session.now()):
            params = {"symbol": wire_symbol(symbol), **window}
            for kind in (NORMAL, TPSL):
                of_kind = {**params, "tpslType": kind}
                for order in self._read_all(constants.ORDER_HISTORY, orders, of_kind):
                    found[order.exchange_order_id] = order
            past_plans += self._read_all(constants.PLAN_HISTORY, plans, params)
        for plan in past_plans:
            report = self._after_trigger(plan, found)
            found[report.exchange_order_id] = report
        return _oldest_first(
            [
                report
                for report in found.values()
                if report.status not in _RESTING and _is_since(report.created_at, since)
            ]
        )

    def read_fills(
        self, symbol: str, exchange_order_id: str | None, since: datetime | None
    ) -> list[Fill]:
        """Fills of a symbol or of one order, oldest first."""
        params = {"symbol": wire_symbol(symbol)}
        windows = history_windows(since, self._session.now())
        if exchange_order_id is not None:
            windows = iter([{"orderId": exchange_order_id}])
        read = partial(self._session.read, constants.FILLS, partial(parse_fills, symbol=symbol))
        fills = {
            fill.trade_id: fill
            for window in windows
            for fill in read_pages(read, {**params, **window})
        }
        told = [fill for fill in fills.values() if _is_since(fill.executed_at, since)]
        return sorted(told, key=lambda fill: (fill.executed_at, _age(fill.trade_id)))

    def _read_all(
        self,
        endpoint: Endpoint,
        parse: Callable[[bytes], Page[OrderReport]],
        params: Mapping[str, str],
        *,
        priority: Priority = Priority.READ,
    ) -> Iterator[OrderReport]:
        read = partial(self._session.read, endpoint, parse, priority=priority)
        return read_pages(read, params)

    def _find_ordinary(self, ref: OrderRef) -> OrderReport | None:
        names = {"clientOid": ref.client_order_id, "orderId": ref.exchange_order_id}
        for name, value in names.items():
            if not value:
                continue
            asked = {name: value}
            parse = partial(parse_found_order, symbol=ref.symbol, asked=asked)
            try:
                report = self._session.read(
                    constants.ORDER_INFO, parse, asked, priority=Priority.PROTECT
                )
            except OrderNotFound:
                continue
            if report is not None:
                return report
        return None

    def _find_plan(self, ref: OrderRef) -> OrderReport | None:
        market = {"symbol": wire_symbol(ref.symbol)}
        parse = partial(parse_plans, symbol=ref.symbol)
        since = ref.placed_at and ref.placed_at - _PLACED_SLACK
        # Asked for in this order, one that fires in between is in a later answer.
        questions = chain(
            [(constants.OPEN_PLANS, market)],
            (
                (constants.PLAN_HISTORY, market | window)
                for window in history_windows(since, self._session.now())
            ),
        )
        for endpoint, params in questions:
            for plan in self._read_all(endpoint, parse, params, priority=Priority.PROTECT):
                if _is_meant(plan, ref):
                    return self._after_trigger(plan, {})
        return None

    def _after_trigger(self, plan: OrderReport, known: Mapping[str, OrderReport]) -> OrderReport:
        """A conditional order, with the state of the order it placed where it fired."""
        if plan.exchange_status != constants.EXECUTED:
            return plan
        params = {"planOrderId": plan.exchange_order_id}
        for sub_order in self._session.read(
            constants.PLAN_SUB_ORDERS, parse_sub_orders, params, priority=Priority.PROTECT
        ):
            if sub_order.status == constants.SUB_ORDER_REFUSED:
                return replace(
                    plan, status=OrderStatus.REJECTED, filled_quantity=ZERO, filled_quote=ZERO
                )
            if sub_order.status == constants.SUB_ORDER_PLACED:
                ref = OrderRef(symbol=plan.symbol, exchange_order_id=sub_order.order_id)
                order = known.get(sub_order.order_id) or self._find_ordinary(ref)
                if order is not None:
                    return merge_fired(plan, order)
        return plan


def _is_meant(report: OrderReport, ref: OrderRef) -> bool:
    if ref.client_order_id:
        return report.client_order_id == ref.client_order_id
    return report.exchange_order_id == ref.exchange_order_id


def _is_since(at: datetime | None, since: datetime | None) -> bool:
    return since is None or at is None or at >= since


def _oldest_first(reports: list[OrderReport]) -> list[OrderReport]:
    def key(report: OrderReport) -> tuple[float, tuple[int, str]]:
        created = report.created_at.timestamp() if report.created_at else 0.0
        return created, _age(report.exchange_order_id)

    return sorted(reports, key=key)


def _age(told_id: str) -> tuple[int, str]:
    """Older ids are smaller numbers: digits compare by length first."""
    return len(told_id), told_id
