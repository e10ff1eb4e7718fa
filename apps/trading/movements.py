"""Facts as the ledger of an asset sees them: what a fill or a transfer moved."""

from collections.abc import Iterable, Iterator
from decimal import Decimal

from django.db.models import Q

from apps.domain.lots import GRAIN, Cause, Movement
from apps.domain.markets import ZERO
from apps.domain.orders import OrderSide
from apps.domain.positions import is_cash
from apps.trading.models import Fill, Transfer
from apps.trading.selectors import CURRENCY


def assets_of(fills: Iterable[Fill]) -> list[str]:
    """Assets whose lots fills move; cash has none, except where it is itself what was traded."""
    bases, paid_with = set(), set()
    for fill in fills:
        bases.add(fill.symbol.base)
        paid_with.add(fill.symbol.quote)
        if fill.fee:
            paid_with.add(fill.fee_asset)
    return sorted(bases | {asset for asset in paid_with if not is_cash(asset)})


def sort_key(fill: Fill) -> tuple[object, ...]:
    """The order of fills: the exchange's time, then its trade ids, which count up."""
    return fill.executed_at, len(fill.trade_id), fill.trade_id


def movements_of(fills: Iterable[Fill], asset: str) -> Iterator[Movement]:
    """What fills, in their order, moved of one asset; each comes with its symbol and its order."""
    for fill in fills:
        if asset == fill.symbol.base:
            yield _trade(fill)
        elif asset == fill.symbol.quote:
            yield _payment(fill, _quote_flow(fill), worth=None)
        elif asset == fill.fee_asset and fill.fee:
            yield _payment(fill, -fill.fee, worth=fill.fee_value)


def read_movements(*, broker_id: int, asset: str) -> list[Movement]:
    """All that ever moved of an asset at a broker, in order; a transfer comes before what followed it."""
    about = Q(symbol__base=asset) | Q(symbol__quote=asset) | Q(fee_asset=asset)
    fills = Fill.objects.filter(about, broker_id=broker_id).select_related("symbol", "order")
    moved = list(movements_of(sorted(fills, key=sort_key), asset))
    if is_cash(asset):
        return moved
    transfers = Transfer.objects.filter(broker_id=broker_id, asset=asset).order_by("at", "pk")
    return sorted([*map(_transfer, transfers), *moved], key=lambda movement: movement.at)


def fee_in_quote(fill: Fill) -> Decimal | None:
    """What the fee took of the quote currency, or what that was worth; one in the base asset takes coins
    instead. None where its worth is not known."""
    if fill.fee_asset == fill.symbol.base or not fill.fee:
        return ZERO
    in_quote: Decimal | None = fill.fee if fill.fee_asset == fill.symbol.quote else fill.fee_value
    return in_quote


def _trade(fill: Fill) -> Movement:
    is_buy = fill.side == OrderSide.BUY
    in_base = fill.fee if fill.fee_asset == fill.symbol.base else ZERO
    fee = fee_in_quote(fill)
    sign = 1 if is_buy else -1
    worth = fill.quantity * fill.price + sign * (fee or ZERO)
    return Movement(
        at=fill.executed_at,
        cause=Cause.TRADE,
        book=fill.order.book_id,
        is_incoming=is_buy,
        quantity=max(ZERO, fill.quantity - sign * in_base),
        worth=worth.quantize(GRAIN),
        cost_asset=fill.symbol.quote,
        fee=(fee or ZERO).quantize(GRAIN),
        is_complete=fee is not None,
        market=fill.symbol.to_market(),
        price=fill.price,
        order=fill.order_id,
        fill=fill.pk,
    )


def _quote_flow(fill: Fill) -> Decimal:
    sign = -1 if fill.side == OrderSide.BUY else 1
    fee = fill.fee if fill.fee_asset == fill.symbol.quote else ZERO
    flow: Decimal = sign * fill.quantity * fill.price - fee
    return flow.quantize(GRAIN)


def _payment(fill: Fill, flow: Decimal, *, worth: Decimal | None) -> Movement:
    return Movement(
        at=fill.executed_at,
        cause=Cause.PAYMENT,
        book=fill.order.book_id,
        is_incoming=flow > 0,
        quantity=abs(flow),
        worth=None if worth is None else abs(worth),
        cost_asset=CURRENCY if worth is None else fill.symbol.quote,
        fill=fill.pk,
    )


def _transfer(transfer: Transfer) -> Movement:
    price = transfer.price
    quantity = abs(transfer.quantity)
    return Movement(
        at=transfer.at,
        cause=Cause.TRANSFER,
        book=0,
        is_incoming=transfer.quantity > 0,
        quantity=quantity,
        worth=None if price is None else (quantity * price).quantize(GRAIN),
        cost_asset=CURRENCY,
        transfer=transfer.pk,
    )
