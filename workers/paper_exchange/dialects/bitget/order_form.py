"""What a client says about an order, read and checked."""

import hashlib
import re
from decimal import Decimal

from apps.domain.markets import Market, floor_to
from apps.domain.orders import OrderSide, OrderType, TimeInForce
from workers.paper_exchange.dialects.bitget import errors, rules
from workers.paper_exchange.dialects.bitget.names import (
    FORCES,
    ORDER_TYPES,
    SELF_TRADES,
    SIDES,
    Kind,
    get_market,
)
from workers.paper_exchange.dialects.bitget.parameters import Parameters
from workers.paper_exchange.exchange import PaperExchange
from workers.paper_exchange.markets.feed import Quote
from workers.paper_exchange.orders import (
    ZERO,
    Account,
    ExitTemplate,
    NewOrder,
    RejectionReason,
    SelfTrade,
)

_CLIENT_ID = re.compile(r"[\x21-\x7e]{1,50}")
_KINDS = {"normal": Kind.NORMAL, "tpsl": Kind.TPSL}
_PLAN_TYPES = {"amount": "amount", "total": "total"}
_TRIGGER_TYPES = {"fill_price": "fill_price", "mark_price": "mark_price"}
_PRESETS = ("presetTakeProfitPrice", "presetStopLossPrice")


def read_order(exchange: PaperExchange, account: Account, fields: Parameters) -> NewOrder:
    """An order for place-order that keeps to its symbol's rules; raises BitgetError."""
    market = get_market(exchange, fields.required("symbol"))
    quote = open_quote(exchange, market)
    side = fields.choice("side", SIDES)
    order_type = fields.choice("orderType", ORDER_TYPES)
    force = fields.choice("force", FORCES, default="gtc")
    kind = fields.choice("tpslType", _KINDS, default="normal")
    size = fields.required_number("size")
    is_limit = order_type is OrderType.LIMIT
    price = fields.required_number("price") if is_limit else ZERO
    trigger_price = fields.required_number("triggerPrice") if kind is Kind.TPSL else ZERO
    is_in_quote = side is OrderSide.BUY and not is_limit
    check_sizes(market, size, price or trigger_price or quote.price, is_in_quote=is_in_quote)
    labels = {}
    if is_limit:
        rules.check_price(market, "price", price)
        rules.check_ratio(market, side, price, trigger_price or quote.price)
    if kind is Kind.TPSL:
        rules.check_price(market, "triggerPrice", trigger_price)
        order_type = conditional_type(side, trigger_price, quote.price, is_limit=is_limit)
        labels["kind"] = kind.value
    else:
        is_purchase = side is OrderSide.BUY and is_limit
        check_funds(account, market, side, size * price if is_purchase else size)
    check_count(account, market)
    return NewOrder(
        # A stand-alone exit has no name of its client's.
        client_order_id=client_id_for(exchange, account, fields, is_ignored=kind is Kind.TPSL),
        symbol=market.symbol,
        side=side,
        order_type=order_type,
        time_in_force=force if is_limit else TimeInForce.GTC,
        quantity=ZERO if is_in_quote else size,
        quote_amount=size if is_in_quote else ZERO,
        price=price,
        trigger_price=trigger_price,
        self_trade=fields.choice("stpMode", SELF_TRADES, default="none"),
        exits=_read_exits(market, fields, side, price or quote.price, kind),
        labels=labels,
    )


def read_plan(exchange: PaperExchange, account: Account, fields: Parameters) -> NewOrder:
    """An order for place-plan-order; its money is not asked for before it fires."""
    market = get_market(exchange, fields.required("symbol"))
    quote = open_quote(exchange, market)
    side = fields.choice("side", SIDES)
    is_limit = fields.choice("orderType", ORDER_TYPES) is OrderType.LIMIT
    plan_type = fields.choice("planType", _PLAN_TYPES, default="amount")
    size = fields.required_number("size")
    trigger_price = fields.required_number("triggerPrice")
    price = _execute_price(fields) if is_limit else ZERO
    is_in_quote = plan_type == "total"
    if is_in_quote and side is OrderSide.SELL:
        raise errors.wrong("planType")
    check_sizes(market, size, price or trigger_price, is_in_quote=is_in_quote)
    check_plan_prices(market, trigger_price, price)
    check_count(account, market)
    quantity = ZERO if is_in_quote else size
    if is_in_quote and is_limit:
        quantity = floor_to(size / price, market.step_size)
    return NewOrder(
        client_order_id=client_id_for(exchange, account, fields),
        symbol=market.symbol,
        side=side,
        order_type=conditional_type(side, trigger_price, quote.price, is_limit=is_limit),
        time_in_force=fields.choice("force", FORCES, default="gtc") if is_limit else FORCES["gtc"],
        quantity=quantity,
        quote_amount=size if is_in_quote and not is_limit else ZERO,
        price=price,
        trigger_price=trigger_price,
        self_trade=fields.choice("stpMode", SELF_TRADES, default="none"),
        labels={
            "kind": Kind.PLAN.value,
            "plan_type": plan_type,
            "trigger_type": fields.choice("triggerType", _TRIGGER_TYPES, default="fill_price"),
        },
    )


