"""Price history: what is stored, downloads, files."""

import tempfile
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.views.main import ChangeList
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import path, reverse
from django.utils import timezone
from django.views.decorators.http import require_GET, require_POST
from unfold.decorators import display

from apps.domain.candles import Timeframe
from apps.domain.environments import Environment
from apps.markets.facts_admin import MarketAdmin
from apps.markets.forms import DownloadForm, ExportForm, ImportForm, MarketForm
from apps.markets.history.coverage import Summary, read_coverage, summarize
from apps.markets.history.downloads import (
    DownloadRefused,
    begin_download,
    begin_repair,
    leave_download,
)
from apps.markets.history.reading import load_candles
from apps.markets.history.tables import BadFile
from apps.markets.history.transfer import file_name, import_candles, write_candles
from apps.markets.models import CandleDownload, Series

#: Of a page; there may be thousands.
SHOWN_GAPS = 20
SHOWN_DOWNLOADS = 5
#: What is written while the browser waits: two years of minutes.
MAX_EXPORT = timedelta(minutes=1_100_000)


class _SummarizedList(ChangeList):
    """A page of series, each with its summary."""

    def get_results(self, request: HttpRequest) -> None:
        """One query for all rows of the page."""
        super().get_results(request)
        summaries = summarize([row.pk for row in self.result_list])
        for row in self.result_list:
            row.summary = summaries[row.pk]


