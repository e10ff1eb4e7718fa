"""What `up` settles before Django reads its settings: its flags, and a first start's secrets."""

import base64
import os
import secrets
from argparse import ArgumentParser
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import environ


@dataclass(frozen=True, slots=True)
class Flag:
    """A flag of `up` and the variable that it sets for every process."""

    name: str
    variable: str
    kind: Callable[[str], object]
    help: str
    value: str = "{}"
    metavar: str = "N"


LOOPBACK = "http://127.0.0.1:{}"
# fmt: off
FLAGS = (
    Flag("--port", "ARISTOBOT_PORT", int, "port of the admin"),
    Flag("--webhook-port", "ARISTOBOT_WEBHOOK_PORT", int, "port of the webhook server"),
    Flag("--flower-port", "ARISTOBOT_FLOWER_URL", int, "port of Flower, on loopback", LOOPBACK),
    Flag("--paper-port", "ARISTOBOT_PAPER_BINANCE_URL", int, "port of the paper Binance", LOOPBACK),
    Flag("--paper-bitget-port", "ARISTOBOT_PAPER_BITGET_URL", int, "port of the paper Bitget",
         LOOPBACK),
    Flag("--paper-kraken-port", "ARISTOBOT_PAPER_KRAKEN_URL", int, "port of the paper Kraken",
         LOOPBACK),
    Flag("--market", "ARISTOBOT_PAPER_MARKET", str, "prices of the paper exchanges: simulated,"
         " replay:FILE[,FILE...] or live", metavar="M"),
    Flag("--speed", "ARISTOBOT_PAPER_SPEED", float, "how many times faster than real time a"
         " simulated or recorded market runs"),
)
# fmt: on


def add_flags(parser: ArgumentParser) -> None:
    """Add the flags of `up`; one that isn't given leaves its variable as it is."""
    for flag in FLAGS:
        parser.add_argument(
            flag.name, type=flag.kind, dest=flag.variable, metavar=flag.metavar, help=flag.help
        )


def prepare_environment(root: Path, arguments: Sequence[str]) -> None:
    """Put flags, `.env` and the secrets into the environment, in this order of precedence."""
    parser = ArgumentParser("manage.py up", add_help=False, allow_abbrev=False)
    add_flags(parser)
    given = vars(parser.parse_known_args(arguments)[0])
    for flag in FLAGS:
        if given[flag.variable] is not None:
            os.environ[flag.variable] = flag.value.format(given[flag.variable])
    environ.Env.read_env(root / ".env")
    ensure_secrets(Path(os.environ.get("ARISTOBOT_VAR") or root / "var"))


def make_secrets() -> dict[str, str]:
    """A new signing key and a new Fernet key."""
    return {
        "SECRET_KEY": secrets.token_urlsafe(50),
        "ARISTOBOT_ENCRYPTION_KEYS": base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
    }


def ensure_secrets(var_dir: Path) -> None:
    """Write the secrets that nobody has set to `secrets.env`, readable by this user alone, once."""
    file = var_dir / "secrets.env"
    environ.Env.read_env(file)
    missing = {name: value for name, value in make_secrets().items() if not os.environ.get(name)}
    if not missing:
        return
    try:
        var_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    except OSError as error:
        raise SystemExit(
            f"{file} can't be written: {error.strerror}. Set ARISTOBOT_VAR to a directory of yours."
        ) from None
    with os.fdopen(descriptor, "w") as stream:
        stream.writelines(f"{name}={value}\n" for name, value in missing.items())
