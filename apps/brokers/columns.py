"""What the columns can hold of what an exchange says."""

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

from apps.exchanges import ports

#: A QuantityField has 18 digits before the point; what is more exact than it may still round up.
MOST = Decimal(10) ** 18 - 1
_ASSET_LENGTH = 20


def without_nul(value: Any) -> Any:
    """`value`, of the kinds that JSON knows, without the character that PostgreSQL takes in no text."""
    if isinstance(value, str):
        return value.replace("\0", "")
    if isinstance(value, Mapping):
        return {without_nul(key): without_nul(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [without_nul(item) for item in value]
    return value


def split_balances(balances: Iterable[ports.Balance]) -> tuple[list[ports.Balance], list[str]]:
    """The balances that can be kept, and the assets of the others. Of an asset that is told twice the
    first one counts."""
    kept: dict[str, ports.Balance] = {}
    left_out = []
    for balance in balances:
        if balance.asset not in kept and _can_be_kept(balance):
            kept[balance.asset] = balance
        else:
            left_out.append(without_nul(balance.asset)[:_ASSET_LENGTH])
    return list(kept.values()), left_out


def _can_be_kept(balance: ports.Balance) -> bool:
    is_name = len(balance.asset) <= _ASSET_LENGTH and "\0" not in balance.asset
    amounts = (balance.free, balance.locked)
    return is_name and all(amount.is_finite() and -MOST <= amount <= MOST for amount in amounts)
