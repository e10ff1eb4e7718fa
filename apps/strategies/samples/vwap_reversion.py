"""VWAP reversion: buy well below the average price that was paid, sell when the price is back there.

The volume-weighted average price (VWAP) is what the market paid on average: candles with much volume count
more. Far below it nearly everybody of that time sits on a loss, and prices tend to return.
"""


class VwapReversion(Strategy):
    STRATEGY_PARAMS = {
        "length": {
            "default": 48,
            "min": 10,
            "max": 200,
            "step": 1,
            "type": "int",
            "label": "Candles in the average",
        },
        "distance": {
            "default": 0.01,
            "min": 0.002,
            "max": 0.1,
            "step": 0.001,
            "type": "float",
            "label": "How far below to buy",
        },
    }

    def __init__(self, candles, balance, position=None):
        super().__init__(candles, balance, position)
        # A new market has too few candles: nothing is decided yet.
        self.ready = len(candles) > self.params["length"]
        if not self.ready:
            return
        newest = candles.tail(self.params["length"])
        typical = (newest["high"] + newest["low"] + newest["close"]) / 3
        self.vwap = (typical * newest["volume"]).sum() / max(newest["volume"].sum(), 1e-12)
        self.close = newest["close"].iloc[-1]
        # While a candle still falls it is too early to buy.
        self.is_turning = self.close > newest["open"].iloc[-1]

    def should_long(self):
        return (
            self.ready
            and self.is_turning
            and self.close < self.vwap * (1 - self.params["distance"])
        )

    def should_short(self):
        return self.ready and self.close >= self.vwap

    def calculate_position_size(self):
        """A tenth of the free balance."""
        return self.balance * 0.1

    def calculate_stop_loss(self):
        """Sell at a loss of 3 %."""
        return 0.03

    def calculate_take_profit(self):
        """Sell at a profit of 4 %."""
        return 0.04
