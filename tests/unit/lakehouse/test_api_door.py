"""Who is let into the API: keys, rates, and what goes off loopback."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from starlette.responses import PlainTextResponse
from starlette.types import Message

from lakehouse.metrics import Metrics
from lakehouse.serving.guard import Door, Guard, is_loopback
from lakehouse.serving.keys import KeyStore
from lakehouse.serving.rate_limit import RateLimit
from lakehouse.serving.server import listening
from lakehouse.settings import Settings
from specs.errors import Unavailable, WrongInput
from specs.loader import Specs

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


@pytest.fixture
def keys(tmp_path: Path) -> KeyStore:
    return KeyStore(tmp_path / "api_keys.json")


def test_a_key_opens_and_is_kept_only_as_a_hash(keys: KeyStore, tmp_path: Path) -> None:
    text = keys.create("grafana", at=NOON)
    found = keys.verify(text, at=NOON)
    assert found is not None
    assert found.name == "grafana"
    file = tmp_path / "api_keys.json"
    secret = text.split("_", 2)[2]
    assert secret not in file.read_text()
    assert file.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("spoil", [
    lambda text: text[:-1], lambda text: text + "x", lambda text: "", lambda text: "traffic__",
    lambda text: text.split("_", 2)[2], lambda text: "\u00e9\udc80_" * 3,
    lambda text: f"traffic_00000000_{text.split('_', 2)[2]}",
])  # fmt: skip
def test_anything_else_does_not_open(keys: KeyStore, spoil: object) -> None:
    text = keys.create("one", at=NOON)
    assert callable(spoil)
    assert keys.verify(spoil(text), at=NOON) is None


def test_a_revoked_key_stops_opening_in_a_store_that_was_open(
    keys: KeyStore, tmp_path: Path
) -> None:
    text = keys.create("one", at=NOON)
    kept = keys.create("two", at=NOON)
    other = KeyStore(tmp_path / "api_keys.json")
    assert other.verify(text, at=NOON) is not None
    keys.revoke(text.split("_")[1])
    assert other.verify(text, at=NOON) is None
    assert other.verify(kept, at=NOON) is not None
    with pytest.raises(WrongInput, match="no API key"):
        keys.revoke("nope")


def test_a_key_expires(keys: KeyStore) -> None:
    text = keys.create("one", at=NOON, expires_at=NOON + timedelta(days=1))
    assert keys.verify(text, at=NOON + timedelta(hours=23)) is not None
    assert keys.verify(text, at=NOON + timedelta(days=1)) is None


def test_a_spoilt_file_of_keys_lets_nobody_in(keys: KeyStore, tmp_path: Path) -> None:
    text = keys.create("one", at=NOON)
    (tmp_path / "api_keys.json").write_text("{")
    with pytest.raises(Unavailable, match="holds no API keys"):
        keys.verify(text, at=NOON)


def test_a_client_has_a_burst_and_then_its_rate() -> None:
    moment = [0.0]
    limit = RateLimit(per_second=2, burst=3, max_clients=10, clock=lambda: moment[0])
    assert [limit.wait_seconds("a") for _ in range(4)] == [0, 0, 0, 0.5]
    assert limit.wait_seconds("b") == 0
    moment[0] = 0.5
    assert [limit.wait_seconds("a") for _ in range(2)] == [0, 0.5]


def test_the_clients_remembered_are_bounded() -> None:
    limit = RateLimit(per_second=1, burst=1, max_clients=2, clock=lambda: 0.0)
    for client in ("a", "b", "c"):
        assert limit.wait_seconds(client) == 0
    assert limit.wait_seconds("c") == 1
    assert limit.wait_seconds("a") == 0  # forgotten for c


@pytest.mark.parametrize(("host", "expected"), [
    ("127.0.0.1", True), ("127.9.9.9", True), ("::1", True), ("localhost", True),
    ("0.0.0.0", False), ("::", False), ("10.0.0.1", False), ("localhost.example", False),
])  # fmt: skip
def test_loopback_is_told_from_everything_else(host: str, *, expected: bool) -> None:
    assert is_loopback(host) == expected


def settings(tmp_path: Path, **changes: object) -> Settings:
    return Settings.model_validate({"home": tmp_path, **changes})


def test_on_loopback_no_key_is_needed_unless_asked_for(keys: KeyStore, tmp_path: Path) -> None:
    assert not listening(settings(tmp_path), keys).needs_key
    with pytest.raises(WrongInput, match="api-key create"):
        listening(settings(tmp_path, api_require_key=True), keys)
    keys.create("one", at=NOON)
    assert listening(settings(tmp_path, api_require_key=True), keys).needs_key


def test_off_loopback_a_key_and_tls_are_no_choice(keys: KeyStore, tmp_path: Path) -> None:
    everywhere = {"api_host": "0.0.0.0"}
    with pytest.raises(WrongInput, match="TLS"):
        listening(settings(tmp_path, **everywhere), keys)
    with pytest.raises(WrongInput, match="api-key create"):
        listening(settings(tmp_path, **everywhere, api_behind_proxy=True), keys)
    keys.create("one", at=NOON)
    tls = {"api_tls_certificate": tmp_path / "c.pem", "api_tls_key": tmp_path / "k.pem"}
    with_tls = listening(settings(tmp_path, **everywhere, **tls), keys)
    assert with_tls.needs_key
    assert with_tls.url.startswith("https://")


def starts(door: Door, specs: Specs, requests: int, *headers: tuple[bytes, bytes]) -> list[Message]:
    """How the answers to some requests of one client begin."""
    guard = Guard(PlainTextResponse("yes"), door, Metrics(specs.ops, "api"))
    scope = {
        "type": "http", "method": "GET", "path": "/congestion", "query_string": b"",
        "headers": [(b"host", b"localhost:18000"), *headers], "client": ("127.0.0.1", 1),
    }  # fmt: skip
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    async def receive() -> Message:
        return {"type": "http.request"}

    for _ in range(requests):
        asyncio.run(guard(scope, receive, send))
    return [message for message in sent if message["type"] == "http.response.start"]


def test_who_asks_too_often_is_told_how_long_to_wait(keys: KeyStore, specs: Specs) -> None:
    door = Door(keys, False, True, RateLimit(0.5, 2, 10, lambda: 0.0))
    began = starts(door, specs, 3)
    assert [start["status"] for start in began] == [200, 200, 429]
    assert dict(began[-1]["headers"])[b"retry-after"] == b"2"
    assert dict(began[-1]["headers"])[b"content-type"] == b"application/problem+json"


def test_keys_that_cannot_be_read_open_nothing_and_are_no_bug(
    keys: KeyStore, specs: Specs, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    text = keys.create("one", at=NOON)
    (tmp_path / "api_keys.json").write_text("{")
    door = Door(keys, True, True, RateLimit(0.5, 2, 10, lambda: 0.0))
    began = starts(door, specs, 3, (b"authorization", f"Bearer {text}".encode()))
    assert [start["status"] for start in began] == [503, 503, 429]
    assert "holds no API keys" in caplog.text
