import re

import pytest

SETTING = re.compile(r'(?:env\.\w+|_number)\(\s*"([A-Z_]+)"')
EXAMPLE = re.compile(r"^#?([A-Z_]+)=", re.MULTILINE)


def test_the_example_names_exactly_what_the_settings_read(pytestconfig: pytest.Config) -> None:
    root = pytestconfig.rootpath
    settings = (root / "aristobot" / "settings.py").read_text()

    example = (root / ".env.example").read_text()

    assert sorted(EXAMPLE.findall(example)) == sorted(set(SETTING.findall(settings)))
