"""Where the sandbox listens."""

from pathlib import Path

import pytest

from workers.sandbox.listening import listen


def test_a_socket_that_nobody_serves_is_replaced(tmp_path: Path) -> None:
    listen(str(tmp_path / "s"), 1).close()

    listen(str(tmp_path / "s"), 1).close()


def test_a_file_in_the_way_is_not_removed(tmp_path: Path) -> None:
    (tmp_path / "s").write_text("precious", encoding="ascii")

    with pytest.raises(OSError, match="Address already in use"):
        listen(str(tmp_path / "s"), 1)
    assert (tmp_path / "s").read_text(encoding="ascii") == "precious"


def test_a_path_that_no_socket_can_have_is_refused() -> None:
    with pytest.raises(OSError, match="the path has more than 100 bytes"):
        listen("x" * 101, 1)
