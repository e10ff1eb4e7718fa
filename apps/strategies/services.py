"""Writing strategies: every save is a version, and only code that the sandbox could read is saved."""

import hashlib
from pathlib import Path

from django.conf import settings
from django.db import transaction

from apps.accounts.models import User
from apps.strategies.models import Strategy, StrategyVersion
from apps.strategies.sandbox import Sandbox, StrategyInfo

SAMPLES = Path(__file__).parent / "samples"


def describe(code: str) -> StrategyInfo:
    """What the sandbox reads in `code`; raises StrategyFailed with the line for code it can't take, and
    SandboxUnavailable when it does not run."""
    with Sandbox(settings.SANDBOX_SOCKET) as sandbox:
        return sandbox.describe(code)


@transaction.atomic
def save_version(*, strategy: Strategy, code: str, info: StrategyInfo) -> StrategyVersion:
    """The newest version of `strategy` with this code: a new one, unless nothing changed."""
    code_hash = hashlib.sha256(code.encode()).hexdigest()
    newest = Strategy.objects.select_for_update().get(pk=strategy.pk).versions.first()
    if newest and newest.code_hash == code_hash:
        return newest
    return StrategyVersion.objects.create(
        owner_id=strategy.owner_id,
        strategy=strategy,
        number=newest.number + 1 if newest else 1,
        code=code,
        code_hash=code_hash,
        class_name=info.class_name,
        parameters=info.parameters,
        lookback=info.lookback,
    )


def read_sample(name: str) -> str:
    """The source of a strategy that ships with Aristobot."""
    return (SAMPLES / f"{name}.py").read_text(encoding="utf-8")


def add_sample(
    *, owner: User, name: str, title: str, description: str, info: StrategyInfo
) -> StrategyVersion:
    """Give `owner` a strategy that ships with Aristobot, as the sandbox described its code."""
    strategy = Strategy.objects.create(owner=owner, name=title, description=description)
    return save_version(strategy=strategy, code=read_sample(name), info=info)
