"""How numbers are written for people."""

from decimal import Decimal

from django.utils.html import format_html
from django.utils.safestring import SafeString

NOTHING = "-"


def quantity(value: Decimal | None) -> str:
    """All digits that say something: 0.10000000 is 0.1."""
    if value is None:
        return NOTHING
    text = f"{value:,.12f}".rstrip("0").rstrip(".")
    return text if text not in {"-0", ""} else "0"


def price(value: Decimal | float | None) -> str:
    """Two decimals for what costs a unit or more, else six significant digits."""
    if value is None:
        return NOTHING
    return f"{value:,.2f}" if not -1 < value < 1 else f"{float(value):.6g}"


def share(value: Decimal | None) -> str:
    """A fraction in percent."""
    return NOTHING if value is None else f"{quantity(value * 100)} %"


def significant(value: float | None) -> str:
    """Six significant digits."""
    return NOTHING if value is None else f"{value:.6g}"


def signed_share(value: Decimal | float | None) -> SafeString | str:
    """A fraction won or lost, in percent: sign and colour both say which."""
    if value is None:
        return NOTHING
    tone = "gain" if value > 0 else "loss" if value < 0 else "even"
    return format_html('<span class="{}">{} %</span>', tone, f"{value * 100:+,.2f}")


def signed_money(value: Decimal | None, currency: str = "") -> SafeString | str:
    """An amount won or lost: sign and colour both say which."""
    if value is None:
        return NOTHING
    tone = "gain" if value > 0 else "loss" if value < 0 else "even"
    return format_html('<span class="{}">{} {}</span>', tone, f"{value:+,.2f}", currency)
