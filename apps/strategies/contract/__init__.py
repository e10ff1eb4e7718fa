"""What strategy authors inherit, and how the sandbox is spoken to; standard library alone."""

from apps.strategies.contract.strategy import PositionView, Strategy

__all__ = ["PositionView", "Strategy"]
