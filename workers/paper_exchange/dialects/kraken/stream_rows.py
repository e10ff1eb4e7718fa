"""What the channels of WebSocket v2 carry; numbers are JSON numbers, symbols are the world's."""

import zlib
from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Protocol

import msgspec

from apps.domain.markets import Market
from apps.domain.orders import OrderSide, OrderStatus, OrderType, TimeInForce
from workers.paper_exchange.book import Level
from workers.paper_exchange.dialects.kraken.account_rows import (
    Row,
    flags_of,
    has_client_id,
    reason_of,
    status_word,
    stop_price,
    type_word,
)
from workers.paper_exchange.dialects.kraken.market_rows import (
    asset_decimals,
    average_price,
    trade_count,
)
from workers.paper_exchange.dialects.kraken.names import digits, order_txid, trade_txid
from workers.paper_exchange.dialects.kraken.tape import PublicTrade
from workers.paper_exchange.markets.candles import MINUTE_MS, Candle
from workers.paper_exchange.markets.feed import Quote
from workers.paper_exchange.orders import ZERO, Account, Fill, Order

_encoder = msgspec.json.Encoder(decimal_format="number")
_CHECKED_LEVELS = 10
#: Statuses as the executions channel has them; all others it calls as REST does.
_STATUSES = {"pending": "pending_new", "open": "new", "closed": "filled"}


class Listener(Protocol):
    """A connection that frames are sent to."""

    def send(self, text: str) -> None:
        """Write a frame."""
        ...


def encode(frame: Row) -> str:
    """A frame as it goes over the wire."""
    return _encoder.encode(frame).decode()


def moment(at_ms: int) -> str:
    """A time as the channels tell it."""
    seconds, milliseconds = divmod(at_ms, 1000)
    text = datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    return f"{text}.{milliseconds:03d}000Z"


def ohlc_row(symbol: str, minutes: int, candle: Candle) -> Row:
    """A candle; nothing says whether it is closed."""
    return {
        "symbol": symbol,
        "open": candle.open,
        "high": candle.high,
        "low": candle.low,
        "close": candle.close,
        "trades": trade_count(candle),
        "volume": candle.volume,
        "vwap": average_price(candle),
        "interval_begin": moment(candle.opened_ms).replace("Z", "000Z"),
        "interval": minutes,
        "timestamp": moment(candle.opened_ms + minutes * MINUTE_MS),
    }


def ticker_row(
    market: Market, quote: Quote, best: tuple[Level, Level], day: Candle, at_ms: int
) -> Row:
    """Prices of a market, with the last 24 hours."""
    bid, ask = best
    return {
        "symbol": market.symbol,
        "bid": bid.price,
        "bid_qty": bid.quantity,
        "ask": ask.price,
        "ask_qty": ask.quantity,
        "last": quote.price,
        "volume": day.volume,
        "vwap": average_price(day),
        "low": day.low,
        "high": day.high,
        "change": day.close - day.open,
        "change_pct": round((day.close - day.open) / day.open * 100, 2),
        "timestamp": moment(at_ms),
    }


def public_trade_row(symbol: str, trade: PublicTrade) -> Row:
    """Somebody's trade."""
    return {
        "symbol": symbol,
        "side": "buy" if trade.is_buy else "sell",
        "price": trade.price,
        "qty": trade.quantity,
        "ord_type": "market",
        "trade_id": trade.trade_id,
        "timestamp": moment(trade.at_ms),
    }


def book_row(
    market: Market,
    told: tuple[Sequence[Level], Sequence[Level]],
    whole: tuple[Sequence[Level], Sequence[Level]],
    at_ms: int,
) -> Row:
    """Levels of bids and asks, with the checksum of the whole book."""
    return {
        "symbol": market.symbol,
        "bids": [_level_row(level, market) for level in told[0]],
        "asks": [_level_row(level, market) for level in told[1]],
        "checksum": _checksum(whole, market),
        "timestamp": moment(at_ms),
    }


def instruments(markets: Sequence[tuple[Market, bool]]) -> Row:
    """Assets and pairs with their rules."""
    assets = sorted({a for market, _ in markets for a in (market.base, market.quote)})
    return {
        "assets": [
            {
                "id": asset,
                "status": "enabled",
                "precision": asset_decimals(asset),
                "precision_display": 5,
                "borrowable": False,
                "collateral_value": 0.0,
                "margin_rate": 0.0,
            }
            for asset in assets
        ],
        "pairs": [
            {
                "symbol": market.symbol,
                "base": market.base,
                "quote": market.quote,
                "status": "online" if is_open else "cancel_only",
                "qty_precision": digits(market.step_size),
                "qty_increment": market.step_size,
                "price_precision": digits(market.tick_size),
                "price_increment": market.tick_size,
                "tick_size": market.tick_size,
                "cost_precision": digits(market.tick_size) + digits(market.step_size),
                "cost_min": market.min_notional,
                "qty_min": market.min_quantity,
                "marginable": False,
                "has_index": False,
            }
            for market, is_open in markets
        ],
    }


def order_status(order: Order) -> str:
    """Where the order is, in the channel's words."""
    if order.is_open and order.filled_quantity:
        return "partially_filled"
    word = status_word(order)
    return _STATUSES.get(word, word)


