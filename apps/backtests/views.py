"""Parts of a backtest's page, and what it can be downloaded as."""

from django.contrib.admin.views.decorators import staff_member_required
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_GET

from apps.backtests.charts import read_candles, read_curve
from apps.backtests.export import Part, tabulate
from apps.backtests.models import BacktestRun
from apps.backtests.pages import to_moment
from apps.backtests.selectors import list_runs
from apps.backtests.storage import load
from apps.markets.history.transfer import write_table


@require_GET
@staff_member_required
def progress(request: HttpRequest, run_id: int) -> HttpResponse:
    """How far it is; once it has ended, the page is read again."""
    run = _find(request, run_id)
    if not run.is_going_on:
        return HttpResponse(headers={"HX-Refresh": "true"})
    return render(request, "backtests/progress.html", {"run": run})


@require_GET
@staff_member_required
def curve(request: HttpRequest, run_id: int) -> JsonResponse:
    """Its equity, what holding would have made, and its drawdown."""
    return JsonResponse(read_curve(_find_with_result(request, run_id)))


@require_GET
@staff_member_required
def candles(request: HttpRequest, run_id: int) -> JsonResponse:
    """Its candles around the second `at`, or the last ones, and its trades on them."""
    at = request.GET.get("at", "")
    moment = to_moment(1000 * int(at)) if at.isdigit() and len(at) < 12 else None
    return JsonResponse(read_candles(_find_with_result(request, run_id), moment))


@require_GET
@staff_member_required
def download(request: HttpRequest, run_id: int, part: str, kind: str) -> HttpResponse:
    """Trades, orders or equity as CSV or Parquet."""
    run = _find_with_result(request, run_id)
    if part not in set(Part) or kind not in {"csv", "parquet"}:
        raise Http404("There is no such file.")
    is_parquet = kind == "parquet"
    return HttpResponse(
        write_table(tabulate(load(run), Part(part)), is_parquet=is_parquet),
        content_type="application/octet-stream" if is_parquet else "text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="backtest-{run.pk}-{part}.{kind}"'},
    )


def _find(request: HttpRequest, run_id: int) -> BacktestRun:
    return get_object_or_404(list_runs(request.user), pk=run_id)  # type: ignore[arg-type]  # staff


def _find_with_result(request: HttpRequest, run_id: int) -> BacktestRun:
    with_result = list_runs(request.user).filter(result__isnull=False)  # type: ignore[arg-type]  # staff
    return get_object_or_404(with_result, pk=run_id)
