"""One id for everything that one cause set off: the root task's, in every log line and order event."""

import logging

from celery import current_task


def current_trace_id() -> str:
    """The id of the task that started this chain of tasks, empty outside tasks."""
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
