import re

import pytest
from django.db import connection

SETTING = re.compile(r'(?:env\.\w+|_number)\(\s*"([A-Z_]+)"')
EXAMPLE = re.compile(r"^#?([A-Z_]+)=", re.MULTILINE)


def test_the_example_names_exactly_what_the_settings_read(pytestconfig: pytest.Config) -> None:
    root = pytestconfig.rootpath
    settings = (root / "aristobot" / "settings.py").read_text()

    example = (root / ".env.example").read_text()

    assert sorted(EXAMPLE.findall(example)) == sorted(set(SETTING.findall(settings)))


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("setting", "value"),
    [("idle_in_transaction_session_timeout", "20s"), ("client_connection_check_interval", "5s")],
)
def test_the_database_lets_go_of_what_a_frozen_or_killed_process_held(
    setting: str, value: str
) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_setting(%s)", [setting])

        assert cursor.fetchone() == (value,)
