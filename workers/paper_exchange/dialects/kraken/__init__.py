"""Kraken spot: REST v0 and WebSocket v2."""
