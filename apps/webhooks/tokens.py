"""Tokens of webhook sources: shown once, kept as hashes."""

import hashlib
import secrets


def make_token() -> str:
    """A new one, of 256 random bits."""
    return secrets.token_urlsafe(32)


def hash_token(token: str) -> str:
    """What is kept of it. Whoever reads that can't send with it, nor does the time of a look-up by it tell
    anything of the token."""
    return hashlib.sha256(token.encode()).hexdigest()
