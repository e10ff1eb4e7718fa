"""Bodies that somebody may post: what templates make of the contract, and what nobody should send."""

import json
from typing import Any

from hypothesis import strategies as st

from apps.webhooks.reading import NAMES
from apps.webhooks.verbs import Verb

_TEXTS = st.one_of(
    st.sampled_from(
        [
            "BTCUSDT", "BINANCE:BTCUSDT", "BTC/USDT", "BTCUSDT.P", "5", "60", "D", "5m", "M", "NaN", "na", "",
            "0", "100", "-1", "1e400", "1e-30", "67,000.5", "2026-01-01T12:00:00Z", "1767268800000",
            "0001-01-01T00:00:00+23:59", "{{close}}", "null", "true", "9" * 30, "\x00", "\ud800", "\u202e",
            *(verb.value for verb in Verb),
        ]
    ),
    st.text(max_size=30),
)  # fmt: skip
_NAMES = st.one_of(st.sampled_from([*NAMES, "Token", "action", "PRIXSL"]), st.text(max_size=8))
_VALUES: st.SearchStrategy[Any] = st.one_of(
    _TEXTS,
    st.integers(),
    st.floats(),
    st.booleans(),
    st.none(),
    st.lists(st.integers(), max_size=3),
    st.dictionaries(st.text(max_size=3), st.integers(), max_size=2),
)


def _write(fields: dict[str, Any]) -> bytes:
    return json.dumps(fields).encode()


@st.composite
def _templates(draw: st.DrawFn) -> bytes:
    """As Pine writes: some texts without quotes."""
    fields = draw(st.lists(st.tuples(_NAMES, _TEXTS, st.booleans()), max_size=12))
    written = (
        f'"{name}": ' + (f'"{text}"' if is_quoted else text) for name, text, is_quoted in fields
    )
    return ("{" + ", ".join(written) + "}").encode("utf-8", "surrogatepass")


@st.composite
def _broken(draw: st.DrawFn) -> bytes:
    """A body with some of its bytes cut out, put in or changed."""
    body = bytearray(draw(st.one_of(_templates(), st.dictionaries(_NAMES, _VALUES).map(_write))))
    for _ in range(draw(st.integers(1, 4))):
        place = draw(st.integers(0, len(body)))
        body[place : place + draw(st.integers(0, 5))] = draw(st.binary(max_size=3))
    return bytes(body)


_LONG = st.builds(
    lambda part, times: (part * times)[:65_536],
    st.binary(min_size=1, max_size=9),
    st.integers(1, 9999),
)
#: Whatever may come.
BODIES: st.SearchStrategy[bytes] = st.one_of(
    st.dictionaries(_NAMES, _VALUES, max_size=20).map(_write),
    _templates(),
    _broken(),
    st.binary(max_size=300),
    _LONG,
    st.text(max_size=300).map(lambda text: text.encode("utf-8", "surrogatepass")),
)
