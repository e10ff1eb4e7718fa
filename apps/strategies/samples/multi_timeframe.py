"""Multi-timeframe: buy dips of the small candles while the large ones rise, sell when those fall.

The large candles are made of the small ones that the strategy is given: with 15-minute candles and a factor
of 4, of one hour each. Only large candles that are complete count; the last one may still change.
"""

import pandas_ta as ta


class MultiTimeframe(Strategy):
    STRATEGY_PARAMS = {
        "factor": {
            "default": 4,
            "min": 2,
            "max": 24,
            "step": 1,
            "type": "int",
            "label": "Small candles in a large one",
        },
        "trend": {
            "default": 20,
            "min": 5,
            "max": 50,
            "step": 1,
            "type": "int",
            "label": "EMA of the large candles",
        },
        "rsi": {
            "default": 14,
            "min": 2,
            "max": 50,
            "step": 1,
            "type": "int",
            "label": "RSI of the small candles",
        },
        "dip": {
            "default": 40,
            "min": 10,
            "max": 50,
            "step": 1,
            "type": "int",
            "label": "A dip is below",
        },
    }
    # Ten times the length of the large average, in small candles, and some more.
    lookback = 1000

    def __init__(self, candles, balance, position=None):
        super().__init__(candles, balance, position)
        # A new market has too few candles: nothing is decided yet.
        enough = self.params["factor"] * (self.params["trend"] + 3)
        self.ready = len(candles) > max(enough, self.params["rsi"] + 1)
        if not self.ready:
            return
        close = candles["close"]
        # The smallest step, since a candle may be missing between two others.
        small = candles.index.to_series().diff().min()
        large = small * self.params["factor"]
        closes = close.resample(large).last().ffill()
        # A large candle is complete when its last small one has closed.
        if closes.index[-1] + large > candles.index[-1] + small:
            closes = closes.iloc[:-1]
        trend = ta.ema(closes, length=self.params["trend"])
        rsi = ta.rsi(close, length=self.params["rsi"])
        self.is_rising = trend.iloc[-1] > trend.iloc[-2]
        self.rsi = rsi.iloc[-1]
        self.rsi_before = rsi.iloc[-2]

    def should_long(self):
        return self.ready and self.is_rising and self.rsi_before < self.params["dip"] <= self.rsi

    def should_short(self):
        return self.ready and not self.is_rising

    def calculate_position_size(self):
        """A tenth of the free balance."""
        return self.balance * 0.1

    def calculate_stop_loss(self):
        """Sell at a loss of 3 %."""
        return 0.03

    def calculate_take_profit(self):
        """Sell at a profit of 6 %."""
        return 0.06
