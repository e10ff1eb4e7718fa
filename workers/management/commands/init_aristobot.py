"""`manage.py init_aristobot`: what every installation needs at its start."""

from typing import Any

from django.core.management.base import BaseCommand

from apps.accounts.selectors import has_administrator
from apps.accounts.services import create_user
from apps.core.schedules import create_missing_schedules
from apps.trading.monitor import forget_reconciliations


class Command(BaseCommand):
    """Creates only what is missing, and has all brokers reconciled before entries: runs at every start."""

    help = (
        "Create the administrator (his random password is printed once) and the missing schedules."
    )

    def handle(self, *_args: Any, **_options: Any) -> None:
        """Say what was made."""
        if not has_administrator():
            user, password = create_user(username="admin", is_administrator=True)
            self.stdout.write(f"Administrator: {user.username}   password: {password}")
        create_missing_schedules()
        # Nobody knows how long it has been down.
        forget_reconciliations()
