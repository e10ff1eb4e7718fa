"""What every page does that makes a version: check the code, keep it, and say whether it may run."""

from django.contrib import messages
from django.http import HttpRequest
from django.utils import timezone

from apps.domain.candles import Timeframe
from apps.strategies.forms import check_code
from apps.strategies.models import Strategy, StrategyVersion
from apps.strategies.services import save_version


def check_and_save(request: HttpRequest, strategy: Strategy, code: str) -> None:
    """Keep `code` as the newest version, whether it may run or not."""
    report = check_code(code, strategy.owner, Timeframe(strategy.timeframe))
    version = save_version(strategy=strategy, code=code, report=report, now=timezone.now())
    tell_saved(request, version)


def tell_saved(request: HttpRequest, version: StrategyVersion) -> None:
    """Say whether what was saved may run."""
    if version.validated_at:
        messages.success(request, f"{version} is saved, and may run.")
    else:
        messages.warning(request, f"{version} is saved, but may not run: see what was found below.")
