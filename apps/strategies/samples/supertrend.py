"""Supertrend: buy when the trend turns up, sell when it turns down.

The Supertrend is a line that follows the price at a distance of some average ranges (ATR): below it while
prices rise, above it while they fall. When the price crosses the line, the trend has turned.
"""

import pandas_ta as ta


class Supertrend(Strategy):
    STRATEGY_PARAMS = {
        "length": {
            "default": 10,
            "min": 2,
            "max": 50,
            "step": 1,
            "type": "int",
            "label": "ATR length",
        },
        "multiplier": {
            "default": 3.0,
            "min": 1.0,
            "max": 8.0,
            "step": 0.1,
            "type": "float",
            "label": "ATR multiples",
        },
    }

    def __init__(self, candles, balance, position=None):
        super().__init__(candles, balance, position)
        # A new market has too few candles: nothing is decided yet.
        self.ready = len(candles) > self.params["length"] + 1
        if not self.ready:
            return
        table = ta.supertrend(
            candles["high"],
            candles["low"],
            candles["close"],
            length=self.params["length"],
            multiplier=self.params["multiplier"],
        )
        # The first column is the line, the second its direction: 1 is up, -1 is down.
        line, direction = (table[name] for name in list(table)[:2])
        self.line = line.iloc[-1]
        self.direction = direction.iloc[-1]
        self.direction_before = direction.iloc[-2]

    def should_long(self):
        return self.ready and self.direction > self.direction_before

    def should_short(self):
        return self.ready and self.direction < self.direction_before

    def calculate_position_size(self):
        """A tenth of the free balance."""
        return self.balance * 0.1

    def calculate_stop_loss(self):
        """Sell at a loss of 4 %."""
        return 0.04

    def calculate_take_profit(self):
        """Sell at a profit of 10 %."""
        return 0.1
