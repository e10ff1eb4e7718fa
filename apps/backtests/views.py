"""Parts of a backtest's page, and what it can be downloaded as."""

from django.contrib.admin.views.decorators import staff_member_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_GET

from apps.backtests.models import BacktestRun
from apps.backtests.selectors import list_runs


@require_GET
@staff_member_required
def progress(request: HttpRequest, run_id: int) -> HttpResponse:
    """How far it is; once it has ended, the page is read again."""
    run = _find(request, run_id)
    if not run.is_going_on:
        return HttpResponse(headers={"HX-Refresh": "true"})
    return render(request, "backtests/progress.html", {"run": run})


def _find(request: HttpRequest, run_id: int) -> BacktestRun:
    return get_object_or_404(list_runs(request.user), pk=run_id)  # type: ignore[arg-type]  # staff
