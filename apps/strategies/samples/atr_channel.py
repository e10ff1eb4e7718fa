"""ATR channel: buy when the price leaves its channel upwards, sell when it falls back to the average.

The channel lies around an average, some average ranges (ATR) away: wide while the market is wild, narrow
while it is calm. The stop-loss follows the same measure instead of a fixed share.
"""

import pandas_ta as ta


class AtrChannel(Strategy):
    STRATEGY_PARAMS = {
        "length": {
            "default": 20,
            "min": 5,
            "max": 100,
            "step": 1,
            "type": "int",
            "label": "Length of average and ATR",
        },
        "width": {
            "default": 2.0,
            "min": 0.5,
            "max": 6.0,
            "step": 0.1,
            "type": "float",
            "label": "Width in ATR",
        },
    }

    def __init__(self, candles, balance, position=None):
        super().__init__(candles, balance, position)
        # A new market has too few candles: nothing is decided yet.
        self.ready = len(candles) > self.params["length"] + 1
        if not self.ready:
            return
        close = candles["close"]
        average = ta.ema(close, length=self.params["length"])
        atr = ta.atr(candles["high"], candles["low"], close, length=self.params["length"])
        upper = average + self.params["width"] * atr
        self.close = close.iloc[-1]
        self.average = average.iloc[-1]
        self.atr = atr.iloc[-1]
        self.upper = upper.iloc[-1]
        self.was_inside = close.iloc[-2] <= upper.iloc[-2]

    def should_long(self):
        return self.ready and self.was_inside and self.close > self.upper

    def should_short(self):
        return self.ready and self.close < self.average

    def calculate_position_size(self):
        """A tenth of the free balance."""
        return self.balance * 0.1

    def calculate_stop_loss(self):
        """Two average ranges below the price, but never more than 10 % below."""
        if not self.ready:
            return 0.03
        return min(2 * self.atr / self.close, 0.1)

    def calculate_take_profit(self):
        """Sell at a profit of 10 %."""
        return 0.1
