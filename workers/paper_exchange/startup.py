"""Why the paper exchange could not start."""


class StartError(Exception):
    """What is wrong with what the exchange was started with, and how to fix it."""
