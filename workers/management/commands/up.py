"""`manage.py up`: everything, with one command."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from workers.supervisor.environment import add_flags
from workers.supervisor.up import run


class Command(BaseCommand):
    """Start and supervise every process on this machine."""

    help = "Starts everything on this machine and keeps it running; Ctrl-C stops it in order."
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take the flags; manage.py has already turned them into settings."""
        add_flags(parser)

    def handle(self, **_options: Any) -> None:
        """Run until a signal asks to stop."""
        run()
