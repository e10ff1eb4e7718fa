"""Addresses of the parts that refresh themselves."""

from django.urls import path

from apps.live import views
from apps.live.paper import PaperExchangesView

app_name = "live"
urlpatterns = [
    path("paper-exchanges/", PaperExchangesView.as_view(), name="paper_exchanges"),
    path("dashboard/", views.dashboard, name="dashboard"),
    path("chart/<int:activation_id>/", views.chart, name="chart"),
]
