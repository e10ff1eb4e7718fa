"""A paper exchange that writes down when what happened; in a process without Django."""

import json
import time
from pathlib import Path

from workers.paper_exchange.options import Options
from workers.paper_exchange.server import run

SYMBOL = "BTC/USDT"


def serve_with_probe(options: Options, trace: Path) -> None:
    """Serve until SIGTERM, then write closed candles and order requests with their monotonic time."""
    seen: list[tuple[str, int]] = []

    def probe(kind: str, what: dict[str, object]) -> None:
        if what.get("symbol", SYMBOL) == SYMBOL:
            seen.append((kind, time.monotonic_ns()))

    run(options, wall=time.time, announce=lambda _line: None, probe=probe)
    trace.write_text(json.dumps(seen))
