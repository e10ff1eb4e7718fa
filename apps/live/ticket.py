"""Pages of the manual ticket: ask, confirm, follow."""

from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.views.decorators import staff_member_required
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_GET, require_POST

from apps.accounts.models import User
from apps.core.models import OwnedQuerySet
from apps.trading import ticket
from apps.trading.forms import CheckedTicketForm, TicketForm
from apps.trading.models import Order
from apps.trading.words import explain


@staff_member_required
def show(request: HttpRequest) -> HttpResponse:
    """The ticket. By GET with what was chosen so far, by POST with all that is wrong with it, or with its
    summary to confirm."""
    user = _trader(request)
    order = _find_order(user, request.GET.get("order", ""))
    quote = None
    if request.method == "POST":
        form: TicketForm = CheckedTicketForm(request.POST, user=user)
        if form.is_valid() and form.wish:
            quote = ticket.make_quote(form.wish, user=user, now=timezone.now())
    else:
        traded = {"broker": order.broker_id, "symbol": order.symbol_id} if order else {}
        form = TicketForm(user=user, initial={**traded, **request.GET.dict()})
    context = {
        **admin.site.each_context(request),
        "title": "Manual trading",
        "form": form,
        "quote": quote,
        **_read_market(user, form, request.POST or request.GET),
        **_read_order(order),
    }
    return render(request, "live/ticket.html", context)


@require_POST
@staff_member_required
def execute(request: HttpRequest) -> HttpResponse:
    """Place what was confirmed, once, and follow it."""
    try:
        order = ticket.execute(
            user=_trader(request), token=request.POST.get("token", ""), now=timezone.now()
        )
    except ticket.Unconfirmed as error:
        messages.error(request, str(error))
        return redirect("live:ticket")
    return redirect(f"{reverse('live:ticket')}?order={order.pk}")


@require_GET
@staff_member_required
def follow(request: HttpRequest, order_id: int) -> HttpResponse:
    """One of the user's own orders with its events; asks again until it is settled."""
    order = get_object_or_404(_list_orders(_trader(request)), pk=order_id)
    return render(request, "live/order.html", _read_order(order))


def _read_market(user: User, form: TicketForm, typed: QueryDict) -> dict[str, Any]:
    """What the chosen broker has and what the order would come to, as far as it can be read yet."""
    broker, symbol = form.initial["broker"], form.initial.get("symbol")
    if broker is None or symbol is None:
        return {"broker": broker, "symbol": symbol}
    chosen = {"broker": broker.pk, "symbol": symbol.pk}
    so_far = TicketForm({**typed.dict(), **chosen}, user=user)
    so_far.full_clean()
    return {
        "broker": broker,
        "symbol": symbol,
        "reckoning": so_far.wish and ticket.reckon(so_far.wish),
        "free": broker.balances.filter(asset=symbol.quote).first(),
        "position": ticket.find_manual_position(broker, symbol),
    }


def _list_orders(user: User) -> OwnedQuerySet[Order]:
    return Order.objects.for_user(user).select_related("symbol", "broker")


def _find_order(user: User, order_id: str) -> Order | None:
    return _list_orders(user).filter(pk=order_id).first() if order_id.isdigit() else None


def _read_order(order: Order | None) -> dict[str, Any]:
    if order is None:
        return {}
    return {"order": order, "explanation": explain(order), "events": order.events.all()}


def _trader(request: HttpRequest) -> User:
    assert isinstance(request.user, User)  # noqa: S101  only signed-in users get here
    return request.user
