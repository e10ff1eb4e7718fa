"""EMA cross: buy when the fast average crosses above the slow one, sell when it crosses below.

A strategy is one class that inherits Strategy. When a candle closes, Aristobot makes an instance of it
and asks: should_long() while you hold nothing, should_short() while you hold a position.

Ready to use without an import: Strategy, pd (pandas), np (numpy) and ta (pandas-ta-classic).
"""

import pandas_ta as ta


class EmaCross(Strategy):
    # What you may tune for each activation without touching the code; read it as self.params["fast"].
    STRATEGY_PARAMS = {
        "fast": {
            "default": 10,
            "min": 2,
            "max": 100,
            "step": 1,
            "type": "int",
            "label": "Fast EMA",
        },
        "slow": {
            "default": 20,
            "min": 3,
            "max": 200,
            "step": 1,
            "type": "int",
            "label": "Slow EMA",
        },
    }

    def __init__(self, candles, balance, position=None):
        super().__init__(candles, balance, position)
        # A new market has no history yet: an average needs as many candles as it is long.
        if len(candles) <= self.params["slow"]:
            self.was_above = self.is_above = False
            return
        # candles is a table with the columns open, high, low, close and volume; the last row, iloc[-1],
        # is the candle that has just closed, iloc[-2] the one before.
        fast = ta.ema(candles["close"], length=self.params["fast"])
        slow = ta.ema(candles["close"], length=self.params["slow"])
        # Simple values that you keep on self are shown with every decision.
        self.fast_ema = fast.iloc[-1]
        self.slow_ema = slow.iloc[-1]
        self.was_above = fast.iloc[-2] > slow.iloc[-2]
        self.is_above = self.fast_ema > self.slow_ema

    def should_long(self):
        """True buys."""
        return self.is_above and not self.was_above

    def should_short(self):
        """True sells the position (a spot market has no short positions)."""
        return self.was_above and not self.is_above

    def calculate_position_size(self):
        """How much to spend, in quote currency: a tenth of the free balance."""
        return self.balance * 0.1

    def calculate_stop_loss(self):
        """Sell at a loss of 2 %; None means no stop-loss."""
        return 0.02

    def calculate_take_profit(self):
        """Sell at a profit of 4 %; None means no take-profit."""
        return 0.04
