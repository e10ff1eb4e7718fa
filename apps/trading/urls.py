"""Addresses of the accounts' own pages."""

from django.urls import path

from apps.trading import views

app_name = "trading"
urlpatterns = [
    path("statement/", views.statement, name="statement"),
    path("equity/", views.equity, name="equity"),
]
