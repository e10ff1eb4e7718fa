"""Being told what happens inside, the moment it happens."""

from collections.abc import Callable

#: A name and its facts.
Probe = Callable[[str, dict[str, object]], None]
