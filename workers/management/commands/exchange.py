"""`manage.py exchange`: look at an exchange from the shell."""

import os
from argparse import ArgumentParser, Namespace
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from apps.domain.environments import Exchange
from apps.exchanges.clients import capabilities_of, create_client
from apps.exchanges.errors import ExchangeError
from apps.exchanges.ports import ConnectionReport, Credentials
from workers.exchange_shell.actions import ACTIONS, parse_address
from workers.exchange_shell.output import as_json, as_table


class Command(BaseCommand):
    """Asks an exchange one thing and shows the answer; needs no database and no Valkey."""

    help = "Ask an exchange something; nothing is changed there. Keys come from the environment."
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Which exchange, what to ask it, and where."""
        parser.add_argument("exchange", metavar="EXCHANGE", choices=[e.value for e in Exchange])
        actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
        for name, action in ACTIONS.items():
            subparser = actions.add_parser(name, help=action.help)
            action.add_arguments(subparser)
            _add_common_arguments(subparser)

    def handle(self, *_args: Any, **words: Any) -> None:
        """Ask, and print the answer; a failed connection test is an error as well."""
        options = Namespace(**words)
        exchange, action = Exchange(options.exchange), ACTIONS[options.action]
        try:
            client = create_client(
                exchange,
                _read_credentials(exchange, options) if action.needs_key else None,
                base_url=options.base_url,
                testnet=options.testnet,
            )
            found = action.ask(client, options)
        except ExchangeError as error:
            raise CommandError(" ".join(str(error).split())) from error
        self.stdout.write(as_json(found) if options.json else as_table(found))
        if isinstance(found, ConnectionReport) and not found.ok:
            raise CommandError(" ".join(found.message.split()))


def _add_common_arguments(parser: ArgumentParser) -> None:
    place = parser.add_mutually_exclusive_group()
    place.add_argument(
        "--base-url",
        metavar="URL",
        type=parse_address,
        help="another address than the exchange's own",
    )
    place.add_argument("--testnet", action="store_true", help="the exchange's play area")
    parser.add_argument(
        "--key-env",
        metavar="PREFIX",
        help="the key is in PREFIX_KEY, PREFIX_SECRET and, where the exchange wants one,"
        " PREFIX_PASSPHRASE (the exchange's name in capitals)",
    )
    parser.add_argument("--json", action="store_true", help="JSON instead of a table")


def _read_credentials(exchange: Exchange, options: Namespace) -> Credentials:
    prefix = options.key_env or exchange.upper()
    names = {"api_key": f"{prefix}_KEY", "api_secret": f"{prefix}_SECRET"}
    if capabilities_of(exchange).needs_passphrase:
        names["passphrase"] = f"{prefix}_PASSPHRASE"
    if missing := [name for name in names.values() if not os.environ.get(name)]:
        raise CommandError(
            f"{options.action} needs an API key: set {' and '.join(missing)} in the environment,"
            " or name other variables with --key-env PREFIX."
        )
    return Credentials(**{part: os.environ[name] for part, name in names.items()})
