"""What a client says about an order, read and checked."""

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal

from apps.domain.markets import Market
from apps.domain.orders import OrderSide, OrderType, TimeInForce
from workers.paper_exchange.dialects.binance import errors
from workers.paper_exchange.dialects.binance.filters import Situation, failed_filter
from workers.paper_exchange.dialects.binance.names import (
    BASIS_POINTS,
    LIMIT_MAKER,
    ORDER_TYPES,
    SELF_TRADE_MODES,
    SIDES,
    TIMES_IN_FORCE,
    get_market,
)
from workers.paper_exchange.dialects.binance.parameters import Parameters
from workers.paper_exchange.exchange import PaperExchange
from workers.paper_exchange.orders import Account, NewOrder, RejectionReason, SelfTrade

_RESPONSE_TYPES = {"ACK", "RESULT", "FULL"}
#: Types that are answered in full unless the client wants it otherwise.
_ANSWERED_IN_FULL = {"LIMIT", "MARKET"}
_SMALLEST_STRATEGY_TYPE = 1_000_000


class OrderForm:
    """Reads the orders of one request; in a list the parameters of each begin with its role."""

    def __init__(self, exchange: PaperExchange, account: Account, parameters: Parameters) -> None:
        """Raises BinanceError for a symbol that is not listed."""
        self._exchange = exchange
        self._account = account
        self._parameters = parameters
        self.market = get_market(exchange, parameters.required_symbol())

    @property
    def price(self) -> Decimal:
        """The market's last price; raises BinanceError where there is none yet."""
        quote = self._exchange.feed.quote(self.market.symbol)
        if quote is None:
            raise errors.rejected(RejectionReason.MARKET_CLOSED)
        return quote.price

    def side(self, role: str = "") -> OrderSide:
        """BUY or SELL."""
        side = SIDES.get(self._parameters.required(_name(role, "Side")))
        if side is None:
            raise errors.invalid_side()
        return side

    def quantity(self, role: str = "") -> Decimal:
        """How much of base."""
        return self._parameters.required_number(_name(role, "Quantity"))

    def type_word(self, role: str = "") -> str:
        """The type of order, one of those that exist."""
        word = self._parameters.required(_name(role, "Type"))
        if word not in ORDER_TYPES:
            raise errors.invalid_order_type()
        return word

    def response_type(self, default: str) -> str:
        """How the client wants to be answered."""
        response_type = self._parameters.text("newOrderRespType") or default
        if response_type not in _RESPONSE_TYPES:
            raise errors.invalid_data("newOrderRespType")
        return response_type

    def order(
        self, role: str, word: str, side: OrderSide, quantity: Decimal | None = None
    ) -> NewOrder:
        """The order of a role; `quantity` where the list says it for several of them."""
        parameters = self._parameters
        name = "newClientOrderId" if not role else f"{role}ClientOrderId"
        blank = NewOrder(
            client_order_id=parameters.client_id(name)
            or generated_id(self._exchange, self._account, role),
            symbol=self.market.symbol,
            side=side,
            order_type=ORDER_TYPES[word],
            self_trade=self._self_trade(),
            labels=self._labels(role),
        )
        self._refuse_iceberg(role, word)
        if blank.order_type is OrderType.MARKET:
            wanted = self._at_market(blank, role, quantity)
        elif word == LIMIT_MAKER:
            parameters.refuse(_name(role, "TimeInForce"))
            wanted = replace(blank, time_in_force=TimeInForce.POST_ONLY)
        elif blank.order_type.has_limit_price:
            wanted = replace(blank, time_in_force=self._time_in_force(role))
        else:
            parameters.refuse(_name(role, "TimeInForce"))
            wanted = blank
        if wanted.order_type is OrderType.MARKET:
            return wanted
        parameters.refuse(_name(role, "QuoteOrderQty"))
        wanted = replace(wanted, quantity=quantity or self.quantity(role))
        return self._triggered(self._priced(wanted, role), role)

    def check(self, orders: Sequence[NewOrder]) -> None:
        """Raise BinanceError for the first filter that refuses one of the orders."""
        open_here = [o for o in self._account.open_orders() if o.symbol == self.market.symbol]
        resting = len(open_here)
        algos = sum(order.order_type.is_conditional for order in open_here)
        price = self.price
        for wanted in orders:
            sized = wanted
            if wanted.quote_amount:
                quantity = self.market.round_quantity(wanted.quote_amount / price)
                sized = replace(wanted, quantity=quantity)
            failed = failed_filter(self.market, sized, Situation(price, resting, algos))
            if failed is not None:
                raise errors.filter_failure(failed)
            resting += 1
            algos += wanted.order_type.is_conditional

    def _time_in_force(self, role: str) -> TimeInForce:
        time_in_force = TIMES_IN_FORCE.get(self._parameters.required(_name(role, "TimeInForce")))
        if time_in_force is None:
            raise errors.invalid_time_in_force()
        return time_in_force

    def _priced(self, wanted: NewOrder, role: str) -> NewOrder:
        name = _name(role, "Price")
        if wanted.order_type.has_limit_price:
            return replace(wanted, price=self._parameters.required_number(name))
        self._parameters.refuse(name)
        return wanted

    def _triggered(self, wanted: NewOrder, role: str) -> NewOrder:
        price_name, delta_name = _name(role, "StopPrice"), _name(role, "TrailingDelta")
        if not wanted.order_type.is_conditional:
            self._parameters.refuse(price_name, delta_name)
            return wanted
        price, delta = self._parameters.number(price_name), self._parameters.integer(delta_name)
        if price is None and delta is None:
            raise errors.missing_either(price_name, delta_name)
        return replace(
            wanted,
            trigger_price=price or Decimal(0),
            trailing_share=Decimal(delta or 0) / BASIS_POINTS,
        )

    def _at_market(self, blank: NewOrder, role: str, quantity: Decimal | None) -> NewOrder:
        self._parameters.refuse(
            *(_name(role, word) for word in ("TimeInForce", "Price", "StopPrice", "TrailingDelta"))
        )
        if role:
            return replace(blank, quantity=quantity or self.quantity(role))
        size = self._parameters.number("quantity")
        amount = self._parameters.number("quoteOrderQty")
        if size is not None and amount is not None:
            raise errors.bad_combination()
        if size is None and amount is None:
            raise errors.missing_either("quantity", "quoteOrderQty")
        return replace(blank, quantity=size or Decimal(0), quote_amount=amount or Decimal(0))

    def _refuse_iceberg(self, role: str, word: str) -> None:
        name = _name(role, "IcebergQty")
        if not ORDER_TYPES[word].has_limit_price:
            self._parameters.refuse(name)
        if self._parameters.number(name):
            raise errors.refused_order("Iceberg orders are not supported for this symbol.")

    def _self_trade(self) -> SelfTrade:
        word = self._parameters.text("selfTradePreventionMode") or "NONE"
        mode = SELF_TRADE_MODES.get(word)
        if mode is None:
            raise errors.invalid_data("selfTradePreventionMode")
        return mode

    def _labels(self, role: str) -> dict[str, str]:
        identity = self._parameters.integer(_name(role, "StrategyId"))
        kind = self._parameters.integer(_name(role, "StrategyType"))
        if kind is not None and kind < _SMALLEST_STRATEGY_TYPE:
            raise errors.low_strategy_type()
        told = {"strategyId": identity, "strategyType": kind}
        return {name: str(value) for name, value in told.items() if value is not None}


def read_order(
    exchange: PaperExchange, account: Account, parameters: Parameters
) -> tuple[NewOrder, str]:
    """An order that keeps to the form and to its symbol's rules, and how to answer it."""
    form = OrderForm(exchange, account, parameters)
    side, word = form.side(), form.type_word()
    response_type = form.response_type("FULL" if word in _ANSWERED_IN_FULL else "ACK")
    wanted = form.order("", word, side)
    parameters.finish()
    form.check([wanted])
    return wanted, response_type


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


def generated_id(exchange: PaperExchange, account: Account, role: str = "") -> str:
    """A name for an order, a list or a cancel whose sender gave none; `role` tells them apart."""
    seed = f"{account.key} {len(account.orders)} {exchange.clock.now_ms()} {role}"
    return hashlib.sha256(seed.encode()).hexdigest()[:22]


def _name(role: str, word: str) -> str:
    return role + word if role else word[0].lower() + word[1:]
