"""Binance's refusals, in its own codes and words."""

from workers.paper_exchange.orders import RejectionReason


class BinanceError(Exception):
    """A refusal as it goes over the wire: code, text and HTTP status."""

    def __init__(self, code: int, text: str, status: int = 400) -> None:
        super().__init__(code, text)
        self.code = code
        self.text = text
        self.status = status

    @property
    def body(self) -> dict[str, object]:
        """The JSON that the client gets."""
        return {"code": self.code, "msg": self.text}


def unavailable() -> BinanceError:
    """The exchange has no market yet."""
    text = "Server is currently overloaded with other requests. Please try again in a few minutes."
    return BinanceError(-1008, text, 503)


def filter_failure(name: str) -> BinanceError:
    """An order breaks a rule of its symbol."""
    return BinanceError(-1013, f"Filter failure: {name}")


def outside_window() -> BinanceError:
    """The request came too late."""
    return BinanceError(-1021, "Timestamp for this request is outside of the recvWindow.")


def ahead_of_time() -> BinanceError:
    """The client's clock is ahead."""
    text = "Timestamp for this request was 1000ms ahead of the server's time."
    return BinanceError(-1021, text)


def invalid_signature() -> BinanceError:
    """The signature was not made with the key's secret over these bytes."""
    return BinanceError(-1022, "Signature for this request is not valid.")


def illegal_characters(name: str, legal: str) -> BinanceError:
    """A value is not of its parameter's form."""
    text = f"Illegal characters found in parameter '{name}'; legal range is '{legal}'."
    return BinanceError(-1100, text)


def too_many_parameters(expected: int, received: int) -> BinanceError:
    """An endpoint without parameters was sent some."""
    text = f"Too many parameters; expected '{expected}' and received '{received}'."
    return BinanceError(-1101, text)


def duplicate_parameter() -> BinanceError:
    """A name was sent twice."""
    return BinanceError(-1101, "Duplicate values for a parameter detected.")


def missing_parameter(name: str) -> BinanceError:
    """A mandatory parameter is not there."""
    text = f"Mandatory parameter '{name}' was not sent, was empty/null, or malformed."
    return BinanceError(-1102, text)


def missing_either(first: str, second: str) -> BinanceError:
    """One of two parameters has to be there."""
    text = f"Param '{first}' or '{second}' must be sent, but both were empty/null!"
    return BinanceError(-1102, text)


def value_too_large(name: str, largest: int) -> BinanceError:
    """A value is above its maximum."""
    text = f"'{name}' contains unexpected value. Cannot be greater than {largest}."
    return BinanceError(-1102, text)


def unread_parameters(read: int, sent: int) -> BinanceError:
    """Something was sent that the endpoint doesn't know."""
    text = f"Not all sent parameters were read; read '{read}' parameter(s) but was sent '{sent}'."
    return BinanceError(-1104, text)


def empty_parameter(name: str) -> BinanceError:
    """An optional parameter was sent without a value."""
    return BinanceError(-1105, f"Parameter '{name}' was empty.")


def not_required(name: str) -> BinanceError:
    """A parameter doesn't belong to this type of order."""
    return BinanceError(-1106, f"Parameter '{name}' sent when not required.")


def too_precise(name: str) -> BinanceError:
    """A number has more decimals than its asset."""
    return BinanceError(-1111, f"Parameter '{name}' has too much precision.")


def invalid_time_in_force() -> BinanceError:
    """An unknown time in force."""
    return BinanceError(-1115, "Invalid timeInForce.")


def invalid_order_type() -> BinanceError:
    """An unknown type of order."""
    return BinanceError(-1116, "Invalid orderType.")


def invalid_side() -> BinanceError:
    """Neither BUY nor SELL."""
    return BinanceError(-1117, "Invalid side.")


def invalid_interval() -> BinanceError:
    """A timeframe that is not served."""
    return BinanceError(-1120, "Invalid interval.")


def invalid_symbol() -> BinanceError:
    """A symbol that is not listed."""
    return BinanceError(-1121, "Invalid symbol.")


def too_many_hours() -> BinanceError:
    """History is given a day at a time."""
    return BinanceError(-1127, "More than 24 hours between startTime and endTime.")


def bad_combination() -> BinanceError:
    """Parameters that exclude each other."""
    return BinanceError(-1128, "Combination of optional parameters invalid.")


def invalid_data(name: str) -> BinanceError:
    """A value outside of what its parameter allows."""
    return BinanceError(-1130, f"Data sent for parameter '{name}' is not valid.")


def invalid_ticker_type() -> BinanceError:
    """Neither FULL nor MINI."""
    return BinanceError(-1139, "Invalid ticker type.")


def unknown_order_cancelled() -> BinanceError:
    """There is no open order of that id."""
    return BinanceError(-2011, "Unknown order sent.")


def no_such_order() -> BinanceError:
    """There is no order of that id."""
    return BinanceError(-2013, "Order does not exist.")


def malformed_key() -> BinanceError:
    """The API key can't be one."""
    return BinanceError(-2014, "API-key format invalid.", 401)


def rejected(reason: RejectionReason) -> BinanceError:
    """The matching engine's no, in Binance's words."""
    return BinanceError(*_REJECTIONS[reason])


def unsupported_type(order_type: str) -> BinanceError:
    """A type of order that exists but that no symbol here takes; -1116 for what never existed."""
    words = _UNSUPPORTED_TYPES.get(order_type)
    if words is None:
        return invalid_order_type()
    return BinanceError(-2010, f"{words} orders are not supported for this symbol.")


_REJECTIONS = {
    RejectionReason.INSUFFICIENT_BALANCE: (
        -2010,
        "Account has insufficient balance for requested action.",
    ),
    RejectionReason.DUPLICATE_CLIENT_ORDER_ID: (-2010, "Duplicate order sent."),
    RejectionReason.MARKET_CLOSED: (-1013, "Market is closed."),
}
_UNSUPPORTED_TYPES = {
    "STOP_LOSS": "Stop loss",
    "STOP_LOSS_LIMIT": "Stop loss limit",
    "TAKE_PROFIT": "Take profit",
    "TAKE_PROFIT_LIMIT": "Take profit limit",
}
