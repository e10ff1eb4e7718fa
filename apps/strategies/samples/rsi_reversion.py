"""RSI reversion: buy when an oversold market turns up again, sell when it is overbought.

The relative strength index (RSI) goes from 0 to 100. Below 30 many have sold in a short time, and prices
often come back. Buying before the turn would catch falling knives, so it waits until the RSI is back above.
"""

import pandas_ta as ta


class RsiReversion(Strategy):
    STRATEGY_PARAMS = {
        "length": {
            "default": 14,
            "min": 2,
            "max": 50,
            "step": 1,
            "type": "int",
            "label": "RSI length",
        },
        "oversold": {
            "default": 30,
            "min": 5,
            "max": 45,
            "step": 1,
            "type": "int",
            "label": "Oversold below",
        },
        "overbought": {
            "default": 70,
            "min": 55,
            "max": 95,
            "step": 1,
            "type": "int",
            "label": "Overbought above",
        },
    }

    def __init__(self, candles, balance, position=None):
        super().__init__(candles, balance, position)
        # A new market has too few candles: nothing is decided yet.
        self.ready = len(candles) > self.params["length"] + 1
        if not self.ready:
            return
        rsi = ta.rsi(candles["close"], length=self.params["length"])
        # iloc[-1] belongs to the candle that has just closed, iloc[-2] to the one before.
        self.rsi = rsi.iloc[-1]
        self.rsi_before = rsi.iloc[-2]

    def should_long(self):
        return self.ready and self.rsi_before < self.params["oversold"] <= self.rsi

    def should_short(self):
        return self.ready and self.rsi > self.params["overbought"]

    def calculate_position_size(self):
        """A tenth of the free balance."""
        return self.balance * 0.1

    def calculate_stop_loss(self):
        """Sell at a loss of 3 %."""
        return 0.03

    def calculate_take_profit(self):
        """Sell at a profit of 6 %."""
        return 0.06
