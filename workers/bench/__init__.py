"""Measurements on the real processes, each with its limit or its peer in the same run."""
