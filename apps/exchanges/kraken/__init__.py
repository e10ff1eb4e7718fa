"""Kraken spot: wire protocol of exchange `kraken`."""
