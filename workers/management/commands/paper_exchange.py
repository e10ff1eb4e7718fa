"""`manage.py paper_exchange`: an exchange with paper money on this machine."""

from argparse import ArgumentParser, Namespace
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from workers.paper_exchange.arguments import add_arguments, serve
from workers.paper_exchange.startup import StartError


class Command(BaseCommand):
    """Start the paper exchange and serve until it is told to stop."""

    help = "Run an exchange with paper money that speaks a real exchange's protocol."
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        """The exchange's own."""
        add_arguments(parser)

    def handle(self, *_args: Any, **words: Any) -> None:
        """Serve."""
        try:
            serve(Namespace(**words))
        except StartError as error:
            raise CommandError(f"paper exchange: {error}") from error
