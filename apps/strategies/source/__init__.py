"""A strategy's source code, read and rewritten by its syntax; it is never run here."""
