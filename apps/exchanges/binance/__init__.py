"""Binance spot: REST v3 and the market streams."""
