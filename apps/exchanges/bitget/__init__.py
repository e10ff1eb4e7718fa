"""Bitget spot: REST v2 of the classic account, the candle channels and the private order channels."""
