from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from django.contrib import admin
from django.test import Client
from django.urls import reverse

from apps.accounts.models import User
from apps.core.alerts import list_alerts, list_open_alerts, raise_alert, resolve_alert
from apps.core.models import Alert

admin.autodiscover()

Level = Alert.Level
Raise = Callable[..., None]


@pytest.fixture
def tell(alice: User, now: datetime) -> Raise:
    """Tell alice of something."""

    def told(key: str, *, level: Level = Level.WARNING, minute: int = 0) -> None:
        raise_alert(
            owner_id=alice.pk,
            key=key,
            level=level,
            message=f"about {key}",
            advice="look",
            now=now + timedelta(minutes=minute),
            link="/admin/",
        )

    return told


def test_the_same_again_counts_up(tell: Raise, alice: User, now: datetime) -> None:
    tell("a")
    tell("a", minute=3)

    alert = list_open_alerts(alice).get()
    assert (alert.count, alert.last_at) == (2, now + timedelta(minutes=3))


def test_open_ones_come_first_and_the_worst_of_them_before_the_others(
    tell: Raise, alice: User, now: datetime
) -> None:
    tell("over", level=Level.CRITICAL)
    resolve_alert(owner_id=alice.pk, key="over", now=now)
    tell("info", level=Level.INFO, minute=2)
    tell("warning", minute=1)
    tell("critical", level=Level.CRITICAL)

    keys = [alert.key for alert in list_alerts(alice)]

    assert keys == ["critical", "warning", "info", "over"]
    assert [alert.key for alert in list_open_alerts(alice)] == keys[:3]


def test_the_page_shows_them_and_the_menu_counts_them(
    tell: Raise, client: Client, alice: User
) -> None:
    for key in "abcd":
        tell(key)
    client.force_login(alice)

    page = client.get(reverse("admin:core_alert_changelist")).content.decode()

    assert "about a" in page
    assert ">4</span>" in page
    assert client.get(reverse("live:alert_count")).content == b"4"


def test_the_dashboard_shows_the_three_worst(tell: Raise, client: Client, alice: User) -> None:
    for key in "abcd":
        tell(key, level=Level.CRITICAL if key == "b" else Level.INFO)
    client.force_login(alice)

    shown = client.get(reverse("live:dashboard")).context["alerts"]

    assert shown[0].key == "b"
    assert len(shown) == 3


def test_its_owner_puts_it_away(tell: Raise, client: Client, alice: User, bob: User) -> None:
    tell("a")
    address = reverse("admin:core_alert_put_away", args=[Alert.objects.get().pk])

    for user, still_open in ((bob, 1), (alice, 0)):
        client.force_login(user)
        client.post(address, {"_form_submitted": "on"})
        assert Alert.objects.filter(resolved_at=None).count() == still_open


def test_what_was_put_away_comes_back(tell: Raise, alice: User, now: datetime) -> None:
    tell("a")
    resolve_alert(owner_id=alice.pk, key="a", now=now)
    tell("a")

    assert list_alerts(alice).count() == 2
    assert list_open_alerts(alice).get().count == 1
