"""Strategies written at random, of all that Python decides with."""

from random import Random

_HEAD = """
class Written(Strategy):
    def __init__(self, candles, balance, position=None):
        super().__init__(candles, balance, position)
        close = candles["close"]
        candles["ema"] = ta.ema(close, length=7)
        candles["average"] = close.rolling(5).mean()
        candles["gap"] = close.where(candles["volume"] > 20)
        candles["change"] = close - candles["open"]
        self.rows = len(candles)
"""
_TAIL = """
    def calculate_position_size(self): return self.balance * 0.1 + {size}
    def calculate_stop_loss(self): return 0.01 if {condition} else 0.02
    def calculate_take_profit(self): return None
"""
_COUNTING = """SPACErises = 0
SPACEfor k in range(1, 4):
SPACE    if self.candles['close'].iloc[-k] > self.candles['open'].iloc[-k]:
SPACE        rises += 1
SPACEif rises >= 2:
SPACE    return """
_EACH = "self.candles['close'].iloc[-k] > self.candles['ema'].iloc[-k]"
_COLUMNS = ("open", "high", "low", "close", "ema", "average", "gap", "change")


class Writer:
    """Writes one strategy after the other."""

    def __init__(self, seed: int) -> None:
        self._random = Random(seed)

    def write(self) -> str:
        """The code of a strategy, whose decisions depend on its candles alone."""
        methods = [
            f"    def helper(self):\n{self._block(2)}\n        return {self._number(1, 2)}\n",
            f"    def should_long(self):\n{self._block(2)}\n        return {self._condition(0)}\n",
            f"    def should_short(self):\n{self._block(2)}\n        return {self._condition(0)}\n",
        ]
        methods[0] = (
            methods[0].replace("return True", "return 1.0").replace("return False", "return 100.0")
        )
        tail = _TAIL.format(
            size="abs(self.candles['close'].iloc[-2])", condition=self._condition(1)
        )
        return _HEAD + "\n" + "\n".join(methods) + tail

    def _column(self) -> str:
        name, back = self._random.choice(_COLUMNS), self._random.choice((1, 1, 1, 2, 2, 3, 9))
        form = self._random.choice(
            (
                "self.candles['{}'].iloc[-{}]",
                "self.candles.{}.iloc[-{}]",
                "self.candles.iloc[-{1}]['{0}']",
            )
        )
        return form.format(name, back)

    def _number(self, depth: int, deepest: int = 3) -> str:
        if depth > deepest:
            return self._column()
        one, other = (self._number(depth + 1, deepest) for _ in range(2))
        return self._random.choice([
            self._column(),
            self._column(),
            f"({one} {self._random.choice('+-*')} {self._random.choice(('0.5', '1', '2.0'))})",
            f"({one} / {other}) * 100",
            f"abs({one} - {other})",
            f"{self._random.choice(('max', 'min'))}({one}, {other}, {self._column()})",
            f"({one} if {self._condition(depth + 1)} else {other})",
            f"self.candles['{self._random.choice(_COLUMNS)}'].tail(4).{self._figure()}()",
            f"self.candles['{self._random.choice(_COLUMNS)}'].iloc[-6:-1].{self._figure()}()",
            "float(self.candles['close'].iloc[-1])",
        ])  # fmt: skip

    def _figure(self) -> str:
        return self._random.choice(("max", "min", "mean", "sum", "std"))

    def _condition(self, depth: int) -> str:
        comparison = self._random.choice((">", "<", ">=", "<=", "!=", "=="))
        plain = f"{self._number(depth + 1)} {comparison} {self._number(depth + 1)}"
        if depth > 2:
            return plain
        one, other = (self._condition(depth + 1) for _ in range(2))
        return self._random.choice([
            plain,
            plain,
            f"{self._column()} <= {self._number(depth + 1)} < {self._column()}",
            f"({one} and {other})",
            f"({one} or {other})",
            f"(not {one})",
            f"pd.isna({self._column()})",
            f"self.rows % {self._random.randint(2, 5)} == 0",
            f"{self._random.choice(('all', 'any'))}({_EACH} for k in (1, 2, 3))",
        ])  # fmt: skip

    def _block(self, indent: int, depth: int = 0) -> str:
        space = "    " * indent
        answer = self._random.choice(("True", "False"))
        kinds = [
            f"{space}x = {self._number(1)}\n{space}if x > {self._number(1)}:\n{space}    x = x - 0.5",
            f"{space}if {self._condition(1)}:\n{space}    return {answer}",
            _COUNTING.replace("SPACE", space) + answer,
        ]
        if depth < 2:
            inner = self._block(indent + 1, depth + 1)
            kinds.append(f"{space}if {self._condition(1)}:\n{inner}\n{space}else:\n{inner}")
        return self._random.choice(kinds)
