"""The door for webhooks: answers as soon as a row is committed, and never before."""

import logging
from http import HTTPStatus

from django.conf import settings
from django.db import DatabaseError
from django.http import HttpRequest, JsonResponse, UnreadablePostError
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from apps.webhooks.addresses import find_sender
from apps.webhooks.models import Webhook
from apps.webhooks.receiving import MAX_BYTES, Delivery, Refused, receive

logger = logging.getLogger(__name__)


@csrf_exempt
@require_POST
def post_webhook(request: HttpRequest, token: str = "") -> JsonResponse:
    """Store what was posted and say so: 200, or 400 with the reason for a body that makes no sense. 503
    while nothing can be stored, so that the sender tries again."""
    now = timezone.now()
    try:
        webhook = receive(_read_delivery(request, token), now=now)
    except Refused as refused:
        return JsonResponse({"status": "refused", "reason": str(refused)}, status=refused.status)
    except UnreadablePostError:
        return JsonResponse({"status": "refused", "reason": "The body broke off."}, status=400)
    except DatabaseError as error:
        logger.error("A webhook could not be stored: %s", error)  # noqa: TRY400  no more to tell
        reason = "It could not be stored. Send it again."
        return JsonResponse(
            {"status": "refused", "reason": reason}, status=HTTPStatus.SERVICE_UNAVAILABLE
        )
    is_bad = webhook.state == Webhook.State.ERROR
    return JsonResponse(
        {
            "status": "error" if is_bad else _STATUS.get(webhook.state, "received"),
            "id": webhook.pk,
            "trace_id": webhook.trace_id,
            "timestamp": now.isoformat(),
            "reason": webhook.reason,
        },
        status=HTTPStatus.BAD_REQUEST if is_bad else HTTPStatus.OK,
    )


_STATUS: dict[str, str] = {Webhook.State.DUPLICATE: "duplicate"}


def _read_delivery(request: HttpRequest, token: str) -> Delivery:
    return Delivery(
        # One byte too many tells that there is more.
        body=request.read(MAX_BYTES + 1),
        token=token or request.headers.get("X-Webhook-Token", ""),
        signature=request.headers.get("X-Webhook-Signature", ""),
        address=find_sender(
            remote=request.META.get("REMOTE_ADDR", ""),
            forwarded=request.headers.get("X-Forwarded-For", ""),
            proxies=settings.PROXIES,
        ),
    )
