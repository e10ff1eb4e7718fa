"""Flower behind the admin's login."""

from typing import Any

from django.conf import settings
from django.contrib import admin
from django.contrib.auth.mixins import UserPassesTestMixin
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest
from django.views.generic import TemplateView
from revproxy.views import ProxyView


class AdministratorRequired(UserPassesTestMixin):
    """Flower shows the tasks of all users, so only administrators see it; others are asked to log in."""

    request: HttpRequest

    def test_func(self) -> bool:
        """An active superuser."""
        user = self.request.user
        return bool(user.is_active and user.is_superuser)

    def handle_no_permission(self) -> Any:
        """The admin's login for a visitor, a clear no for a user."""
        if self.request.user.is_authenticated:
            raise PermissionDenied("The task monitor shows all users' tasks: administrators only.")
        return redirect_to_login(self.request.get_full_path(), settings.LOGIN_URL)


class FlowerProxy(AdministratorRequired, ProxyView):
    """Hands a request on to Flower, which listens on this machine alone."""

    upstream = f"{settings.FLOWER_URL}/flower/"


class TasksView(AdministratorRequired, TemplateView):
    """Flower in the admin's frame."""

    template_name = "live/tasks.html"

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """What every page of the admin needs."""
        return {
            **admin.site.each_context(self.request),
            "title": "Task monitor",
            **super().get_context_data(**kwargs),
        }
