"""`manage.py seed_demo`: somebody to watch."""

from collections.abc import Sequence
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import transaction
from django.utils import timezone

from apps.accounts.models import User
from apps.accounts.selectors import find_user, has_traders
from apps.accounts.services import TooManyUsers, create_user
from apps.bots.services import activate
from apps.brokers.selectors import list_brokers
from apps.brokers.services import open_paper_broker
from apps.core.venues import paper_environment
from apps.domain.candles import Timeframe
from apps.domain.environments import Environment, Exchange
from apps.exchanges.errors import ExchangeError
from apps.markets.selectors import find_default_symbol
from apps.markets.symbols import sync_symbols
from apps.strategies.catalogue import get_sample
from apps.strategies.models import Strategy, StrategyVersion
from apps.strategies.sandbox import SandboxUnavailable
from apps.strategies.services import add_sample, save_version, validate_sample
from apps.strategies.validation import Report

USERNAME = "demo"
SAMPLE = get_sample("ema_cross")


class Command(BaseCommand):
    """A demo user whose sample strategy trades on the paper exchange; run again, it adds what is missing
    for the market that the paper exchange runs now, and touches nothing else."""

    help = "Create the demo user: a broker at each paper exchange, a sample strategy at work on it."

    def handle(self, *_args: Any, **_options: Any) -> None:
        """Say what was made."""
        try:
            password = self._seed()
        except (ExchangeError, SandboxUnavailable, TooManyUsers) as error:
            raise CommandError(f"The demo could not be set up: {error}") from error
        if password:
            self.stdout.write(f"Demo user:     {USERNAME}    password: {password}")

    def _seed(self) -> str | None:
        """The exchange and the sandbox are asked first; then everything is written, or nothing."""
        user, environment = find_user(USERNAME), paper_environment()
        if user is None and has_traders():
            return None  # the demo has been seen, and deleted
        missing = _paper_exchanges()
        if user:
            known = list_brokers(user).filter(environment=environment)
            missing = [each for each in missing if not known.filter(exchange=each).exists()]
        if not missing:
            return None
        for exchange in missing:
            sync_symbols(exchange=exchange, environment=environment)
        return self._create(user, missing, environment, validate_sample(SAMPLE))

    @transaction.atomic
    def _create(
        self,
        user: User | None,
        exchanges: Sequence[Exchange],
        environment: Environment,
        report: Report,
    ) -> str | None:
        password = None
        if user is None:
            user, password = create_user(username=USERNAME, is_administrator=False)
        version = self._find_or_add_sample(user, report)
        for exchange in exchanges:
            broker = open_paper_broker(
                owner=user,
                name=f"Demo {exchange.title()} ({environment})",
                exchange=exchange,
                environment=environment,
            )
            activate(
                version=version,
                broker=broker,
                symbol=find_default_symbol(exchange, environment),
                timeframe=Timeframe.M1,
                parameters={},
                now=timezone.now(),
            )
        return password

    def _find_or_add_sample(self, user: User, report: Report) -> StrategyVersion:
        sample = Strategy.objects.for_user(user).filter(name=SAMPLE.title).first()
        now = timezone.now()
        if sample is None:
            return add_sample(owner=user, sample=SAMPLE, report=report, now=now)
        valid = sample.versions.exclude(validated_at=None)
        return valid.first() or save_version(
            strategy=sample, code=SAMPLE.code, report=report, now=now
        )


def _paper_exchanges() -> list[Exchange]:
    """Those that run here."""
    return [exchange for exchange in Exchange if exchange in settings.PAPER_EXCHANGE_URLS]
