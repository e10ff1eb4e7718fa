"""Donchian breakout: buy above the highest price of the last candles, sell below the lowest.

A price that was not seen for a while often starts a trend. The exit looks back less far than the entry, so
that a trend is left sooner than it was found. Losses are many and small, gains few and large.
"""


class DonchianBreakout(Strategy):
    STRATEGY_PARAMS = {
        "entry": {
            "default": 20,
            "min": 5,
            "max": 200,
            "step": 1,
            "type": "int",
            "label": "Candles for the entry",
        },
        "exit": {
            "default": 10,
            "min": 2,
            "max": 100,
            "step": 1,
            "type": "int",
            "label": "Candles for the exit",
        },
    }

    def __init__(self, candles, balance, position=None):
        super().__init__(candles, balance, position)
        # A new market has too few candles: nothing is decided yet.
        self.ready = len(candles) > max(self.params["entry"], self.params["exit"])
        if not self.ready:
            return
        # The candle that has just closed is left out: its own high can't be broken by its close.
        before = candles.iloc[:-1]
        self.close = candles["close"].iloc[-1]
        self.highest = before["high"].tail(self.params["entry"]).max()
        self.lowest = before["low"].tail(self.params["exit"]).min()

    def should_long(self):
        return self.ready and self.close > self.highest

    def should_short(self):
        return self.ready and self.close < self.lowest

    def calculate_position_size(self):
        """A tenth of the free balance."""
        return self.balance * 0.1

    def calculate_stop_loss(self):
        """Sell at a loss of 4 %."""
        return 0.04

    def calculate_take_profit(self):
        """Sell at a profit of 12 %."""
        return 0.12
