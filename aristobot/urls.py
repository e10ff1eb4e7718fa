"""URLs of the admin's server."""

from django.contrib import admin
from django.urls import include, path, re_path
from django.views.generic import RedirectView

from apps.core import health
from apps.core.flower import FlowerProxy, TasksView
from apps.live.events import events

admin.autodiscover()

urlpatterns = [
    path("healthz", health.healthz),
    path("readyz", health.readyz),
    re_path(r"^flower/(?P<path>.*)$", FlowerProxy.as_view(), name="flower"),
    path("live/events/", events, name="events"),
    path("admin/live/", include("apps.live.urls")),
    path("admin/activations/", include("apps.bots.urls")),
    path("admin/backtests/runs/", include("apps.backtests.urls")),
    path("admin/accounting/", include("apps.trading.urls")),
    path("admin/strategies/", include("apps.strategies.urls")),
    path("admin/tasks/", TasksView.as_view(), name="tasks"),
    path("admin/", admin.site.urls),
    path("", RedirectView.as_view(pattern_name="admin:index")),
]
