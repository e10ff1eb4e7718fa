"""Amendments: changes that the exchange makes in an order that rests, which stays the same order.

The wish is a row of its own, which the gate has passed and which is claimed and sent once, as every order
is. What the exchange then shows of the order it changes says whether it was done: nothing else does."""

from dataclasses import replace
from decimal import Decimal

from apps.domain.environments import Exchange
from apps.domain.markets import ZERO
from apps.domain.orders import OrderStatus
from apps.exchanges import errors, ports
from apps.exchanges.clients import capabilities_of
from apps.exchanges.rounding import fit_to_market
from apps.trading.models import Order
from apps.trading.requests import to_report, to_request

RESTING = (OrderStatus.OPEN, OrderStatus.PARTIALLY_FILLED)
#: One that was refused, or taken for never arrived, may show after all.
_MAY_SHOW = (OrderStatus.SUBMITTED, OrderStatus.UNKNOWN, OrderStatus.REJECTED)


def find_target(
    order: Order, *, quantity: Decimal, price: Decimal | None, trigger_price: Decimal | None
) -> ports.OrderRequest | None:
    """The whole order, on the market's grid, as the exchange would have it after a change in place, its
    filled part included; None where it can't be changed so."""
    if order.status not in RESTING or order.quote_amount is not None:
        return None
    wanted = replace(to_request(order), quantity=quantity, price=price, trigger_price=trigger_price)
    try:
        target = fit_to_market(wanted, order.symbol.to_market())
        rest = _less_filled(target, order)
    except errors.InvalidOrder:
        return None
    capabilities = capabilities_of(Exchange(order.broker.exchange))
    return target if capabilities.can_amend(to_report(order), rest) else None


def send_amendment(amendment: Order, order: Order, client: ports.ExchangeClient) -> None:
    """The one call that asks for the change, of what is still to be filled; raises what the client does."""
    assert amendment.send_deadline is not None  # noqa: S101  only claimed ones get here
    rest = _less_filled(_target_of(amendment), order)
    client.edit_order(to_report(order), rest, deadline=amendment.send_deadline)


def _target_of(amendment: Order) -> ports.OrderRequest:
    return replace(to_request(amendment), quantity=amendment.amends_to)


def _less_filled(target: ports.OrderRequest, order: Order) -> ports.OrderRequest:
    rest = (target.quantity or ZERO) - order.filled_quantity
    if rest <= 0:
        raise errors.InvalidOrder(
            f"It has filled {order.filled_quantity.normalize():f} already, no less than it shall be."
        )
    return replace(target, quantity=rest)


def take_figures(order: Order, report: ports.OrderReport) -> Order | None:
    """Give `order` the figures of the amendment that `report` shows, and return that; None, and nothing
    changed, where it shows none. Nothing is saved."""
    if report.quantity is None or _shows(report, order):
        return None
    waiting = order.replacements.filter(amends_to__isnull=False, status__in=_MAY_SHOW)
    for amendment in waiting.select_related("symbol").order_by("-pk"):
        target = _target_of(amendment)
        if _shows(report, target) and (target.quantity or ZERO) >= order.filled_quantity:
            order.quantity, order.price = target.quantity, target.price
            order.trigger_price = target.trigger_price
            return amendment
    return None


def _shows(report: ports.OrderReport, figures: Order | ports.OrderRequest) -> bool:
    """Whether these are the figures that are told; one that has fired may be told without its trigger."""
    return (
        report.quantity == figures.quantity
        and report.price in {None, figures.price}
        and report.trigger_price in {None, figures.trigger_price}
    )


def describe(order: Order) -> str:
    """The figures it has, in words."""
    prices = [
        f"{words} {price.normalize():f}"
        for words, price in (("from", order.trigger_price), ("at", order.price))
        if price is not None
    ]
    quantity = (order.quantity or ZERO).normalize()
    return " ".join([f"{quantity:f} {order.symbol.base}", *prices])
