"""`manage.py sandbox`: where strategies run."""

import os
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from workers.sandbox import zygote_command

_SOCKETS = {"live": settings.SANDBOX_SOCKET, "backtest": settings.BACKTEST_SOCKET}


class Command(BaseCommand):
    """Becomes the sandbox: nothing of Django, its settings or its environment is left in the process."""

    help = "Run the sandbox that evaluates strategies, until SIGTERM."
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take what it is for, and the path to listen on."""
        parser.add_argument("profile", nargs="?", choices=list(_SOCKETS), default="live")
        parser.add_argument("--socket", help="Path of its socket")

    def handle(self, *_args: Any, **options: Any) -> None:
        """Replace this process."""
        profile = options["profile"]
        argv = zygote_command(options["socket"] or _SOCKETS[profile], profile)
        os.execve(argv[0], argv, {})  # noqa: S606  the whole point: no shell, no environment
