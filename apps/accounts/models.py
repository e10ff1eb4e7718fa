"""Users."""

from django.contrib.auth.models import AbstractUser


class User(AbstractUser):
    """A person who trades; an administrator is a superuser and still sees only his own rows."""
