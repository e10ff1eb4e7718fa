"""What goes over the sandbox's socket: one connection is one strategy in one confined process.

The client says HELLO, and sends the descriptor of a clock along: when that runs out, the sandbox kills the
process. The sandbox answers with the names of its layers, or why it is unavailable. The client then sends the
code, and the reply describes the class; every further request is a question with its candles. A request
is a REQUEST header, JSON and candles; a reply is a REPLY header and JSON.
"""

import json
import struct
from collections.abc import Mapping
from typing import Any

#: Until it is heard, no process is given to a connection: who only looks whether somebody listens uses none.
HELLO = b"\n"
#: Bytes of JSON, rows of candles.
REQUEST = struct.Struct("<II")
#: Bytes of JSON.
REPLY = struct.Struct("<I")
MAX_REPLY = 64 * 1024
#: Opening times in ms since 1970 as int64, then open, high, low, close, volume as float64: 8 bytes each,
#: one column after the other, in the machine's byte order.
COLUMNS = 6
MAX_OUTPUT = 4 * 1024
MAX_TRACEBACK = 8 * 1024
MAX_VALUES = 30


def pack_request(message: Mapping[str, Any], rows: int = 0, columns: bytes = b"") -> bytes:
    """What the client sends."""
    body = json.dumps(message).encode()
    return REQUEST.pack(len(body), rows) + body + columns


def pack_reply(message: Mapping[str, Any]) -> bytes:
    """What the sandbox sends; characters that UTF-8 does not have become question marks."""
    body = json.dumps(message, ensure_ascii=False).encode("utf-8", "replace")
    return REPLY.pack(len(body)) + body
