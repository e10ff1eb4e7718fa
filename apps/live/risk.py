"""The kill switch: what may be traded now, and stopping or resuming it, on every page."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django import forms
from django.contrib.admin.views.decorators import staff_member_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_GET

from apps.accounts.models import User
from apps.brokers.selectors import list_brokers
from apps.domain.risk import RiskState
from apps.trading.models import Book, RiskScope
from apps.trading.risk import list_scopes, set_state

ME, EVERYBODY = "me", "everybody"
#: Where no reason is typed.
BY_HAND = "By hand."


@dataclass(frozen=True, slots=True, kw_only=True)
class Stopped:
    """A scope that is not simply trading, and whether the user may resume it."""

    key: str
    label: str
    state: RiskState
    reason: str
    may_resume: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """What holds for all of the user's trading, and every scope of his that is stopped."""

    state: RiskState
    stopped: list[Stopped]

    @property
    def words(self) -> str:
        """For the button; parts that are stopped are counted where the whole is not."""
        if self.state is RiskState.ACTIVE and self.stopped:
            return f"{len(self.stopped)} stopped"
        return _SHORT[self.state]


_SHORT = {
    RiskState.ACTIVE: "Trading",
    RiskState.REDUCE_ONLY: "Reduce only",
    RiskState.HALTED: "Halted",
    RiskState.FLATTEN: "Closing everything",
}


def read_status(user: User) -> Status:
    """One question to the database, for every page."""
    scopes = [scope for scope in list_scopes(user) if scope.state != RiskState.ACTIVE]
    whole = [scope for scope in scopes if scope.broker_id is None and scope.book_id is None]
    states = [RiskState(scope.state) for scope in whole]
    return Status(
        state=max(states, key=lambda state: state.severity, default=RiskState.ACTIVE),
        stopped=[_describe(scope, user) for scope in scopes],
    )


def _describe(scope: RiskScope, user: User) -> Stopped:
    return Stopped(
        key=_key(scope),
        label=_label(scope),
        state=RiskState(scope.state),
        reason=scope.reason,
        may_resume=scope.owner_id is not None or user.is_superuser,
    )


def _key(scope: RiskScope) -> str:
    if scope.broker_id or scope.book_id:
        return f"broker-{scope.broker_id}" if scope.broker_id else f"book-{scope.book_id}"
    return ME if scope.owner_id else EVERYBODY


def _label(scope: RiskScope) -> str:
    if scope.broker_id or scope.book_id:
        return str(scope)
    return "All your trading" if scope.owner_id else "All users"


class SwitchForm(forms.Form):
    """Whose trading, what is to become of it, and why; the user's own money only."""

    scope = forms.ChoiceField(label="Whose trading")
    state = forms.ChoiceField(choices=[(state.value, state.words) for state in RiskState])
    reason = forms.CharField(required=False, max_length=300)

    def __init__(self, *args: Any, user: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["scope"].choices = list(_choices(user))  # type: ignore[attr-defined]  # of ChoiceField

    def scope_ids(self) -> dict[str, int]:
        """The broker or the book, if it is one of them."""
        kind, _dash, number = self.cleaned_data["scope"].partition("-")
        return {f"{kind}_id": int(number)} if number else {}


def _choices(user: User) -> Iterable[tuple[str, str]]:
    yield ME, "All my trading"
    for broker in list_brokers(user):
        yield f"broker-{broker.pk}", f"Broker {broker}"
    for book in Book.objects.for_user(user).filter(kind=Book.Kind.ACTIVATION):
        yield f"book-{book.pk}", f"Strategy {book}"
    if user.is_superuser:
        yield EVERYBODY, "All users"


@require_GET
@staff_member_required
def status(request: HttpRequest) -> HttpResponse:
    """The state and the button."""
    return _show_status(request)


@staff_member_required
def switch(request: HttpRequest) -> HttpResponse:
    """The dialog; by POST what was chosen in it is done at once."""
    user = request.user
    assert isinstance(user, User)  # noqa: S101  staff
    form = SwitchForm(request.POST or None, user=user)
    if not form.is_valid():
        context = {"form": form, "risk": read_status(user)}
        return render(request, "live/risk_dialog.html", context)
    set_state(
        owner_id=None if form.cleaned_data["scope"] == EVERYBODY else user.pk,
        state=RiskState(form.cleaned_data["state"]),
        reason=form.cleaned_data["reason"] or BY_HAND,
        by=user,
        now=timezone.now(),
        **form.scope_ids(),
    )
    return _show_status(request)


def _show_status(request: HttpRequest) -> HttpResponse:
    assert isinstance(request.user, User)  # noqa: S101  staff
    return render(request, "live/risk_status.html", {"risk": read_status(request.user)})
