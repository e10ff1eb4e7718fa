"""Pages about a strategy's code."""

from typing import Any

from django.contrib import admin
from django.contrib.admin.views.decorators import staff_member_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.text import slugify
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from apps.accounts.models import User
from apps.domain.candles import Timeframe
from apps.strategies.catalogue import list_samples
from apps.strategies.comparison import compare
from apps.strategies.extraction_forms import LiteralForm, list_forms
from apps.strategies.forms import CheckForm, ComparisonForm, check_code
from apps.strategies.models import Strategy, StrategyVersion
from apps.strategies.saving import check_and_save
from apps.strategies.services import draft_version
from apps.strategies.source.application import NotApplicable, apply_parameters
from apps.strategies.source.extraction import find_literals, find_parameters
from apps.strategies.source.outline import Unreadable


@require_GET
@staff_member_required
def new(request: HttpRequest) -> HttpResponse:
    """What a new strategy starts from."""
    return _page(request, "strategies/new.html", "New strategy", samples=list_samples())


@require_POST
@staff_member_required
def validate(request: HttpRequest) -> HttpResponse:
    """What is found in the code that was sent; nothing is saved."""
    form = CheckForm(request.POST)
    if not form.is_valid():
        return HttpResponse(form.errors.as_text(), status=400, content_type="text/plain")
    code, timeframe = form.cleaned_data["code"], Timeframe(form.cleaned_data["timeframe"])
    report = check_code(code, _user(request), timeframe)
    draft = draft_version(code, report, timezone.now())
    return render(request, "strategies/findings.html", {"version": draft})


@require_GET
@staff_member_required
def comparison(request: HttpRequest, strategy_id: int) -> HttpResponse:
    """What changed from one of the user's own versions to another."""
    strategy = get_object_or_404(Strategy.objects.for_user(request.user), pk=strategy_id)
    form = ComparisonForm(request.GET, strategy=strategy)
    places = (
        compare(form.cleaned_data["old"].code, form.cleaned_data["new"].code)
        if form.is_valid()
        else []
    )
    context = {"strategy": strategy, "form": form, "places": places}
    return _page(request, "strategies/comparison.html", "What changed", **context)


@require_http_methods(["GET", "POST"])
@staff_member_required
def extraction(request: HttpRequest, version_id: int) -> HttpResponse:
    """Numbers of one of the user's own versions become parameters of a new one, once he has seen how."""
    version = _find_version(request, version_id)
    template, title = "strategies/extraction.html", "Extract parameters"
    try:
        parameters = find_parameters(version.code)
        rows = list_forms(find_literals(version.code), request.POST or None)
    except Unreadable as error:
        return _page(request, template, title, version=version, unreadable=error)
    context: dict[str, Any] = {"version": version, "parameters": parameters, "rows": rows}
    if request.method == "POST":
        try:
            code = _apply(version.code, rows)
        except NotApplicable as error:
            context["refusal"] = str(error)
        else:
            if "save" in request.POST:
                check_and_save(request, version.strategy, code)
                return redirect("admin:strategies_strategy_change", version.strategy_id)
            context["places"] = compare(version.code, code)
    return _page(request, template, title, **context)


def _apply(code: str, rows: list[LiteralForm]) -> str:
    chosen = [row for row in rows if row.is_chosen]
    if not chosen:
        raise NotApplicable("Tick a number first.")
    if not all(row.is_valid() for row in chosen):
        raise NotApplicable("Mend what is marked.")
    return apply_parameters(code, [row.choice for row in chosen])


@require_GET
@staff_member_required
def download(request: HttpRequest, version_id: int) -> HttpResponse:
    """The code of one of the user's own versions as a file."""
    version = _find_version(request, version_id)
    name = slugify(version.strategy.name) or "strategy"
    return HttpResponse(
        version.code,
        content_type="text/x-python; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{name}-v{version.number}.py"'},
    )


def _page(request: HttpRequest, template: str, title: str, **context: Any) -> HttpResponse:
    return render(
        request, template, {**admin.site.each_context(request), "title": title, **context}
    )


def _find_version(request: HttpRequest, version_id: int) -> StrategyVersion:
    versions = StrategyVersion.objects.for_user(request.user).select_related("strategy__owner")
    return get_object_or_404(versions, pk=version_id)


def _user(request: HttpRequest) -> User:
    assert isinstance(request.user, User)  # noqa: S101  only signed-in users get here
    return request.user
