"""Binance's refusals, in its own codes and words."""

from collections.abc import Mapping

from workers.paper_exchange.orders import RejectionReason


class BinanceError(Exception):
    """A refusal as it goes over the wire: code, text and HTTP status.

    `data` says more where the exchange does; nothing may be sent before `retry_ms`, wall time.
    """

    def __init__(
        self,
        code: int,
        text: str,
        status: int = 400,
        *,
        data: Mapping[str, object] | None = None,
        retry_ms: int | None = None,
    ) -> None:
        super().__init__(code, text)
        self.code = code
        self.text = text
        self.status = status
        self.data = data
        self.retry_ms = retry_ms

    @property
    def body(self) -> dict[str, object]:
        """The JSON that the client gets."""
        body: dict[str, object] = {"code": self.code, "msg": self.text}
        return body if self.data is None else {**body, "data": self.data}


def too_much_weight(limit: int, retry_ms: int) -> BinanceError:
    """The address has asked too much in this minute."""
    text = (
        f"Too much request weight used; current limit is {limit} request weight per 1 MINUTE."
        " Please use WebSocket Streams for live updates to avoid polling the API."
    )
    return BinanceError(-1003, text, 429, retry_ms=retry_ms)


def banned(until_ms: int) -> BinanceError:
    """The address has gone on asking."""
    text = (
        f"Way too much request weight used; IP banned until {until_ms}."
        " Please use WebSocket Streams for live updates to avoid bans."
    )
    return BinanceError(-1003, text, 418, retry_ms=until_ms)


def too_many_orders(limit: int, period: str, retry_ms: int) -> BinanceError:
    """The account has placed too many orders that are not filled."""
    text = f"Too many new orders; current limit is {limit} orders per {period}."
    return BinanceError(-1015, text, 429, retry_ms=retry_ms)


def unsupported_operation() -> BinanceError:
    """A method that doesn't exist."""
    return BinanceError(-1020, "This operation is not supported.")


def invalid_json() -> BinanceError:
    """A message that is no request."""
    return BinanceError(-1135, "Invalid JSON Request")


def invalid_rights() -> BinanceError:
    """Nobody is logged in on the connection."""
    return BinanceError(-2015, "Invalid API-key, IP, or permissions for action.", 401)


def unsupported_key() -> BinanceError:
    """Sessions are for keys of another kind."""
    return BinanceError(-4056, "HMAC_SHA256 API key is not supported.")


def already_subscribed() -> BinanceError:
    """The connection already hears of the account."""
    return BinanceError(-2035, "User Data Stream subscription already active.")


def not_subscribed() -> BinanceError:
    """The connection doesn't hear of any account under that number."""
    return BinanceError(-2036, "User Data Stream subscription not active.")


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


def no_such_list() -> BinanceError:
    """There is no order list of that id."""
    return BinanceError(-2018, "Order list does not exist.")


def malformed_key() -> BinanceError:
    """The API key can't be one."""
    return BinanceError(-2014, "API-key format invalid.", 401)


def low_strategy_type() -> BinanceError:
    """Small strategy types are the exchange's own."""
    return BinanceError(-1134, "`strategyType` was less than 1000000.")


def invalid_cancel_restrictions() -> BinanceError:
    """Neither ONLY_NEW nor ONLY_PARTIALLY_FILLED."""
    return BinanceError(-1145, "Invalid cancelRestrictions")


def cancel_restricted() -> BinanceError:
    """The order is not in the state in which it was to be cancelled."""
    return BinanceError(-2011, "Order was not canceled due to cancel restrictions.")


def refused_amendment(text: str) -> BinanceError:
    """An order stays as it is."""
    return BinanceError(-2038, text)


def refused_order(text: str) -> BinanceError:
    """An order that the symbol doesn't take."""
    return BinanceError(-2010, text)


def refused_list(code: int) -> BinanceError:
    """Legs that don't make an order list."""
    return BinanceError(code, _LIST_REFUSALS[code])


def rejected(reason: RejectionReason) -> BinanceError:
    """The matching engine's no, in Binance's words."""
    return BinanceError(*_REJECTIONS[reason])


def replacement_failed(data: Mapping[str, object]) -> BinanceError:
    """A cancel-replace of which one half was done, or neither."""
    if "SUCCESS" in {data["cancelResult"], data["newOrderResult"]}:
        return BinanceError(-2021, "Order cancel-replace partially failed.", 409, data=data)
    return BinanceError(-2022, "Order cancel-replace failed.", data=data)


_REJECTIONS = {
    RejectionReason.INSUFFICIENT_BALANCE: (
        -2010,
        "Account has insufficient balance for requested action.",
    ),
    RejectionReason.DUPLICATE_CLIENT_ORDER_ID: (-2010, "Duplicate order sent."),
    RejectionReason.MARKET_CLOSED: (-1013, "Market is closed."),
    RejectionReason.WOULD_TRIGGER: (-2010, "Order would trigger immediately."),
    RejectionReason.WOULD_TAKE: (-2010, "Order would immediately match and take."),
    RejectionReason.TOO_SMALL: (
        -2010,
        "Order book liquidity is less than `LOT_SIZE` filter minimum quantity.",
    ),
}
_LIST_REFUSALS = {
    -1158: "Order type not supported in OCO.",
    -1165: "A limit order in a buy OCO must be below.",
    -1166: "A limit order in a sell OCO must be above.",
    -1168: "At least one OCO order must be contingent.",
    -1196: "A stop loss order in a buy OCO must be above.",
    -1197: "A stop loss order in a sell OCO must be below.",
    -1198: "A take profit order in a buy OCO must be below.",
    -1222: "Working order in an OPO list must be a bid.",
    -1223: "Pending orders in an OPO list must be asks.",
    -1199: "A take profit order in a sell OCO must be above.",
}
