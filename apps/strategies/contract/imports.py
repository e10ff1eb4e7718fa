"""What strategies may import: the sandbox has it ready, and validation names anything else."""

STANDARD_LIBRARY = frozenset({
    "__future__", "abc", "array", "bisect", "calendar", "cmath", "collections", "contextlib", "copy",
    "dataclasses", "datetime", "decimal", "enum", "fractions", "functools", "hashlib", "heapq",
    "itertools", "json", "logging", "math", "numbers", "operator", "random", "re", "statistics",
    "string", "textwrap", "time", "traceback", "types", "typing", "warnings", "zoneinfo",
})  # fmt: skip
#: pandas_ta is pandas_ta_classic by the name under which most examples know it.
LIBRARIES = frozenset({"numpy", "pandas", "pandas_ta", "pandas_ta_classic"})
#: The first part of every module's name that may be imported.
ALLOWED = STANDARD_LIBRARY | LIBRARIES
#: Where Strategy itself comes from, for those who rather import it than find it ready.
CONTRACT = "apps.strategies.contract"


def is_allowed(module: str) -> bool:
    """Whether a strategy may import the module of this full name."""
    return module == CONTRACT or module.partition(".")[0] in ALLOWED
