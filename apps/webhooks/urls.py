"""The addresses of the door for webhooks; none of them redirects, since a redirected POST is lost."""

from django.urls import path

from apps.webhooks.views import post_webhook

urlpatterns = [
    path("webhook", post_webhook),
    path("webhook/", post_webhook),
    path("webhook/<str:token>", post_webhook),
    path("webhook/<str:token>/", post_webhook),
]
