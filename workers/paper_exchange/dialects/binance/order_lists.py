"""Endpoints of order lists: OCO, OTO and OTOCO."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from decimal import Decimal

from apps.domain.orders import OrderListKind, OrderSide, OrderType
from workers.paper_exchange.dialects.binance import account_rows, errors
from workers.paper_exchange.dialects.binance.changes import cancel_list
from workers.paper_exchange.dialects.binance.filters import LARGEST_LIST_COUNT
from workers.paper_exchange.dialects.binance.history import chosen_lists
from workers.paper_exchange.dialects.binance.names import LIMIT_MAKER, get_market
from workers.paper_exchange.dialects.binance.order_form import OrderForm, generated_id
from workers.paper_exchange.dialects.binance.parameters import Parameters
from workers.paper_exchange.exchange import PaperExchange
from workers.paper_exchange.orders import (
    ZERO,
    Account,
    NewOrder,
    OrderList,
    OrderRejected,
    RejectionReason,
)

Row = dict[str, object]
_WORKING_TYPES = {"LIMIT", LIMIT_MAKER}


def place_oco(exchange: PaperExchange, account: Account, parameters: Parameters) -> Row:
    """Two legs of one size, one above the price and one below it."""
    form = OrderForm(exchange, account, parameters)
    legs = _read_legs(form, ("above", "below"), form.side(), form.quantity)
    _check_prices(form, legs)
    return _place(exchange, account, parameters, form, OrderListKind.OCO, legs)


def place_oto(exchange: PaperExchange, account: Account, parameters: Parameters) -> Row:
    """An order, and another one that is set up when it is filled."""
    form = OrderForm(exchange, account, parameters)
    entry = _read_entry(form)
    pending = form.order("pending", form.type_word("pending"), form.side("pending"))
    return _place(exchange, account, parameters, form, OrderListKind.OTO, [entry, pending])


def place_otoco(exchange: PaperExchange, account: Account, parameters: Parameters) -> Row:
    """An order, and two legs that are set up when it is filled."""
    form = OrderForm(exchange, account, parameters)
    entry = _read_entry(form)
    roles = ("pendingAbove", "pendingBelow")
    legs = _read_legs(form, roles, form.side("pending"), lambda: form.quantity("pending"))
    return _place(exchange, account, parameters, form, OrderListKind.OTOCO, [entry, *legs])


def place_opo(exchange: PaperExchange, account: Account, parameters: Parameters) -> Row:
    """A purchase, and an order that sells what it has brought."""
    form = OrderForm(exchange, account, parameters)
    entry, side = _read_purchase(form)
    pending = form.order("pending", form.type_word("pending"), side, entry.quantity)
    return _place(exchange, account, parameters, form, OrderListKind.OTO, [entry, pending])


def place_opoco(exchange: PaperExchange, account: Account, parameters: Parameters) -> Row:
    """A purchase, and two legs that sell what it has brought."""
    form = OrderForm(exchange, account, parameters)
    entry, side = _read_purchase(form)
    roles = ("pendingAbove", "pendingBelow")
    legs = _read_legs(form, roles, side, lambda: entry.quantity)
    return _place(exchange, account, parameters, form, OrderListKind.OTOCO, [entry, *legs])


def place_classic_oco(exchange: PaperExchange, account: Account, parameters: Parameters) -> Row:
    """A limit order and a stop by their names of old, which the exchange still takes."""
    side = parameters.required("side")
    stop = "below" if side == "SELL" else "above"
    limit = "above" if side == "SELL" else "below"
    has_limit = parameters.peek("stopLimitPrice") is not None
    parameters.rename(
        {
            "price": f"{limit}Price",
            "limitClientOrderId": f"{limit}ClientOrderId",
            "limitIcebergQty": f"{limit}IcebergQty",
            "stopPrice": f"{stop}StopPrice",
            "trailingDelta": f"{stop}TrailingDelta",
            "stopClientOrderId": f"{stop}ClientOrderId",
            "stopLimitPrice": f"{stop}Price",
            "stopLimitTimeInForce": f"{stop}TimeInForce",
            "stopIcebergQty": f"{stop}IcebergQty",
        },
        {
            f"{limit}Type": LIMIT_MAKER,
            f"{stop}Type": "STOP_LOSS_LIMIT" if has_limit else "STOP_LOSS",
        },
    )
    return place_oco(exchange, account, parameters)


def query_list(exchange: PaperExchange, account: Account, parameters: Parameters) -> Row:
    """One order list, whatever became of it."""
    del exchange
    list_id = parameters.integer("orderListId")
    client_id = parameters.client_id("origClientOrderId")
    parameters.finish()
    if list_id is None and client_id is None:
        raise errors.missing_either("orderListId", "origClientOrderId")
    return account_rows.list_row(account, _find(account, list_id, client_id, is_query=True))


def cancel_order_list(exchange: PaperExchange, account: Account, parameters: Parameters) -> Row:
    """Cancel an order list whole."""
    market = get_market(exchange, parameters.required_symbol())
    list_id = parameters.integer("orderListId")
    client_id = parameters.client_id("listClientOrderId")
    cancel_id = parameters.client_id("newClientOrderId")
    parameters.finish()
    if list_id is None and client_id is None:
        raise errors.missing_either("orderListId", "listClientOrderId")
    listed = _find(account, list_id, client_id, is_query=False)
    if listed.symbol != market.symbol or not _is_open(account, listed):
        raise errors.unknown_order_cancelled()
    return cancel_list(exchange, account, listed, cancel_id)


def all_order_lists(exchange: PaperExchange, account: Account, parameters: Parameters) -> list[Row]:
    """Order lists by id or time, oldest first."""
    del exchange
    return [account_rows.list_row(account, each) for each in chosen_lists(account, parameters)]


def open_order_lists(
    exchange: PaperExchange, account: Account, parameters: Parameters
) -> list[Row]:
    """Order lists of which something may still trade."""
    del exchange
    parameters.finish()
    return [
        account_rows.list_row(account, listed)
        for listed in account.lists.values()
        if _is_open(account, listed)
    ]


def _read_entry(form: OrderForm) -> NewOrder:
    word = form.type_word("working")
    if word not in _WORKING_TYPES:
        raise errors.invalid_data("workingType")
    return form.order("working", word, form.side("working"))


def _read_purchase(form: OrderForm) -> tuple[NewOrder, OrderSide]:
    """The entry of a list that sells what it has bought, and that side."""
    entry, side = _read_entry(form), form.side("pending")
    if entry.side is not OrderSide.BUY:
        raise errors.refused_list(-1222)
    if side is not OrderSide.SELL:
        raise errors.refused_list(-1223)
    return entry, side


def _read_legs(
    form: OrderForm, roles: tuple[str, str], side: OrderSide, read_quantity: Callable[[], Decimal]
) -> list[NewOrder]:
    """The leg above and the one below; a stop is told first, and holds the money."""
    quantity = read_quantity()
    words = [form.type_word(role) for role in roles]
    if words == [LIMIT_MAKER, LIMIT_MAKER]:
        raise errors.refused_list(-1168)
    for role, word in zip(roles, words, strict=True):
        _check_place(word, side, is_above=role.lower().endswith("above"))
    legs = [form.order(role, word, side, quantity) for role, word in zip(roles, words, strict=True)]
    return sorted(legs, key=lambda leg: not leg.order_type.is_stop)


def _check_place(word: str, side: OrderSide, *, is_above: bool) -> None:
    """A sale takes profit above the price and stops below it, a purchase the other way round."""
    is_buy = side is OrderSide.BUY
    if word.startswith("STOP_LOSS"):
        if is_above != is_buy:
            raise errors.refused_list(-1196 if is_buy else -1197)
    elif word == LIMIT_MAKER:
        if is_above == is_buy:
            raise errors.refused_list(-1165 if is_buy else -1166)
    elif word.startswith("TAKE_PROFIT"):
        if is_above == is_buy:
            raise errors.refused_list(-1198 if is_buy else -1199)
    else:
        raise errors.refused_list(-1158)


def _check_prices(form: OrderForm, legs: Sequence[NewOrder]) -> None:
    """Raise for legs between which the price doesn't lie."""
    price = form.price
    for leg in legs:
        own = leg.trigger_price or leg.price
        is_above = leg.order_type.is_stop == (leg.side is OrderSide.BUY)
        if leg.order_type is not OrderType.LIMIT and not leg.trigger_price:
            continue  # it trails the price wherever that goes
        if own <= price if is_above else own >= price:
            text = "The relationship of the prices for the orders is not correct."
            raise errors.refused_order(text)


