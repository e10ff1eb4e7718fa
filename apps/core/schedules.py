"""The periodic tasks, as rows that an operator may edit."""

from datetime import timedelta

from django_celery_beat.models import IntervalSchedule, PeriodicTask

from apps.core.tasks import TASKS, TaskName, TaskRule


def create_missing_schedules() -> list[TaskName]:
    """Add the periodic tasks that have no row yet and return them; what is there stays as it was edited."""
    existing = set(PeriodicTask.objects.values_list("task", flat=True))
    missing = {
        name: rule for name, rule in TASKS.items() if rule.every and name.value not in existing
    }
    for name, rule in missing.items():
        _create(name, rule)
    return list(missing)


def _create(name: TaskName, rule: TaskRule) -> None:
    assert rule.every is not None  # noqa: S101  only periodic tasks get here
    interval, _created = IntervalSchedule.objects.get_or_create(
        every=int(rule.every / timedelta(seconds=1)), period=IntervalSchedule.SECONDS
    )
    PeriodicTask.objects.create(
        name=name.value.partition(".")[2].replace("_", " ").capitalize(),
        task=name.value,
        interval=interval,
        queue=name.queue,
        expire_seconds=int(rule.expires.total_seconds()),
    )
