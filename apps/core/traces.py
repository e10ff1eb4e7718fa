"""One id for everything that one cause set off: the root task's, or the webhook's, in every log line and
order event."""

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from celery import current_task

_TOKEN_IN_PATH = re.compile(r"(/webhook/)[^/\s\"']+")
_trace_id: ContextVar[str] = ContextVar("trace_id", default="")


@contextmanager
def traced_as(trace_id: str) -> Iterator[None]:
    """What happens inside, and the tasks that are sent there, belong to this id."""
    token = _trace_id.set(trace_id)
    try:
        yield
    finally:
        _trace_id.reset(token)


def current_trace_id() -> str:
    """The id that was given, else that of the task that started this chain of tasks, else empty."""
    if trace_id := _trace_id.get():
        return trace_id
    if not current_task:
        return ""
    return str(current_task.request.root_id or current_task.request.id or "")


class TraceFilter(logging.Filter):
    """Adds ` [trace]` to a record, or nothing outside tasks."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Never drops a record."""
        trace_id = current_trace_id()
        record.trace = f" [{trace_id[:8]}]" if trace_id else ""
        return True


class TokenMask(logging.Filter):
    """Takes the tokens out of the addresses in log lines."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Never drops a record."""
        if "/webhook/" in record.getMessage():
            record.msg = _TOKEN_IN_PATH.sub(r"\1***", record.getMessage())
            record.args = ()
        return True
