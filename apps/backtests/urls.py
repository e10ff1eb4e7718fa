"""Addresses of the backtests' own pages."""

from django.urls import path

from apps.backtests import views

app_name = "backtests"
urlpatterns = [
    path("<int:run_id>/progress/", views.progress, name="progress"),
]
