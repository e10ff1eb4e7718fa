"""Parts of pages that refresh themselves."""

from django.contrib.admin.views.decorators import staff_member_required
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from apps.live.dashboard import count_alerts, read_dashboard
from apps.live.selectors import count_changes, find_chart_activation, newest_change, read_chart


@require_GET
@staff_member_required
def dashboard(request: HttpRequest) -> HttpResponse:
    """The moving part of the dashboard."""
    return render(request, "live/dashboard.html", read_dashboard(request.user))


@require_GET
@staff_member_required
def chart(request: HttpRequest, activation_id: int) -> JsonResponse:
    """Candles and fills of one of the user's own activations."""
    activation = find_chart_activation(request.user, activation_id)  # type: ignore[arg-type]  # staff
    if activation is None:
        raise Http404("You have no such activation.")
    return JsonResponse(read_chart(activation))


@require_GET
@staff_member_required
def changes(request: HttpRequest) -> HttpResponse:
    """How many of the user's orders have changed since a list was shown; the list itself stays as it is,
    so that nobody loses what he has chosen there."""
    since = request.GET.get("since", "")
    seen = int(since) if since.isdecimal() and len(since) < 19 else newest_change()
    count = count_changes(request.user, since=seen)  # type: ignore[arg-type]  # staff
    return render(request, "live/changes.html", {"since": seen, "count": count})


@require_GET
@staff_member_required
def alert_count(request: HttpRequest) -> HttpResponse:
    """The number beside Alerts in the menu."""
    return HttpResponse(count_alerts(request))
