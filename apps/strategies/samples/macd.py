"""MACD: buy when momentum turns up, sell when it turns down.

The MACD line is a fast average less a slow one. Its own average is the signal line, and the histogram is the
distance between the two: above zero, prices rise faster than they did.
"""

import pandas_ta as ta


class Macd(Strategy):
    STRATEGY_PARAMS = {
        "fast": {"default": 12, "min": 2, "max": 50, "step": 1, "type": "int", "label": "Fast EMA"},
        "slow": {
            "default": 26,
            "min": 5,
            "max": 100,
            "step": 1,
            "type": "int",
            "label": "Slow EMA",
        },
        "signal": {"default": 9, "min": 2, "max": 50, "step": 1, "type": "int", "label": "Signal"},
    }

    def __init__(self, candles, balance, position=None):
        super().__init__(candles, balance, position)
        # A new market has too few candles: nothing is decided yet.
        self.ready = len(candles) > self.params["slow"] + self.params["signal"]
        if not self.ready:
            return
        macd = ta.macd(
            candles["close"],
            fast=self.params["fast"],
            slow=self.params["slow"],
            signal=self.params["signal"],
        )
        # The table has three columns, in this order.
        line, histogram, signal = (macd[name] for name in macd)
        self.histogram = histogram.iloc[-1]
        self.histogram_before = histogram.iloc[-2]

    def should_long(self):
        return self.ready and self.histogram_before <= 0 < self.histogram

    def should_short(self):
        return self.ready and self.histogram_before >= 0 > self.histogram

    def calculate_position_size(self):
        """A tenth of the free balance."""
        return self.balance * 0.1

    def calculate_stop_loss(self):
        """Sell at a loss of 3 %."""
        return 0.03

    def calculate_take_profit(self):
        """Sell at a profit of 6 %."""
        return 0.06
