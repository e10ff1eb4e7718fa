"""The error tree."""

import pickle

import pytest

from apps.exchanges import errors


def test_error_survives_the_way_between_processes() -> None:
    error = errors.InvalidOrder("no", exchange="binance", code="-1013", raw={"code": -1013})
    error.filter_name = "LOT_SIZE"

    copy = pickle.loads(pickle.dumps(error))  # noqa: S301

    assert (str(copy), copy.exchange, copy.code) == ("no", "binance", "-1013")
    assert (copy.raw, copy.filter_name) == ({"code": -1013}, "LOT_SIZE")


@pytest.mark.parametrize("kind", [errors.DuplicateClientOrderId, errors.OutcomeUnknown])
def test_doubtful_write_is_never_a_definite_no(kind: type[errors.ExchangeError]) -> None:
    assert not issubclass(kind, errors.Rejected | errors.ExchangeUnavailable)
