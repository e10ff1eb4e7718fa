"""How many users may log in."""

import pytest
from django.conf import LazySettings
from django.test import Client
from django.urls import reverse

from apps.accounts.models import User
from apps.accounts.services import TooManyUsers, create_user


@pytest.fixture(autouse=True)
def _two_places(settings: LazySettings) -> None:
    settings.MAX_USERS = 2


@pytest.fixture
def administrator(client: Client, db: None) -> User:
    """Signed in."""
    user = User.objects.create_superuser("admin", is_staff=True)
    client.force_login(user)
    return user


def test_no_more_than_the_limit(administrator: User) -> None:
    create_user(username="alice", is_administrator=False)

    with pytest.raises(TooManyUsers, match="2 users may log in"):
        create_user(username="bob", is_administrator=False)


def test_who_may_not_log_in_takes_no_place(administrator: User, alice: User) -> None:
    User.objects.filter(pk=alice.pk).update(is_active=False)

    create_user(username="bob", is_administrator=False)


def test_the_page_says_so(administrator: User, alice: User, client: Client) -> None:
    password = "Unguessable1"
    data = {"username": "bob", "password1": password, "password2": password}

    page = client.post(reverse("admin:accounts_user_add"), data | {"usable_password": "true"})

    assert "which is the limit of this installation" in page.content.decode()
    assert User.objects.count() == 2


def test_who_was_switched_off_comes_back_only_to_a_free_place(
    administrator: User, alice: User, bob: User, client: Client
) -> None:
    User.objects.filter(pk=bob.pk).update(is_active=False)

    address = reverse("admin:accounts_user_change", args=[bob.pk])
    page = client.post(address, {"username": "bob", "is_active": "on", "is_staff": "on"})

    assert "which is the limit of this installation" in page.content.decode()
