"""Reading users."""

from apps.accounts.models import User


def has_administrator() -> bool:
    """Whether anybody can manage this installation."""
    return User.objects.filter(is_superuser=True, is_active=True).exists()


def has_traders() -> bool:
    """Whether anybody but administrators uses this installation."""
    return User.objects.filter(is_superuser=False).exists()


def find_user(username: str) -> User | None:
    """The user with this name."""
    return User.objects.filter(username=username).first()
