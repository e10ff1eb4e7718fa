"""Strategies at work: switching them on, changing and ending them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.db import transaction

from apps.bots.journal import close_failure
from apps.bots.models import Activation, WaivedGate
from apps.bots.promotion import Check, Gate, check_gates
from apps.bots.selectors import count_active, find_open_position, has_unsettled_orders
from apps.brokers.models import Broker
from apps.core.locks import lock_until_commit
from apps.domain.candles import Timeframe
from apps.domain.orders import OrderPurpose
from apps.markets.models import Symbol
from apps.markets.services import follow
from apps.strategies.contract.parameters import merge
from apps.strategies.models import StrategyVersion
from apps.trading.models import Book, Order
from apps.trading.path import request_cancel
from apps.trading.ticket import close_position


class Refused(Exception):
    """What was asked of an activation can't be done; its words say why and what to do."""


class Mismatch(Refused):
    """A strategy, a broker and a symbol that don't belong together were to be joined."""


class NeedsConfirmation(Refused):
    """It can be done, if a person says that he means it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """With how much quote currency of its own a strategy works, None for all that is free, and how long:
    from now on and for ever, unless it is said."""

    capital: Decimal | None = None
    starts_at: datetime | None = None
    ends_at: datetime | None = None

    def check(self, now: datetime) -> None:
        """Raise Refused where there is no time to work in."""
        if self.ends_at is not None and self.ends_at <= max(self.starts_at or now, now):
            raise Refused("Its end has to come after its start, and after now.")


@transaction.atomic
def activate(
    *,
    version: StrategyVersion,
    broker: Broker,
    symbol: Symbol,
    timeframe: Timeframe,
    parameters: dict[str, Any],
    now: datetime,
    terms: Terms = Terms(),
    waivers: Mapping[Gate, str] | None = None,
) -> Activation:
    """Switch a strategy on for its owner, with a book of its own on `broker`; its series is followed
    from now on. `waivers` gives the reasons for the gates that are skipped. Raises Refused."""
    owner = version.owner
    if broker.owner_id != owner.pk:
        raise Mismatch(f"The broker {broker.pk} belongs to another user than the strategy.")
    if (symbol.exchange, symbol.environment) != (broker.exchange, broker.environment):
        raise Mismatch(f"{broker} does not trade where {symbol} {symbol.pk} is listed.")
    terms.check(now)
    checks = check_gates(
        version=version,
        broker=broker,
        symbol=symbol.name,
        timeframe=timeframe,
        capital=terms.capital,
    )
    waived = _pass_gates(checks, waivers or {})
    take_place(now)
    series = follow(symbol, timeframe)
    book = Book.objects.create(
        owner=owner,
        broker=broker,
        kind=Book.Kind.ACTIVATION,
        label=f"{version.strategy.name} on {series}",
        capital=terms.capital,
    )
    activation = Activation.objects.create(
        owner=owner,
        version=version,
        series=series,
        book=book,
        parameters=parameters,
        starts_at=terms.starts_at or now,
        ends_at=terms.ends_at,
    )
    _keep_waivers(activation, waived)
    return activation


def pause(*, activation: Activation, error: str) -> None:
    """Stop asking the version that failed until a person looks at it; its position stays."""
    Activation.objects.filter(pk=activation.pk, version=activation.version_id).update(
        is_active=False, error=error
    )


def suspend(*, activation: Activation) -> None:
    """Stop asking this strategy until it is resumed; a position stays, with its stop-loss and
    take-profit."""
    Activation.objects.filter(pk=activation.pk).update(is_active=False)


@transaction.atomic
def resume(*, activation: Activation, now: datetime, in_spite_of_error: bool = False) -> None:
    """Ask this strategy again from the next candle on. Raises Refused, and NeedsConfirmation for a version
    that failed, unless it is meant in spite of that."""
    row = _lock(activation, now)
    if row.is_active:
        return
    if row.error and not in_spite_of_error:
        raise NeedsConfirmation(
            f"{row.version} failed and has not changed since: {row.error.splitlines()[-1]} Switch to a"
            " mended version, or confirm that it may run as it is."
        )
    take_place(now)
    row.is_active, row.error = True, ""
    row.save(update_fields=["is_active", "error"])
    close_failure(activation=row, now=now)


@transaction.atomic
def stop(
    *, activation: Activation, now: datetime, sells: bool | None = None, key: str = ""
) -> Order | None:
    """End it for good. With a position open `sells` has to say whether that is sold at market, or kept
    with its stop-loss and take-profit; the same `key` sells once. Raises Refused."""
    row = _lock(activation, now)
    position = find_open_position(row)
    if position and sells is None:
        raise NeedsConfirmation(
            f"A position is open. Say whether its {position.symbol.base} are sold now, or kept with their"
            " stop-loss and take-profit."
        )
    row.is_active, row.stopped_at, row.error = False, now, ""
    row.save(update_fields=["is_active", "stopped_at", "error"])
    close_failure(activation=row, now=now)
    entries = Order.objects.filter(book=row.book_id, purpose=OrderPurpose.ENTRY, is_settled=False)
    for order_id in entries.values_list("pk", flat=True):
        request_cancel(order_id=order_id, now=now, reason="The strategy was stopped.")
    if position and sells:
        return close_position(position=position, key=key, now=now)
    return None


def sell_now(*, activation: Activation, key: str, now: datetime) -> Order:
    """Sell its position at market; it stays active and may buy again. The same `key` sells once. Raises
    Refused."""
    position = find_open_position(activation)
    if position is None:
        raise Refused(f"{activation} holds nothing that could be sold.")
    return close_position(position=position, key=key, now=now)


@transaction.atomic
def switch_version(
    *,
    activation: Activation,
    version: StrategyVersion,
    now: datetime,
    waivers: Mapping[Gate, str] | None = None,
) -> None:
    """Run another version of the same strategy from the next candle on, with the parameters that it still
    has. Only while flat: no version answers for what another has bought. Raises Refused."""
    row = _lock(activation, now)
    if version.strategy_id != row.version.strategy_id:
        raise Mismatch(f"{version} is of another strategy.")
    if find_open_position(row) or has_unsettled_orders(row):
        raise Refused("It can be changed only while it holds nothing and no order is on its way.")
    kept = {name: row.parameters[name] for name in row.parameters if name in version.parameters}
    try:
        merge(version.parameters, kept)
    except ValueError as error:
        raise Refused(f"{version} can't take its parameters over: {error}") from error
    waived = _pass_gates(check_switch(row, version), waivers or {})
    row.version, row.parameters, row.error = version, kept, ""
    row.save(update_fields=["version", "parameters", "error"])
    close_failure(activation=row, now=now)
    _keep_waivers(row, waived)


def take_place(now: datetime) -> None:
    """Raise Refused when as many strategies are active as may be; no other gets in before the transaction
    ends."""
    lock_until_commit("active strategies")
    limit: int = settings.MAX_ACTIVE_STRATEGIES
    if count_active(now=now) >= limit:
        raise Refused(
            f"{limit} strategies are active, which is the limit of this installation. Suspend or stop one,"
            " or ask the administrator to raise ARISTOBOT_MAX_ACTIVE_STRATEGIES."
        )


def _lock(activation: Activation, now: datetime) -> Activation:
    """Its row, ours until the transaction ends. Raises Refused for one that is over."""
    rows = Activation.objects.select_for_update(of=("self",), no_key=True)
    row = rows.select_related("version__strategy", "series__symbol", "book__broker").get(
        pk=activation.pk
    )
    state = row.state_at(now)
    if state.is_over:
        raise Refused(f"{row} is {state}: activate the strategy again instead.")
    return row


def check_switch(activation: Activation, version: StrategyVersion) -> list[Check]:
    """The gates between another version and the money that an activation works with."""
    series, book = activation.series, activation.book
    return check_gates(
        version=version,
        broker=book.broker,
        symbol=series.symbol.name,
        timeframe=series.timeframe,
        capital=book.capital,
    )


def _pass_gates(checks: Iterable[Check], waivers: Mapping[Gate, str]) -> dict[Gate, str]:
    """The closed gates that were skipped, with the reasons. Raises Refused for one without a reason, and
    for one that nothing skips."""
    closed = [check for check in checks if not check.is_passed]
    shut = [check for check in closed if not (check.gate.is_skippable and waivers.get(check.gate))]
    if shut:
        raise Refused(" ".join(check.words for check in shut))
    return {check.gate: waivers[check.gate] for check in closed}


def _keep_waivers(activation: Activation, waived: Mapping[Gate, str]) -> None:
    for gate, reason in waived.items():
        WaivedGate.objects.update_or_create(
            activation=activation,
            version=activation.version,
            gate=gate,
            defaults={"owner_id": activation.owner_id, "reason": reason},
        )
