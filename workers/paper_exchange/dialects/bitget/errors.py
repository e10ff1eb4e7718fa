"""Bitget's refusals, in its own codes and words."""

from collections.abc import Mapping
from decimal import Decimal

from workers.paper_exchange.orders import RejectionReason

GOOD_CODE = "00000"


class BitgetError(Exception):
    """A refusal as it goes over the wire: code, text and HTTP status."""

    def __init__(self, code: str, text: str, status: int = 400) -> None:
        super().__init__(code, text)
        self.code = code
        self.text = text
        self.status = status


def unknown_path() -> BitgetError:
    """There is no such endpoint."""
    return BitgetError("40404", "Request URL NOT FOUND", 404)


def too_many_requests() -> BitgetError:
    """An endpoint was asked more often than it allows in a second."""
    return BitgetError("429", "Too Many Requests", 429)


def unavailable() -> BitgetError:
    """The exchange has no market yet."""
    return BitgetError("40200", "Server upgrade, please try again later")


def system_error() -> BitgetError:
    """A fault of ours."""
    return BitgetError("40015", "System is abnormal, please try again later", 500)


def missing_header(name: str) -> BitgetError:
    """One of the four headers of a signed request is not there."""
    return BitgetError(*_MISSING_HEADERS[name])


def invalid_timestamp() -> BitgetError:
    """The timestamp is no number."""
    return BitgetError("40005", "Invalid ACCESS_TIMESTAMP")


def malformed_key() -> BitgetError:
    """The API key can't be one."""
    return BitgetError("40006", "Invalid ACCESS_KEY")


def expired() -> BitgetError:
    """The request came too late, or from a clock that is ahead."""
    return BitgetError("40008", "Request timestamp expired")


def invalid_signature() -> BitgetError:
    """The signature was not made with the key's secret over what was sent."""
    return BitgetError("40009", "sign signature error")


def wrong_passphrase() -> BitgetError:
    """Not the passphrase that the key came with before."""
    return BitgetError("40012", "apikey/password is incorrect")


def malformed(name: str) -> BitgetError:
    """A value is not of its parameter's form."""
    return BitgetError("400172", f"Parameter verification failed {name}")


def unreadable_body() -> BitgetError:
    """The body is no JSON object."""
    return BitgetError("40017", "Parameter verification failed")


def missing(name: str) -> BitgetError:
    """A mandatory parameter is not there."""
    return BitgetError("40019", f"Parameter {name} cannot be empty")


def wrong(name: str) -> BitgetError:
    """A value is none of those that its parameter allows."""
    return BitgetError("40020", f"Parameter {name} error")


def window_too_large() -> BitgetError:
    """The receive window is above its maximum."""
    return BitgetError("40079", "The receiveWindow cannot be greater than 60000")


def no_such_symbol() -> BitgetError:
    """A symbol that is not listed."""
    return BitgetError("40309", "The symbol has been removed")


def missing_order_name() -> BitgetError:
    """Either of the two ids of an order has to be there."""
    return BitgetError("40304", "Either clientOid or orderId must be passed")


def bad_client_id() -> BitgetError:
    """A client's name for its order is too long or has strange characters."""
    text = "Client_oid length is not greater than 50, and cannot be Martian characters"
    return BitgetError("40305", text)


def too_precise(name: str, value: Decimal, digits: int) -> BitgetError:
    """A number has more decimals than its symbol allows."""
    text = f"Parameter verification exception {name} checkBDScale error value={value:f}"
    return BitgetError("40808", f"{text} checkScale={digits}")


def span_too_long() -> BitgetError:
    """Orders and fills are told a month at a time."""
    return BitgetError("00001", "startTime and endTime interval cannot be greater than 30 days")


def too_far_back() -> BitgetError:
    """Older history is not told."""
    return BitgetError("40704", "Can only check the data of the last three months")


def plan_span_too_long() -> BitgetError:
    """Candles and trigger orders are told three months at a time."""
    return BitgetError("40705", "The start and end time cannot exceed 90 days")


def no_such_order() -> BitgetError:
    """There is no open order of that id."""
    return BitgetError("43001", "The order does not exist")


def no_such_plan() -> BitgetError:
    """There is no waiting trigger order of that id."""
    return BitgetError("43025", "Plan order does not exist")


def too_many_orders() -> BitgetError:
    """So many orders may be open in one symbol."""
    return BitgetError("43005", "Exceed the maximum number of orders")


def price_too_low(bound: Decimal) -> BitgetError:
    """A sale is offered too far below the market."""
    return BitgetError("43008", f"The current order price cannot be less than {bound:f}")


def price_too_high(bound: Decimal) -> BitgetError:
    """A purchase is offered too far above the market."""
    return BitgetError("43009", f"The current commission price exceeds the limit {bound:f}")


def trigger_too_low() -> BitgetError:
    """A trigger has to lie above the market's price."""
    return BitgetError("43034", "The trigger price must be higher than the current price")


def trigger_too_high() -> BitgetError:
    """A trigger has to lie below the market's price."""
    return BitgetError("43035", "The trigger price must be lower than the current price")


def insufficient_balance() -> BitgetError:
    """The order costs more than there is."""
    return BitgetError("43012", "Insufficient balance")


def too_small(smallest: Decimal, coin: str) -> BitgetError:
    """An order is worth too little."""
    return BitgetError("45110", f"less than the minimum amount {smallest:f} {coin}")


def quantity_too_small() -> BitgetError:
    """An order is below the smallest quantity."""
    return BitgetError("45111", "less than the minimum order quantity")


def quantity_too_large() -> BitgetError:
    """An order is above the largest quantity."""
    return BitgetError("45112", "more than the maximum order quantity")


def rejected(reason: RejectionReason) -> BitgetError:
    """The matching engine's no, in Bitget's words."""
    return BitgetError(*_REJECTIONS[reason])


_MISSING_HEADERS: Mapping[str, tuple[str, str]] = {
    "ACCESS-KEY": ("40001", "ACCESS_KEY cannot be empty"),
    "ACCESS-SIGN": ("40003", "Signature cannot be empty"),
    "ACCESS-TIMESTAMP": ("40005", "Invalid ACCESS_TIMESTAMP"),
    "ACCESS-PASSPHRASE": ("40011", "ACCESS_PASSPHRASE cannot be empty"),
}
_CLOSED = (
    "The current trading pair is under maintenance, please refer to the official announcement"
    " for the opening time"
)
_REJECTIONS: Mapping[RejectionReason, tuple[str, str]] = {
    RejectionReason.INSUFFICIENT_BALANCE: ("43012", "Insufficient balance"),
    RejectionReason.DUPLICATE_CLIENT_ORDER_ID: ("40786", "Duplicate clientOid"),
    RejectionReason.MARKET_CLOSED: ("41114", _CLOSED),
    RejectionReason.WOULD_TAKE: ("43001", "The order does not exist"),
    RejectionReason.WOULD_TRIGGER: ("43034", "The trigger price equals the current price"),
    RejectionReason.TOO_SMALL: ("45111", "less than the minimum order quantity"),
}
