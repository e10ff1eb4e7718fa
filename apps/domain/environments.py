"""Where money is: at a real exchange, on its play area, or at the paper exchange."""

from enum import StrEnum


class Exchange(StrEnum):
    """A counterparty whose wire protocol we speak."""

    BINANCE = "binance"
    BITGET = "bitget"
    KRAKEN = "kraken"


class Environment(StrEnum):
    """What the money and the prices of a counterparty are worth; never mixed, told apart on every page."""

    LIVE = "live"
    TESTNET = "testnet"
    PAPER = "paper"
    REPLAY = "replay"
    SIMULATED = "simulated"

    @property
    def is_paper(self) -> bool:
        """Orders are matched by the paper exchange, on this machine."""
        return self in {Environment.PAPER, Environment.REPLAY, Environment.SIMULATED}

    @property
    def money(self) -> str:
        """The words a screen shows beside an amount."""
        return {
            Environment.LIVE: "Real money",
            Environment.TESTNET: "Testnet",
            Environment.PAPER: "Paper money, live prices",
            Environment.REPLAY: "Paper money, recorded prices",
            Environment.SIMULATED: "Paper money, simulated prices",
        }[self]