def read_replacement(
    exchange: PaperExchange, account: Account, fields: Parameters, side: OrderSide
) -> NewOrder:
    """The new order of a cancel-and-replace; whether it can be paid is seen once the old is gone."""
    market = get_market(exchange, fields.required("symbol"))
    quote = open_quote(exchange, market)
    price, size = fields.required_number("price"), fields.required_number("size")
    check_sizes(market, size, price, is_in_quote=False)
    rules.check_price(market, "price", price)
    rules.check_ratio(market, side, price, quote.price)
    return NewOrder(
        client_order_id=_read_client_id(fields, "newClientOid") or _generated_id(exchange, account),
        symbol=market.symbol,
        side=side,
        order_type=OrderType.LIMIT,
        quantity=size,
        price=price,
        self_trade=SelfTrade.ALLOW,
        exits=_read_exits(market, fields, side, price, Kind.NORMAL),
    )


def conditional_type(
    side: OrderSide, trigger_price: Decimal, market_price: Decimal, *, is_limit: bool
) -> OrderType:
    """A stop loss or a take profit: only the trigger's side of the market tells them apart."""
    rises = trigger_price > market_price
    if rises == (side is OrderSide.BUY):
        return OrderType.STOP_LOSS_LIMIT if is_limit else OrderType.STOP_LOSS
    return OrderType.TAKE_PROFIT_LIMIT if is_limit else OrderType.TAKE_PROFIT


def check_plan_prices(market: Market, trigger_price: Decimal, price: Decimal) -> None:
    """Trigger and limit price have the decimals of their symbol."""
    rules.check_price(market, "triggerPrice", trigger_price)
    rules.check_price(market, "executePrice", price)


def check_sizes(market: Market, size: Decimal, price: Decimal, *, is_in_quote: bool) -> None:
    """A size is fine enough, within bounds and worth enough."""
    if is_in_quote:
        rules.check_amount(size)
        rules.check_value(market, size)
    else:
        rules.check_quantity(market, size)
        rules.check_value(market, size * price)


def check_funds(account: Account, market: Market, side: OrderSide, amount: Decimal) -> None:
    """There is enough for all of the order, whatever of it the market can fill."""
    asset = market.quote if side is OrderSide.BUY else market.base
    if account.free.get(asset, ZERO) < amount:
        raise errors.insufficient_balance()


def check_count(account: Account, market: Market) -> None:
    """There is room for one more open order in the symbol."""
    resting = sum(order.symbol == market.symbol for order in account.resting.values())
    if resting >= rules.LARGEST_ORDER_COUNT:
        raise errors.too_many_orders()


def client_id_for(
    exchange: PaperExchange, account: Account, fields: Parameters, *, is_ignored: bool = False
) -> str:
    """A client's name for its order, or one of ours."""
    name = None if is_ignored else _read_client_id(fields, "clientOid")
    return name or _generated_id(exchange, account)


def open_quote(exchange: PaperExchange, market: Market) -> Quote:
    """The price of a market that trades; raises BitgetError for one that does not."""
    quote = exchange.quote(market.symbol)
    if quote is None:
        raise errors.rejected(RejectionReason.MARKET_CLOSED)
    return quote


def _execute_price(fields: Parameters) -> Decimal:
    price = fields.number("executePrice") or fields.number("price")
    if price is None:
        raise errors.missing("executePrice")
    return price


def _read_exits(
    market: Market, fields: Parameters, side: OrderSide, price: Decimal, kind: Kind
) -> tuple[ExitTemplate, ...]:
    take_profit, stop_loss = (fields.number(name) for name in _PRESETS)
    if kind is Kind.TPSL and (take_profit or stop_loss):
        raise errors.wrong(_PRESETS[0] if take_profit else _PRESETS[1])
    is_buy, exits = side is OrderSide.BUY, []
    if take_profit:
        if take_profit == price or (take_profit > price) != is_buy:
            raise errors.trigger_too_low() if is_buy else errors.trigger_too_high()
        exits.append(_exit(market, fields, "TakeProfitPrice", OrderType.TAKE_PROFIT))
    if stop_loss:
        if stop_loss == price or (stop_loss < price) != is_buy:
            raise errors.trigger_too_high() if is_buy else errors.trigger_too_low()
        exits.append(_exit(market, fields, "StopLossPrice", OrderType.STOP_LOSS))
    return tuple(exits)


def _exit(market: Market, fields: Parameters, name: str, order_type: OrderType) -> ExitTemplate:
    trigger_price = fields.required_number(f"preset{name}")
    price = fields.number(f"execute{name}")
    rules.check_price(market, f"preset{name}", trigger_price)
    if price is None:
        return ExitTemplate(order_type=order_type, trigger_price=trigger_price)
    rules.check_price(market, f"execute{name}", price)
    limit_type = OrderType(f"{order_type.value}_limit")
    return ExitTemplate(order_type=limit_type, trigger_price=trigger_price, price=price)


def _read_client_id(fields: Parameters, name: str) -> str | None:
    value = fields.text(name)
    if value is not None and not _CLIENT_ID.fullmatch(value):
        raise errors.bad_client_id()
    return value


def _generated_id(exchange: PaperExchange, account: Account) -> str:
    seed = f"{account.key} {len(account.orders)} {exchange.clock.now_ms()}"
    digits = hashlib.sha256(seed.encode()).hexdigest()
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:32]))
