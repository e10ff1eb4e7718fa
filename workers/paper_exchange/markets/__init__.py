"""Where prices come from: a simulation, recorded candles, or a real exchange."""
