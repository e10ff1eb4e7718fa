"""Volume breakout: buy a new high that comes with far more volume than usual, sell below the average.

A new high on little volume is often noise. When several times the usual volume is behind it, somebody large
is buying, and the move has a better chance to go on.
"""


class VolumeBreakout(Strategy):
    STRATEGY_PARAMS = {
        "length": {
            "default": 20,
            "min": 5,
            "max": 100,
            "step": 1,
            "type": "int",
            "label": "Candles to compare with",
        },
        "times": {
            "default": 2.0,
            "min": 1.1,
            "max": 10.0,
            "step": 0.1,
            "type": "float",
            "label": "Times the usual volume",
        },
    }

    def __init__(self, candles, balance, position=None):
        super().__init__(candles, balance, position)
        # A new market has too few candles: nothing is decided yet.
        self.ready = len(candles) > self.params["length"]
        if not self.ready:
            return
        # The candle that has just closed is compared with those before it, not with itself.
        before = candles.iloc[:-1].tail(self.params["length"])
        self.close = candles["close"].iloc[-1]
        self.volume = candles["volume"].iloc[-1]
        self.highest = before["high"].max()
        self.usual_volume = before["volume"].mean()
        self.average = before["close"].mean()

    def should_long(self):
        return (
            self.ready
            and self.close > self.highest
            and self.volume > self.params["times"] * self.usual_volume
        )

    def should_short(self):
        return self.ready and self.close < self.average

    def calculate_position_size(self):
        """A tenth of the free balance."""
        return self.balance * 0.1

    def calculate_stop_loss(self):
        """Sell at a loss of 3 %."""
        return 0.03

    def calculate_take_profit(self):
        """Sell at a profit of 8 %."""
        return 0.08
