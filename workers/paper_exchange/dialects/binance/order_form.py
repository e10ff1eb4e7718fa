"""What a client says about an order, read and checked."""

import hashlib
from dataclasses import replace

from apps.domain.markets import Market
from apps.domain.orders import OrderType, TimeInForce
from workers.paper_exchange.dialects.binance import errors
from workers.paper_exchange.dialects.binance.filters import Situation, failed_filter
from workers.paper_exchange.dialects.binance.names import (
    ORDER_TYPES,
    SIDES,
    TIMES_IN_FORCE,
    get_market,
)
from workers.paper_exchange.dialects.binance.parameters import Parameters
from workers.paper_exchange.exchange import PaperExchange
from workers.paper_exchange.markets.feed import Quote
from workers.paper_exchange.orders import (
    ZERO,
    Account,
    NewOrder,
    RejectionReason,
)

_RESPONSE_TYPES = {"ACK", "RESULT", "FULL"}


def read_order(
    exchange: PaperExchange, account: Account, parameters: Parameters
) -> tuple[NewOrder, str]:
    """An order that keeps to the form and to its symbol's rules, and how to answer it."""
    market = get_market(exchange, parameters.required_symbol())
    side = SIDES.get(parameters.required("side"))
    if side is None:
        raise errors.invalid_side()
    type_word = parameters.required("type")
    order_type = ORDER_TYPES.get(type_word)
    if order_type is None:
        raise errors.unsupported_type(type_word)
    client_id = parameters.client_id("newClientOrderId")
    response_type = parameters.text("newOrderRespType") or "FULL"
    if response_type not in _RESPONSE_TYPES:
        raise errors.invalid_data("newOrderRespType")
    quote = exchange.feed.quote(market.symbol)
    if quote is None:
        raise errors.rejected(RejectionReason.MARKET_CLOSED)
    blank = NewOrder(
        client_order_id=client_id or generated_id(exchange, account),
        symbol=market.symbol,
        side=side,
        order_type=order_type,
        time_in_force=TimeInForce.GTC,
        quantity=ZERO,
    )
    if order_type is OrderType.LIMIT:
        wanted = _read_limit(blank, parameters)
    else:
        wanted = _read_market(blank, parameters, market, quote)
    parameters.finish()
    resting = sum(order.symbol == market.symbol for order in account.open_orders())
    failed = failed_filter(market, wanted, Situation(quote.price, resting))
    if failed is not None:
        raise errors.filter_failure(failed)
    return wanted, response_type


def _read_limit(blank: NewOrder, parameters: Parameters) -> NewOrder:
    time_in_force = TIMES_IN_FORCE.get(parameters.required("timeInForce"))
    if time_in_force is None:
        raise errors.invalid_time_in_force()
    parameters.refuse("quoteOrderQty")
    return replace(
        blank,
        time_in_force=time_in_force,
        quantity=parameters.required_number("quantity"),
        price=parameters.required_number("price"),
    )


def _read_market(blank: NewOrder, parameters: Parameters, market: Market, quote: Quote) -> NewOrder:
    parameters.refuse("timeInForce", "price")
    quantity, amount = parameters.number("quantity"), parameters.number("quoteOrderQty")
    if quantity is not None and amount is not None:
        raise errors.bad_combination()
    if quantity is not None:
        return replace(blank, quantity=quantity)
    if amount is None:
        raise errors.missing_either("quantity", "quoteOrderQty")
    affordable = market.round_quantity(amount / quote.taker_price(blank.side))
    return replace(blank, quantity=affordable, quote_amount=amount)


def read_order_id(
    exchange: PaperExchange, parameters: Parameters
) -> tuple[Market, int | None, str | None]:
    """Which order is meant: its market, and its id or its client's name for it."""
    market = get_market(exchange, parameters.required_symbol())
    order_id = parameters.integer("orderId")
    client_id = parameters.client_id("origClientOrderId")
    if order_id is None and client_id is None:
        raise errors.missing_either("origClientOrderId", "orderId")
    return market, order_id, client_id


def generated_id(exchange: PaperExchange, account: Account) -> str:
    """A name for an order or a cancel whose sender gave none."""
    seed = f"{account.key} {len(account.orders)} {exchange.clock.now_ms()}"
    return hashlib.sha256(seed.encode()).hexdigest()[:22]
