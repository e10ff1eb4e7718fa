"""The doors of the workers: one module per queue, one call of a service per task."""

from workers.tasks import (
    backtests,
    downloads,
    maintenance,
    market_data,
    monitor,
    orders,
    strategies,
    webhooks,
)

__all__ = [
    "backtests",
    "downloads",
    "maintenance",
    "market_data",
    "monitor",
    "orders",
    "strategies",
    "webhooks",
]
