"""Server-Sent Events: what changed of the user's rows, as it changes."""

import json
import logging
import time
from collections.abc import AsyncIterator

from asgiref.sync import sync_to_async
from django.conf import settings
from django.contrib.admin.views.decorators import staff_member_required
from django.db import connections
from django.http import HttpRequest, StreamingHttpResponse
from django.views.decorators.http import require_GET
from redis import RedisError
from redis.asyncio import Redis

from apps.core.broadcast import channel_of

logger = logging.getLogger(__name__)

HEARTBEAT_SECONDS = 15.0
#: The browser comes back by itself, and then has to be signed in still.
STREAM_SECONDS = 600.0


@require_GET
@staff_member_required
async def events(request: HttpRequest) -> StreamingHttpResponse:
    """The user's own topics as events, their data the ids of what to read again; a comment every 15
    seconds keeps the line open."""
    user = await request.auser()
    # The stream lasts for minutes and reads no row: it keeps no connection to the database.
    await sync_to_async(connections.close_all)()
    return StreamingHttpResponse(
        stream_events(channel_of(user.pk)),  # type: ignore[arg-type]  # staff
        content_type="text/event-stream",
        headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
    )


async def stream_events(channel: str) -> AsyncIterator[str]:
    """Frames until the time is over or Valkey is gone; the browser then connects again."""
    ends = time.monotonic() + STREAM_SECONDS
    try:
        async with (
            Redis.from_url(settings.REDIS_URL, decode_responses=True) as valkey,
            valkey.pubsub(ignore_subscribe_messages=True) as subscription,
        ):
            await subscription.subscribe(channel)
            yield "retry: 2000\n\n"
            while time.monotonic() < ends:
                message = await subscription.get_message(timeout=HEARTBEAT_SECONDS)
                yield to_frame(message["data"]) if message else ": still here\n\n"
    except RedisError as error:
        logger.warning("A stream of events ended: %s", error)


def to_frame(message: str) -> str:
    """One event as it travels: the topic is its name, the ids are its data."""
    ids = json.loads(message)
    return f"event: {ids.pop('topic')}\ndata: {json.dumps(ids)}\n\n"