@admin.register(Series)
class SeriesAdmin(MarketAdmin):
    """Shared by all users, any of whom may add to it; nothing is ever taken away."""

    list_display = ("market", "where", "timeframe", "span", "candles", "gaps", "source")
    list_filter = ("symbol__exchange", "symbol__environment", "timeframe")
    list_select_related = ("symbol",)
    list_per_page = 20
    search_fields = ("symbol__name",)
    ordering = ("symbol__exchange", "symbol__name", "pk")
    sortable_by = ()
    fields = (("market", "timeframe"), ("where", "source"))
    list_before_template = "admin/markets/series/before.html"
    change_form_outer_before_template = "admin/markets/series/coverage.html"

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        """With summaries."""
        return _SummarizedList

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Above the series: the downloads."""
        downloads = _list_downloads()
        return super().changelist_view(
            request, {"title": "Price history", **(extra_context or {}), "downloads": downloads}
        )

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """With what it holds and lacks, and what can be done about it."""
        series = self.get_object(request, object_id)
        extra = _describe(series) if series else {}
        return super().change_view(request, object_id, form_url, {**(extra_context or {}), **extra})

    def get_urls(self) -> list[Any]:
        """With the pages that add to it."""
        wrap = self.admin_site.admin_view
        return [
            path("download/", wrap(self.download), name="markets_series_download"),
            path("import/", wrap(self.import_file), name="markets_series_import"),
            path("<int:series_id>/repair/", wrap(self.repair), name="markets_series_repair"),
            path("<int:series_id>/export/", wrap(self.export), name="markets_series_export"),
            path("downloads/<int:download_id>/", wrap(self.follow), name="markets_candledownload"),
            *super().get_urls(),
        ]

    def download(self, request: HttpRequest) -> HttpResponse:
        """Ask for candles; whoever did follows them on the page of the series."""
        today = timezone.now().date()
        form = DownloadForm(
            request.POST or None,
            series=_find_series(request),
            initial={"first": today - timedelta(days=365), "last": today - timedelta(days=1)},
        )
        if form.is_valid():
            try:
                download = begin_download(
                    user=request.user,  # type: ignore[arg-type]  # staff
                    symbol=form.market,
                    timeframe=form.cleaned_data["timeframe"],
                    start=form.start,
                    end=form.end,
                )
                return _open(download.series)
            except DownloadRefused as error:
                form.add_error(None, str(error))
        words = (
            "Only what is missing is asked for, on a small share of the exchange's limits, and it goes on"
            " when this page is closed. Candles are shared by all users."
        )
        return self._show(request, form, "Download candles", words, "Download")

    def import_file(self, request: HttpRequest) -> HttpResponse:
        """Keep the candles of a file, all or none."""
        form = ImportForm(request.POST or None, request.FILES or None, series=_find_series(request))
        if form.is_valid():
            file = form.cleaned_data["file"]
            try:
                with tempfile.NamedTemporaryFile() as copy:
                    for chunk in file.chunks():
                        copy.write(chunk)
                    copy.flush()
                    report = import_candles(
                        symbol=form.market,
                        timeframe=form.cleaned_data["timeframe"],
                        path=Path(copy.name),
                        is_parquet=file.name.endswith(".parquet"),
                        now=timezone.now(),
                    )
                messages.success(request, report.describe())
                return _open(report.series)
            except BadFile as error:
                form.add_error("file", str(error))
        words = (
            "All of its candles are kept, or none. Those that are stored already stay as they are. Import"
            " only candles of this exchange: backtests take them for its own."
        )
        return self._show(request, form, "Import candles", words, "Import")

    def _show(
        self, request: HttpRequest, form: MarketForm, title: str, words: str, button: str
    ) -> HttpResponse:
        context = {
            **self.admin_site.each_context(request),
            "title": title,
            "form": form,
            "words": words,
            "button": button,
        }
        return render(request, "admin/markets/series/form.html", context)

    @staticmethod
    @require_POST
    def repair(request: HttpRequest, series_id: int) -> HttpResponse:
        """Download what is missing."""
        series = get_object_or_404(Series, pk=series_id)
        try:
            begin_repair(
                user=request.user,  # type: ignore[arg-type]  # staff
                series=series,
                asks_again="again" in request.POST,
            )
        except DownloadRefused as error:
            messages.error(request, str(error))
        return _open(series)

    @staticmethod
    @require_GET
    def export(request: HttpRequest, series_id: int) -> HttpResponse:
        """A file of some days."""
        series = get_object_or_404(Series.objects.select_related("symbol"), pk=series_id)
        form = ExportForm(request.GET)
        if not form.is_valid():
            messages.error(request, "Choose the first and the last day of the file.")
            return _open(series)
        midnight = time(tzinfo=UTC)
        start = datetime.combine(form.cleaned_data["first"], midnight)
        end = datetime.combine(form.cleaned_data["last"], midnight) + timedelta(days=1)
        timeframe = Timeframe(series.timeframe)
        if (end - start) / timeframe.duration > MAX_EXPORT / timedelta(minutes=1):
            messages.error(
                request,
                "That is too much for one file: choose fewer days, or use manage.py candles.",
            )
            return _open(series)
        candles = load_candles(series=series, start=start, end=end)
        is_parquet = form.cleaned_data["kind"] == "parquet"
        name = file_name(series.symbol, timeframe, is_parquet=is_parquet)
        return HttpResponse(
            write_candles(candles, is_parquet=is_parquet),
            content_type="application/octet-stream" if is_parquet else "text/csv",
            headers={"Content-Disposition": f'attachment; filename="{name}"'},
        )

    @staticmethod
    def follow(request: HttpRequest, download_id: int) -> HttpResponse:
        """How a download is, as a part of a page that asks for itself again; a POST leaves it."""
        download = get_object_or_404(
            CandleDownload.objects.select_related("series__symbol"), pk=download_id
        )
        if request.method == "POST":
            leave_download(download_id=download_id, user=request.user)  # type: ignore[arg-type]  # staff
            download.refresh_from_db()
        return render(request, "admin/markets/series/download.html", {"download": download})

    @display(description="Symbol")
    def market(self, series: Series) -> str:
        """BTC/USDT."""
        return series.symbol.name

    @display(description="Exchange and prices")
    def where(self, series: Series) -> str:
        """Whose prices they are."""
        symbol = series.symbol
        return f"{symbol.get_exchange_display()}, {_describe_prices(symbol.environment)}"

    @display(description="From and to (UTC)")
    def span(self, series: Any) -> str:
        """First and last candle."""
        summary: Summary = series.summary
        return summary.describe_span()

    @display(description="Candles")
    def candles(self, series: Any) -> str:
        """How many."""
        summary: Summary = series.summary
        return f"{summary.count:,}"

    @display(description="Gaps")
    def gaps(self, series: Any) -> str:
        """In words."""
        summary: Summary = series.summary
        return summary.describe_gaps()

    @display(description="New candles", label={"followed": "success", "history only": "info"})
    def source(self, series: Series) -> str:
        """Whether the heartbeat adds to it."""
        return "followed" if series.is_followed else "history only"


def _describe_prices(environment: str) -> str:
    live = Environment(environment) is Environment.LIVE
    return "its own prices" if live else Environment(environment).value


def _find_series(request: HttpRequest) -> Series | None:
    key = request.GET.get("series", "")
    rows = Series.objects.select_related("symbol")
    return rows.filter(pk=key).first() if key.isdigit() else None


def _open(series: Series) -> HttpResponse:
    return redirect(reverse("admin:markets_series_change", args=[series.pk]))


def _list_downloads(series: Series | None = None) -> list[CandleDownload]:
    """Those that go on, and the last ones that ended."""
    rows = CandleDownload.objects.select_related("series__symbol")
    if series:
        rows = rows.filter(series=series)
    going_on = list(rows.filter(state__in=CandleDownload.GOING_ON))
    ended = rows.exclude(state__in=CandleDownload.GOING_ON).order_by("-finished_at")
    return going_on + list(ended[:SHOWN_DOWNLOADS])


def _describe(series: Series) -> dict[str, Any]:
    summary = summarize([series.pk])[series.pk]
    coverage = read_coverage(series, summary)
    last = summary.last or timezone.now()
    first = max(summary.first or last, last - timedelta(days=365))
    return {
        "title": f"{series}: price history",
        "series": series,
        "summary": summary,
        "coverage": coverage,
        "gaps": coverage.gaps[:SHOWN_GAPS],
        "outages": coverage.outages[:SHOWN_GAPS],
        "downloads": _list_downloads(series),
        "export": ExportForm(initial={"first": first.date(), "last": last.date(), "kind": "csv"}),
    }
