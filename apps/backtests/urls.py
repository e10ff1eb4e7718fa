"""Addresses of the backtests' own pages."""

from django.urls import path

from apps.backtests import views

app_name = "backtests"
urlpatterns = [
    path("<int:run_id>/progress/", views.progress, name="progress"),
    path("<int:run_id>/curve/", views.curve, name="curve"),
    path("<int:run_id>/candles/", views.candles, name="candles"),
    path("<int:run_id>/<str:part>.<str:kind>", views.download, name="download"),
]
