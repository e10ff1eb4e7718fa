"""`manage.py sandbox`: where strategies run."""

import os
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from workers.sandbox import zygote_command


class Command(BaseCommand):
    """Becomes the sandbox: nothing of Django, its settings or its environment is left in the process."""

    help = "Run the sandbox that evaluates strategies, until SIGTERM."
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take the path to listen on."""
        parser.add_argument("--socket", default=settings.SANDBOX_SOCKET, help="Path of its socket")

    def handle(self, *_args: Any, **options: Any) -> None:
        """Replace this process."""
        argv = zygote_command(options["socket"])
        os.execve(argv[0], argv, {})  # noqa: S606  the whole point: no shell, no environment
