#!/usr/bin/env python3
"""Django's command line, which makes its own virtual environment; `up` starts everything."""

# ruff: noqa: PLC0415  each step makes the next one's imports possible

import os
import runpy
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent

if sys.version_info < (3, 11):  # noqa: UP036  the reader of this line has the older Python
    sys.exit("Aristobot needs Python 3.11 or newer; this is {}.{}.".format(*sys.version_info))


def main() -> None:
    """Make what the settings of `up` and `test` are read from, then run Django."""
    command = sys.argv[1] if len(sys.argv) > 1 else "help"
    # By path: the package around the module imports what may not be installed yet.
    runpy.run_path(str(ROOT / "aristobot" / "bootstrap.py"))["enter_environment"](ROOT, command)
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "aristobot.settings")
    if command == "test":
        from workers.supervisor.testing import run_tests

        sys.exit(run_tests(sys.argv[2:]))
    if command == "bench":
        from workers.bench.launch import run_bench

        run_bench(sys.argv)
        return
    if command == "up":
        from workers.supervisor.environment import prepare_environment

        prepare_environment(ROOT, sys.argv[2:])
    if command in ("backtest", "exchange", "validate_strategy"):
        from workers.supervisor.environment import make_secrets

        # It keeps nothing: before the first `up` has made the secrets, passing ones do as well.
        os.environ |= make_secrets() | dict(os.environ)

    from django.conf import settings
    from django.core.exceptions import ImproperlyConfigured
    from django.core.management import execute_from_command_line

    try:
        settings.BASE_DIR  # noqa: B018  reads all of them
    except (ImproperlyConfigured, ValueError) as error:
        sys.exit(f"A setting in the environment or in .env is wrong: {error} (see .env.example)")
    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
