"""URLs of the webhook server, the only thing of an installation that has to be public."""

from django.urls import include, path

from apps.core import health

urlpatterns = [
    path("healthz", health.healthz),
    path("readyz", health.readyz),
    path("", include("apps.webhooks.urls")),
]
