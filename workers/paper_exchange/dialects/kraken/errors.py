"""Kraken's refusals, in its own words; all of them go out with HTTP 200."""

from workers.paper_exchange.orders import RejectionReason


class KrakenError(Exception):
    """A refusal as the answer's list of errors has it."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text


def invalid_arguments(detail: str = "") -> KrakenError:
    """A parameter that is missing, malformed or not known."""
    text = "EGeneral:Invalid arguments"
    return KrakenError(f"{text}:{detail}" if detail else text)


def unknown_method() -> KrakenError:
    """There is no such endpoint."""
    return KrakenError("EGeneral:Unknown method")


def internal() -> KrakenError:
    """A fault of ours."""
    return KrakenError("EGeneral:Internal error")


def temporary_lockout() -> KrakenError:
    """The key has been refused too often."""
    return KrakenError("EGeneral:Temporary lockout")


def unavailable() -> KrakenError:
    """The exchange has no market yet."""
    return KrakenError("EService:Unavailable")


def deadline_elapsed() -> KrakenError:
    """The order reached the engine too late, and was not executed."""
    return KrakenError("EService:Deadline elapsed")


def market_closed() -> KrakenError:
    """The market takes no order now."""
    return KrakenError("EService:Market in cancel_only mode")


def invalid_key() -> KrakenError:
    """The API key can't be one."""
    return KrakenError("EAPI:Invalid key")


def invalid_signature() -> KrakenError:
    """The signature was not made with the key's secret over this body."""
    return KrakenError("EAPI:Invalid signature")


def invalid_nonce() -> KrakenError:
    """The nonce is not larger than the last one."""
    return KrakenError("EAPI:Invalid nonce")


def rate_limited() -> KrakenError:
    """The key's counter is full."""
    return KrakenError("EAPI:Rate limit exceeded")


def order_rate_limited() -> KrakenError:
    """The matching engine's counter of this pair is full."""
    return KrakenError("EOrder:Rate limit exceeded")


def too_many_orders() -> KrakenError:
    """So many orders may rest in one pair."""
    return KrakenError("EOrder:Orders limit exceeded")


def invalid_session() -> KrakenError:
    """The WebSocket token is unknown or has run out."""
    return KrakenError("ESession:Invalid session")


def unknown_pair() -> KrakenError:
    """A pair that is not listed."""
    return KrakenError("EQuery:Unknown asset pair")


def unknown_asset() -> KrakenError:
    """An asset that is not listed."""
    return KrakenError("EQuery:Unknown asset")


def unknown_order() -> KrakenError:
    """There is no open order of that id."""
    return KrakenError("EOrder:Unknown order")


def invalid_order() -> KrakenError:
    """There is no order of that id at all."""
    return KrakenError("EOrder:Invalid order")


def invalid_price(detail: str = "") -> KrakenError:
    """A price that can't be, or not here."""
    text = "EOrder:Invalid price"
    return KrakenError(f"{text}:{detail}" if detail else text)


def off_tick() -> KrakenError:
    """A price between two ticks."""
    return KrakenError("EOrder:Tick size check failed")


def below_order_minimum() -> KrakenError:
    """Less base than an order must have."""
    return KrakenError("EOrder:Order minimum not met")


def below_cost_minimum() -> KrakenError:
    """An order that is worth too little."""
    return KrakenError("EOrder:Cost minimum not met")


def insufficient_funds() -> KrakenError:
    """The account can't pay for it."""
    return KrakenError("EOrder:Insufficient funds")


def post_only() -> KrakenError:
    """It would take liquidity."""
    return KrakenError("EOrder:Post only order")


def no_position() -> KrakenError:
    """Only margin trading has positions."""
    return KrakenError("EOrder:Unknown position")


def rejected(reason: RejectionReason) -> KrakenError:
    """The matching engine's no, in Kraken's words."""
    return KrakenError(_REJECTIONS[reason])


_REJECTIONS = {
    RejectionReason.INSUFFICIENT_BALANCE: "EOrder:Insufficient funds",
    RejectionReason.DUPLICATE_CLIENT_ORDER_ID: "EOrder:Duplicate cl_ord_id",
    RejectionReason.MARKET_CLOSED: "EService:Market in cancel_only mode",
    RejectionReason.WOULD_TAKE: "EOrder:Post only order",
    RejectionReason.WOULD_TRIGGER: "EOrder:Invalid price",
    RejectionReason.TOO_SMALL: "EOrder:Order minimum not met",
}
