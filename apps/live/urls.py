"""Addresses of the parts that refresh themselves."""

from django.urls import path

from apps.live import views

app_name = "live"
urlpatterns = [
    path("dashboard/", views.dashboard, name="dashboard"),
    path("chart/<int:activation_id>/", views.chart, name="chart"),
]
