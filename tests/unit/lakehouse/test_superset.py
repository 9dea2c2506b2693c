"""How Superset is told where Trino is."""

import pytest

from lakehouse.runtime.superset import sqlalchemy_uri
from lakehouse.trino.client import Endpoint


@pytest.mark.parametrize(("endpoint", "uri"), [
    (Endpoint("http://127.0.0.1:18080", "superset"), "trino://superset@127.0.0.1:18080/lake"),
    (
        Endpoint("https://127.0.0.1:18443", "superset", "p@ss/w:rd", "/certificate.pem"),
        "trino://superset:p%40ss%2Fw%3Ard@127.0.0.1:18443/lake",  # pragma: allowlist secret
    ),
])  # fmt: skip
def test_a_password_is_quoted_in_the_address(endpoint: Endpoint, uri: str) -> None:
    assert sqlalchemy_uri(endpoint) == uri
