"""`manage.py doctor`: what this machine has and lacks."""

import json
import sys
from argparse import ArgumentParser
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand

from workers.doctor import examine


class Command(BaseCommand):
    """Looks, and changes nothing; exits with 1 when something that is needed is missing."""

    help = "Say what this machine has and lacks, in plain words."
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take the form of the answer."""
        parser.add_argument("--json", action="store_true", help="for programs")

    def handle(self, *_args: Any, **options: Any) -> None:
        """Print the findings."""
        findings = list(examine())
        if options["json"]:
            self.stdout.write(json.dumps([asdict(finding) for finding in findings], indent=2))
        else:
            for finding in findings:
                mark = "ok" if finding.is_good else "MISSING" if finding.is_needed else "weak"
                self.stdout.write(f"{mark:8} {finding.subject}: {finding.words}")
        if any(finding.is_needed and not finding.is_good for finding in findings):
            sys.exit(1)
