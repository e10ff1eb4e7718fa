import pytest
from cryptography.fernet import Fernet, InvalidToken
from django.core.exceptions import FieldError
from django.db import connection
from pytest_django import Settings

from apps.brokers.models import Broker


def stored_key(broker: Broker) -> str:
    with connection.cursor() as cursor:
        cursor.execute("SELECT api_key FROM brokers_broker WHERE id = %s", [broker.pk])
        return str(cursor.fetchone()[0])


def test_a_key_is_encrypted_in_the_database_and_read_back(broker: Broker) -> None:
    assert broker.api_key not in stored_key(broker)
    assert Broker.objects.get().api_key == broker.api_key


def test_an_older_key_still_reads(broker: Broker, settings: Settings) -> None:
    settings.ENCRYPTION_KEYS = [Fernet.generate_key().decode(), *settings.ENCRYPTION_KEYS]

    assert Broker.objects.get().api_key == broker.api_key


def test_a_wrong_key_is_an_error_and_never_ciphertext(broker: Broker, settings: Settings) -> None:
    settings.ENCRYPTION_KEYS = [Fernet.generate_key().decode()]

    with pytest.raises(InvalidToken):
        Broker.objects.get()


def test_empty_stays_empty(broker: Broker) -> None:
    Broker.objects.update(api_key="")

    assert stored_key(broker) == ""


def test_ciphertext_cannot_be_searched(broker: Broker) -> None:
    with pytest.raises(FieldError, match="can't be searched"):
        Broker.objects.filter(api_key="x").exists()
