"""Bitget's spot API, version 2 ("classic account")."""
