"""Schedules, for administrators: they are nobody's rows."""

from django.contrib import admin
from django.http import HttpRequest
from django_celery_beat.admin import ClockedScheduleAdmin as BeatClockedAdmin
from django_celery_beat.admin import CrontabScheduleAdmin as BeatCrontabAdmin
from django_celery_beat.admin import PeriodicTaskAdmin as BeatTaskAdmin
from django_celery_beat.admin import PeriodicTaskForm, TaskSelectWidget
from django_celery_beat.models import (
    ClockedSchedule,
    CrontabSchedule,
    IntervalSchedule,
    PeriodicTask,
    SolarSchedule,
)
from unfold.admin import ModelAdmin
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

for model in (PeriodicTask, IntervalSchedule, CrontabSchedule, SolarSchedule, ClockedSchedule):
    admin.site.unregister(model)


class TaskWidget(UnfoldAdminSelectWidget, TaskSelectWidget):
    """Registered tasks, in Unfold's look."""


class TaskForm(PeriodicTaskForm):
    """The scheduler's own form, in Unfold's look."""

    def __init__(self, *args: object, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)
        self.fields["task"].widget = UnfoldAdminTextInputWidget()
        self.fields["regtask"].widget = TaskWidget()


class AdministratorMixin:
    """Superusers only, whatever rights a group may give."""

    def has_module_permission(self, request: HttpRequest) -> bool:
        """Administrators."""
        return bool(request.user.is_superuser)

    has_add_permission = has_module_permission

    def has_view_permission(self, request: HttpRequest, obj: object = None) -> bool:
        """Administrators."""
        return self.has_module_permission(request)

    has_change_permission = has_delete_permission = has_view_permission


@admin.register(PeriodicTask)
class PeriodicTaskAdmin(AdministratorMixin, BeatTaskAdmin, ModelAdmin):
    """What beat sends when; what is edited here stays."""

    form = TaskForm


@admin.register(IntervalSchedule)
class IntervalAdmin(AdministratorMixin, ModelAdmin):
    """Every so often."""


@admin.register(CrontabSchedule)
class CrontabAdmin(AdministratorMixin, BeatCrontabAdmin, ModelAdmin):
    """At these times."""


@admin.register(SolarSchedule)
class SolarAdmin(AdministratorMixin, ModelAdmin):
    """By the sun."""


@admin.register(ClockedSchedule)
class ClockedAdmin(AdministratorMixin, BeatClockedAdmin, ModelAdmin):
    """Once."""
