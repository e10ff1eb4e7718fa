"""Writing users."""

import secrets

from apps.accounts.models import User


def create_user(*, username: str, is_administrator: bool) -> tuple[User, str]:
    """A user who may use the admin, and the random password that nobody will be told again."""
    password = secrets.token_urlsafe(12)
    user = User.objects.create_user(
        username, password=password, is_staff=True, is_superuser=is_administrator
    )
    return user, password
