"""Addresses of the parts that refresh themselves."""

from django.urls import path

from apps.live import risk, ticket, views
from apps.live.paper import PaperExchangesView

app_name = "live"
urlpatterns = [
    path("paper-exchanges/", PaperExchangesView.as_view(), name="paper_exchanges"),
    path("risk/", risk.switch, name="risk_switch"),
    path("risk/status/", risk.status, name="risk_status"),
    path("ticket/", ticket.show, name="ticket"),
    path("ticket/execute/", ticket.execute, name="execute"),
    path("orders/<int:order_id>/", ticket.follow, name="order"),
    path("alerts/count/", views.alert_count, name="alert_count"),
    path("changes/", views.changes, name="changes"),
    path("dashboard/", views.dashboard, name="dashboard"),
    path("chart/<int:activation_id>/", views.chart, name="chart"),
]
