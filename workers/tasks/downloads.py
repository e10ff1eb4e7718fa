"""History from exchanges: in short tasks, so that none outlives a worker's patience."""

import uuid

from celery import shared_task

from apps.core.tasks import TaskName
from apps.markets.history import downloads


@shared_task(name=TaskName.DOWNLOAD_CANDLES.value)
def download_candles(*, download_id: int, **_kwargs: object) -> None:
    """Some pages of one download; the next task goes on."""
    downloads.continue_download(download_id=download_id, worker=uuid.uuid4().hex)
