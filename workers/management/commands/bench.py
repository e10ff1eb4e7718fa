"""`manage.py bench`: what is fast is measured."""

from argparse import ArgumentParser
from typing import Any

from django.core.management import call_command
from django.core.management.base import BaseCommand

from workers.bench.live import measure


class Command(BaseCommand):
    """Runs on servers and processes of its own; nothing of an installation is touched."""

    help = "Measure Aristobot on its real processes and throw-away servers."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """One subcommand a measurement."""
        kinds = parser.add_subparsers(dest="kind", required=True)
        live = kinds.add_parser("live", help="closed candle to order at the exchange's door")
        live.add_argument("--orders", type=int, default=300, help="how many to measure (300)")
        live.add_argument(
            "--rate", type=float, default=4.0, help="candles a second, an order on each (4)"
        )

    def handle(self, *_args: Any, **options: Any) -> None:
        """Measure and print."""
        call_command("migrate", verbosity=0, interactive=False)
        latencies = measure(
            orders=options["orders"], candles_per_second=options["rate"], say=self.stdout.write
        )
        self.stdout.write("Closed candle sent -> order request received, one strategy, warm")
        self.stdout.write(latencies.describe())
        self.stdout.write("Aim: p50 15 ms, p99 40 ms on two cores.")
