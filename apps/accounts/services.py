"""Writing users."""

import secrets

from django.conf import settings
from django.db import transaction

from apps.accounts.models import User
from apps.core.locks import lock_until_commit


class TooManyUsers(Exception):
    """One more could log in than this installation allows; its words say what to do."""


def take_place() -> None:
    """Raise TooManyUsers when as many may log in as the limit allows; no other gets in before the
    transaction ends."""
    lock_until_commit("users")
    limit: int = settings.MAX_USERS
    if User.objects.filter(is_active=True).count() >= limit:
        raise TooManyUsers(
            f"{limit} users may log in, which is the limit of this installation. Switch one off, or raise"
            " ARISTOBOT_MAX_USERS."
        )


@transaction.atomic
def create_user(*, username: str, is_administrator: bool) -> tuple[User, str]:
    """A user who may use the admin, and the random password that nobody will be told again. Raises
    TooManyUsers."""
    take_place()
    password = secrets.token_urlsafe(12)
    user = User.objects.create_user(
        username, password=password, is_staff=True, is_superuser=is_administrator
    )
    return user, password
