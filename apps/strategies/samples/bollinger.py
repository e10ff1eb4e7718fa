"""Bollinger: buy when the price comes back into its bands from below, sell at the middle band.

The bands lie two standard deviations around an average: most prices are between them. One below
the lower band is unusual; when the next candle closes inside again, the average is where it tends to go.
"""

import pandas_ta as ta


class Bollinger(Strategy):
    STRATEGY_PARAMS = {
        "length": {
            "default": 20,
            "min": 5,
            "max": 100,
            "step": 1,
            "type": "int",
            "label": "Length",
        },
        "std": {
            "default": 2.0,
            "min": 0.5,
            "max": 4.0,
            "step": 0.1,
            "type": "float",
            "label": "Standard deviations",
        },
    }

    def __init__(self, candles, balance, position=None):
        super().__init__(candles, balance, position)
        # A new market has too few candles: nothing is decided yet.
        self.ready = len(candles) > self.params["length"]
        if not self.ready:
            return
        close = candles["close"]
        bands = ta.bbands(close, length=self.params["length"], std=self.params["std"])
        # The first three columns are the lower, the middle and the upper band.
        lower, middle, upper = (bands[name] for name in list(bands)[:3])
        self.close = close.iloc[-1]
        self.lower = lower.iloc[-1]
        self.middle = middle.iloc[-1]
        self.was_below = close.iloc[-2] < lower.iloc[-2]

    def should_long(self):
        return self.ready and self.was_below and self.close >= self.lower

    def should_short(self):
        return self.ready and self.close >= self.middle

    def calculate_position_size(self):
        """A tenth of the free balance."""
        return self.balance * 0.1

    def calculate_stop_loss(self):
        """Sell at a loss of 3 %."""
        return 0.03

    def calculate_take_profit(self):
        """Sell at a profit of 5 %."""
        return 0.05
