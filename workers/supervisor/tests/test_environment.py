import base64
import os
import stat
from pathlib import Path

import pytest

from workers.supervisor.environment import ensure_secrets, prepare_environment


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    kept = {"PATH": os.environ["PATH"]}
    monkeypatch.setattr(os, "environ", kept)
    monkeypatch.setattr("environ.Env.ENVIRON", kept)


def test_secrets_are_made_once_for_this_user_alone(tmp_path: Path) -> None:
    ensure_secrets(tmp_path / "var")
    file = tmp_path / "var" / "secrets.env"
    first = file.read_text()
    ensure_secrets(tmp_path / "var")

    assert file.read_text() == first
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700


def test_the_encryption_key_is_a_fernet_key(tmp_path: Path) -> None:
    ensure_secrets(tmp_path)

    values = dict(line.split("=", 1) for line in (tmp_path / "secrets.env").read_text().split())
    assert len(base64.urlsafe_b64decode(values["ARISTOBOT_ENCRYPTION_KEYS"])) == 32


def test_a_secret_that_is_set_is_not_made(tmp_path: Path) -> None:
    os.environ["SECRET_KEY"] = "given"

    ensure_secrets(tmp_path)

    assert "SECRET_KEY" not in (tmp_path / "secrets.env").read_text()


def test_a_flag_wins_over_the_environment_and_that_over_the_file(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("ARISTOBOT_PORT=1\nARISTOBOT_WEBHOOK_PORT=2\nSECRET_KEY=file\n")
    os.environ["ARISTOBOT_WEBHOOK_PORT"] = "3"

    prepare_environment(tmp_path, ["--port", "4", "--paper-port", "5", "--verbosity", "0"])

    assert os.environ["ARISTOBOT_PORT"] == "4"
    assert os.environ["ARISTOBOT_WEBHOOK_PORT"] == "3"
    assert os.environ["ARISTOBOT_PAPER_BINANCE_URL"] == "http://127.0.0.1:5"
    assert os.environ["SECRET_KEY"] == "file"
