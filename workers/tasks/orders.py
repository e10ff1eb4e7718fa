"""Orders on their way to an exchange."""

from celery import shared_task

from apps.core.tasks import TaskName
from apps.trading import path


@shared_task(name=TaskName.SUBMIT_ORDER.value)
def submit_order(*, order_id: int, **_kwargs: object) -> None:
    """Send a created order, once."""
    path.submit_order(order_id=order_id)
