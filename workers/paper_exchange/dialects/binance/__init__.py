"""Binance spot, REST v3 and market streams."""
