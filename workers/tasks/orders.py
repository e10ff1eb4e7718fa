"""Orders on their way to an exchange."""

from celery import shared_task
from django.utils import timezone

from apps.core.tasks import TaskName
from apps.trading import flattening, path, protection


@shared_task(name=TaskName.SUBMIT_ORDER.value)
def submit_order(*, order_id: int, **_kwargs: object) -> None:
    """Send a created order, once."""
    path.submit_order(order_id=order_id)


@shared_task(name=TaskName.CANCEL_ORDER.value)
def cancel_order(*, order_id: int, **_kwargs: object) -> None:
    """Ask the exchange to cancel an order that is to go."""
    path.cancel_order(order_id=order_id, now=timezone.now())


@shared_task(name=TaskName.GUARD_POSITION.value)
def guard_position(*, position_id: int, **_kwargs: object) -> None:
    """Bring the protection of a position in line with what it holds."""
    protection.guard_position(position_id=position_id, now=timezone.now())


@shared_task(name=TaskName.FLATTEN.value)
def flatten(**_kwargs: object) -> None:
    """Go on closing everything where somebody wished that."""
    flattening.flatten(now=timezone.now())
