"""Addresses of the activations' own pages."""

from django.urls import path

from apps.bots import views

app_name = "bots"
urlpatterns = [
    path("positions/", views.positions, name="positions"),
    path("positions/rows/", views.position_rows, name="position_rows"),
    path("<int:activation_id>/timeline/", views.timeline, name="timeline"),
    path("<int:activation_id>/chart/", views.chart, name="chart"),
]
