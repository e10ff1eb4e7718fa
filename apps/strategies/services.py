"""Writing strategies: every save is a version, and only one that was found valid may run."""

import hashlib
from datetime import datetime

from django.conf import settings
from django.db import transaction

from apps.accounts.models import User
from apps.domain.candles import Timeframe
from apps.markets.models import Symbol
from apps.strategies.catalogue import Sample
from apps.strategies.models import LookaheadVerdict, Strategy, StrategyVersion
from apps.strategies.practice import find_candles
from apps.strategies.sandbox import Sandbox
from apps.strategies.validation import Report, validate


def validate_code(code: str, owner: User, timeframe: Timeframe = Timeframe.M15) -> Report:
    """Check what `owner` wrote, with the sandbox of this machine and stored candles. Raises
    SandboxUnavailable when it does not run, or is too weak for this user."""
    return _validate(code, timeframe, trusted=owner.is_superuser)


def validate_sample(sample: Sample) -> Report:
    """The same for code that ships with Aristobot, which may run in a weak sandbox too."""
    return _validate(sample.code, Timeframe.M15, trusted=True)


def _validate(code: str, timeframe: Timeframe, *, trusted: bool) -> Report:
    with Sandbox(settings.SANDBOX_SOCKET, accept_weak=settings.ACCEPT_WEAK_SANDBOX) as sandbox:
        return validate(code, candles=find_candles(timeframe), sandbox=sandbox, trusted=trusted)


@transaction.atomic
def save_version(
    *, strategy: Strategy, code: str, report: Report, now: datetime
) -> StrategyVersion:
    """The newest version of `strategy` with this code: a new one, unless nothing changed. Code that is
    not valid is kept as well, with what is wrong; it may run once a later report finds it valid."""
    code_hash = hashlib.sha256(code.encode()).hexdigest()
    newest = Strategy.objects.select_for_update().get(pk=strategy.pk).versions.first()
    if newest and newest.code_hash == code_hash:
        if newest.validated_at:
            return newest
        version = newest
    else:
        version = StrategyVersion(
            owner_id=strategy.owner_id,
            strategy=strategy,
            number=newest.number + 1 if newest else 1,
            code=code,
            code_hash=code_hash,
        )
    _note(report, version, now)
    version.save()
    return version


def note_verdict(
    *,
    version: StrategyVersion,
    symbol: Symbol,
    timeframe: Timeframe,
    looks_ahead: bool,
    words: str,
    now: datetime,
) -> None:
    """Keep what a backtest has found of a version's code, in place of what an earlier one on the same market
    and timeframe did."""
    LookaheadVerdict.objects.update_or_create(
        owner_id=version.owner_id,
        code_hash=version.code_hash,
        symbol=symbol,
        timeframe=timeframe,
        defaults={"looks_ahead": looks_ahead, "words": words, "found_at": now},
    )


def draft_version(code: str, report: Report, now: datetime) -> StrategyVersion:
    """What a save would keep of `code`; it is not saved."""
    version = StrategyVersion(code=code)
    _note(report, version, now)
    return version


def _note(report: Report, version: StrategyVersion, now: datetime) -> None:
    version.validated_at = now if report.is_valid else None
    version.problems = [problem.as_dict() for problem in report.problems]
    if report.info:
        version.class_name = report.info.class_name
        version.parameters = report.info.parameters
        version.lookback = report.info.lookback
    if report.rehearsal:
        version.rehearsal_ms = report.rehearsal.elapsed_ms
        version.rehearsal_bytes = report.rehearsal.memory_bytes


def add_sample(*, owner: User, sample: Sample, report: Report, now: datetime) -> StrategyVersion:
    """Give `owner` a strategy that ships with Aristobot."""
    strategy = Strategy.objects.create(
        owner=owner, name=sample.title, description=sample.description
    )
    return save_version(strategy=strategy, code=sample.code, report=report, now=now)