def _place(
    exchange: PaperExchange,
    account: Account,
    parameters: Parameters,
    form: OrderForm,
    kind: OrderListKind,
    wanted: Sequence[NewOrder],
) -> Row:
    client_id = parameters.client_id("listClientOrderId") or generated_id(exchange, account, "list")
    response_type = form.response_type("RESULT")
    parameters.finish()
    _check_names(account, client_id, wanted)
    form.check(wanted)
    market_lists = [
        each
        for each in account.lists.values()
        if each.symbol == form.market.symbol and _is_open(account, each)
    ]
    if len(market_lists) >= LARGEST_LIST_COUNT:
        raise errors.filter_failure("MAX_NUM_ORDER_LISTS")
    if parameters.peek("pendingSide") and parameters.peek("pendingQuantity") is None:
        # It was judged by what the entry buys at most, and gets what that has brought.
        wanted = [wanted[0], *(replace(order, quantity=ZERO) for order in wanted[1:])]
    quote, now_ms = exchange.quote(form.market.symbol), exchange.clock.now_ms()
    try:
        listed = exchange.engine.place_list(account, kind, client_id, wanted, quote, now_ms)
    except OrderRejected as rejection:
        raise errors.rejected(rejection.reason) from rejection
    orders = [account.orders[order_id] for order_id in listed.order_ids]
    reports = [
        account_rows.placed_order_row(order, account.fills_of(order), response_type)
        for order in orders
    ]
    return {**account_rows.list_row(account, listed), "orderReports": reports}


def _check_names(account: Account, client_id: str, wanted: Sequence[NewOrder]) -> None:
    """Raise for a list's name that an open one has, and for an order's name that comes twice."""
    names = {order.client_order_id for order in wanted}
    taken = {each.client_list_id for each in account.lists.values() if _is_open(account, each)}
    if len(names) < len(wanted) or client_id in taken:
        raise errors.rejected(RejectionReason.DUPLICATE_CLIENT_ORDER_ID)


def _find(
    account: Account, list_id: int | None, client_id: str | None, *, is_query: bool
) -> OrderList:
    for listed in reversed(account.lists.values()):
        if list_id not in {None, listed.list_id} or client_id not in {None, listed.client_list_id}:
            continue
        return listed
    raise errors.no_such_list() if is_query else errors.unknown_order_cancelled()


def _is_open(account: Account, listed: OrderList) -> bool:
    return any(account.orders[order_id].is_open for order_id in listed.order_ids)
