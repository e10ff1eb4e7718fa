"""Keys of the paper exchange."""

import hashlib
import hmac


def paper_secret(api_key: str) -> str:
    """The secret that belongs to a paper API key.

    Paper money lives on this machine, so knowing a random key is owning its account: deriving the
    secret means that nothing has to be registered and any client can connect.
    """
    return hmac.new(b"aristobot paper exchange", api_key.encode(), hashlib.sha256).hexdigest()
