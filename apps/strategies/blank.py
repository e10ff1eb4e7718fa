"""What a new strategy of one's own starts from."""

BLANK = '''\
"""In one line: what it buys, and when it sells.

Ready to use without an import: Strategy, pd (pandas), np (numpy) and ta (pandas-ta-classic).
"""


class MyStrategy(Strategy):
    # What you may tune for each activation; read it as self.params["length"].
    STRATEGY_PARAMS = {
        "length": {"default": 20, "min": 2, "max": 50, "step": 1, "type": "int", "label": "Length"},
    }

    def __init__(self, candles, balance, position=None):
        super().__init__(candles, balance, position)
        # candles: open, high, low, close, volume; the last row, iloc[-1], has just closed.
        self.average = candles["close"].tail(self.params["length"]).mean()
        self.close = candles["close"].iloc[-1]

    def should_long(self):
        """Asked while you hold nothing: True buys."""
        return False

    def should_short(self):
        """Asked while you hold a position: True sells it."""
        return False

    def calculate_position_size(self):
        """How much to spend, in quote currency."""
        return self.balance * 0.1

    def calculate_stop_loss(self):
        """Sell at a loss of 2 %; None means no stop-loss."""
        return 0.02

    def calculate_take_profit(self):
        """Sell at a profit of 4 %; None means no take-profit."""
        return 0.04
'''
