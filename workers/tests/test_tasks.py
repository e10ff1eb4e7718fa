import inspect

import pytest
from celery import current_app
from celery.signals import celeryd_init

from apps.core.schedules import create_missing_schedules
from apps.core.tasks import QUEUES, TASKS, TaskName


@pytest.fixture(autouse=True, scope="module")
def all_queues_are_served() -> None:
    celeryd_init.send(sender="test", instance=None, conf=None, options={"queues": QUEUES})


def test_every_task_of_the_table_has_its_door() -> None:
    registered = {name for name in current_app.tasks if not name.startswith("celery.")}

    assert registered == {name.value for name in TASKS} == {name.value for name in TaskName}


@pytest.mark.parametrize("name", TaskName)
def test_a_task_runs_on_a_queue_that_a_worker_serves(name: TaskName) -> None:
    assert name.queue in QUEUES


@pytest.mark.parametrize("name", TaskName)
def test_a_task_takes_ids_alone_and_tolerates_newer_messages(name: TaskName) -> None:
    signature = inspect.signature(current_app.tasks[name.value].run)

    kinds = {parameter.kind for parameter in signature.parameters.values()}
    assert kinds <= {inspect.Parameter.KEYWORD_ONLY, inspect.Parameter.VAR_KEYWORD}
    assert inspect.Parameter.VAR_KEYWORD in kinds


@pytest.mark.django_db
def test_schedules_are_made_once_and_edits_stay() -> None:
    from django_celery_beat.models import PeriodicTask  # noqa: PLC0415  needs the app registry

    made = create_missing_schedules()
    PeriodicTask.objects.filter(task=TaskName.SWEEP_ORDERS).update(enabled=False)

    assert create_missing_schedules() == []
    assert len(made) == PeriodicTask.objects.count()
    assert not PeriodicTask.objects.get(task=TaskName.SWEEP_ORDERS).enabled
