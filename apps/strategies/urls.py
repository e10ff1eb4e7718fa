"""Addresses of the strategies' own pages."""

from django.urls import path

from apps.strategies import views

app_name = "strategies"
urlpatterns = [
    path("new/", views.new, name="new"),
    path("validate/", views.validate, name="validate"),
    path("<int:strategy_id>/comparison/", views.comparison, name="comparison"),
    path("versions/<int:version_id>/parameters/", views.extraction, name="extraction"),
    path("versions/<int:version_id>/download/", views.download, name="download"),
]