def order_event(order: Order, exec_type: str, at_ms: int) -> Row:
    """What happened to an order, and how far it is filled."""
    average = order.filled_quote / order.filled_quantity if order.filled_quantity else ZERO
    row: Row = {
        "order_id": order_txid(order.order_id),
        "exec_type": exec_type,
        "order_status": order_status(order),
        "cum_qty": order.filled_quantity,
        "cum_cost": order.filled_quote,
        "avg_price": round(average, 10),
        "timestamp": moment(at_ms),
    }
    if has_client_id(order):
        row["cl_ord_id"] = order.client_order_id
    if "userref" in order.labels:
        row["order_userref"] = int(order.labels["userref"])
    reason = None if order.is_open else reason_of(order)
    if reason is not None:
        row["reason"] = reason
    return row


def whole_order(order: Order, exec_type: str) -> Row:
    """An order as it is first told, and in a snapshot."""
    row = {
        **order_event(order, exec_type, order.created_ms),
        "symbol": order.symbol,
        "side": order.side.value,
        "order_type": type_word(order),
        "time_in_force": _time_in_force(order),
        "post_only": order.time_in_force is TimeInForce.POST_ONLY,
        "fee_ccy_pref": "fcib" if "fcib" in flags_of(order) else "fciq",
        "fee_usd_equiv": 0.0,
        "margin": False,
        "reduce_only": False,
        **order_terms(order),
    }
    if exec_type == "pending_new":
        row["order_status"] = "pending_new"
    return row


def order_terms(order: Order) -> Row:
    """Quantity and prices."""
    sized = "cash_order_qty" if order.quote_amount else "order_qty"
    row: Row = {sized: order.quote_amount or order.quantity}
    if order.order_type.has_limit_price:
        row |= {"limit_price": order.price, "limit_price_type": "static"}
    if order.order_type.is_conditional:
        row["triggers"] = _triggers(order)
    stop = stop_price(order)
    return {**row, "stop_price": stop} if stop else row


def trade_event(order: Order, fill: Fill) -> Row:
    """One execution; one that fills the order still calls it partially filled, as a rule."""
    return {
        **order_event(order, "trade", fill.filled_ms),
        "order_status": "partially_filled",
        "exec_id": trade_txid(fill.trade_id),
        "trade_id": fill.trade_id,
        "symbol": fill.symbol,
        "side": fill.side.value,
        "order_type": type_word(order),
        "last_qty": fill.quantity,
        "last_price": fill.price,
        "cost": fill.quantity * fill.price,
        "liquidity_ind": "m" if fill.is_maker else "t",
        "fees": [{"asset": fill.fee_asset, "qty": fill.fee}],
        "fee_usd_equiv": fill.fee,
    }


def balance_rows(account: Account) -> list[Row]:
    """Every asset with its wallets."""
    rows: list[Row] = []
    for asset in sorted(account.assets):
        total = account.free.get(asset, ZERO) + account.locked.get(asset, ZERO)
        wallet: Row = {"type": "spot", "id": "main", "balance": total}
        rows.append(
            {"asset": asset, "asset_class": "currency", "balance": total, "wallets": [wallet]}
        )
    return rows


def ledger_rows(account: Account, fill: Fill, market: Market) -> list[Row]:
    """What an execution did to the two balances."""
    is_buy, cost = fill.side is OrderSide.BUY, fill.quantity * fill.price
    amounts = {
        market.base: fill.quantity if is_buy else -fill.quantity,
        market.quote: -cost if is_buy else cost,
    }
    return [
        {
            "asset": asset,
            "asset_class": "currency",
            "amount": amount,
            "fee": fill.fee if asset == fill.fee_asset else ZERO,
            "balance": account.free.get(asset, ZERO) + account.locked.get(asset, ZERO),
            "ledger_id": trade_txid(fill.trade_id).replace("T", "L", 1),
            "ref_id": trade_txid(fill.trade_id),
            "timestamp": moment(fill.filled_ms),
            "type": "trade",
            "subtype": "",
            "category": "trade",
            "wallet_type": "spot",
            "wallet_id": "main",
        }
        for asset, amount in amounts.items()
    ]


def ending(order: Order) -> str:
    """The event that an order ends with."""
    if order.status is OrderStatus.FILLED:
        return "filled"
    return status_word(order)


def _triggers(order: Order) -> Row:
    row: Row = {
        "reference": order.labels.get("trigger", "last"),
        "price": order.trigger_price,
        "price_type": "static",
        "status": "triggered" if order.triggered_ms else "untriggered",
    }
    if order.order_type is OrderType.TRAILING_STOP:
        is_share = bool(order.trailing_share)
        row["price"] = order.trailing_share * 100 if is_share else order.trailing_amount
        row["price_type"] = "pct" if is_share else "quote"
    return row


def _time_in_force(order: Order) -> str:
    if order.labels.get("expiretm"):
        return "GTD"
    kind = order.time_in_force
    return "GTC" if kind is TimeInForce.POST_ONLY else kind.upper()


def _level_row(level: Level, market: Market) -> Row:
    return {
        "price": _on(level.price, market.tick_size),
        "qty": _on(level.quantity, market.step_size),
    }


def _on(number: Decimal, step: Decimal) -> Decimal:
    """With all its decimals: the checksum is of the digits as they are sent."""
    return number.quantize(Decimal(1).scaleb(-digits(step)))


def _checksum(whole: tuple[Sequence[Level], Sequence[Level]], market: Market) -> int:
    """CRC32 of the best ten asks and then bids, prices and quantities without their points."""
    bids, asks = whole
    text = ""
    for level in [*asks[:_CHECKED_LEVELS], *bids[:_CHECKED_LEVELS]]:
        for number, step in ((level.price, market.tick_size), (level.quantity, market.step_size)):
            text += f"{_on(number, step):f}".replace(".", "").lstrip("0")
    return zlib.crc32(text.encode())
