"""Pages about activations."""

from django.contrib import admin
from django.contrib.admin.views.decorators import staff_member_required
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_GET

from apps.bots.holdings import list_holdings
from apps.bots.models import Activation
from apps.bots.selectors import list_activations
from apps.bots.timeline import read_chart, read_moment, read_page


@require_GET
@staff_member_required
def timeline(request: HttpRequest, activation_id: int) -> HttpResponse:
    """Why one of the user's own activations did, or did not, trade."""
    activation = _find(request, activation_id)
    until = read_moment(request.GET.get("until", ""))
    only_events = "only_events" in request.GET
    context = {
        **admin.site.each_context(request),
        "title": f"Why did {activation} (not) trade?",
        "activation": activation,
        "until": until,
        "only_events": only_events,
        "page": read_page(activation, until=until, only_events=only_events),
    }
    return render(request, "bots/timeline.html", context)


@require_GET
@staff_member_required
def chart(request: HttpRequest, activation_id: int) -> JsonResponse:
    """Its candles, and what was decided on them."""
    until = read_moment(request.GET.get("until", ""))
    return JsonResponse(read_chart(_find(request, activation_id), until=until))


@require_GET
@staff_member_required
def positions(request: HttpRequest) -> HttpResponse:
    """What the user's strategies hold."""
    context = {
        **admin.site.each_context(request),
        "title": "Positions by strategy",
        "groups": list_holdings(request.user),  # type: ignore[arg-type]  # staff
    }
    return render(request, "bots/positions.html", context)


@require_GET
@staff_member_required
def position_rows(request: HttpRequest) -> HttpResponse:
    """The moving part of it."""
    groups = list_holdings(request.user)  # type: ignore[arg-type]  # staff
    return render(request, "bots/position_rows.html", {"groups": groups})


def _find(request: HttpRequest, activation_id: int) -> Activation:
    return get_object_or_404(list_activations(request.user), pk=activation_id)  # type: ignore[arg-type]  # staff
