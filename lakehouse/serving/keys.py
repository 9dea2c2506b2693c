"""API keys: shown once, kept as hashes, compared in constant time."""

import hashlib
import hmac
import os
import secrets
from datetime import datetime
from pathlib import Path

from pydantic import AwareDatetime, BaseModel, ConfigDict, ValidationError

from lakehouse.runtime.lock import only_one
from specs.errors import Unavailable, WrongInput

PREFIX = "traffic"
SECRET_BYTES = 32
"""So much chance that a plain hash is enough: there is nothing to guess from a dictionary."""

MAX_KEY_CHARACTERS = 200


class ApiKey(BaseModel):
    """What is kept of a key; the key itself is not."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    name: str
    sha256: str
    created_at: AwareDatetime
    expires_at: AwareDatetime | None = None


class _Keys(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    keys: tuple[ApiKey, ...] = ()


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode(errors="surrogatepass")).hexdigest()


NOBODY = _hash("")
"""Compared with where no key has the id, so that this takes as long."""


class KeyStore:
    """The keys in one file; a change by another process is seen with the next `verify`."""

    def __init__(self, path: Path) -> None:
        """Keep keys in ``path``, which need not exist yet."""
        self._path = path
        self._stamp: tuple[int, int] | None = None
        self._keys: dict[str, ApiKey] = {}

    def create(self, name: str, *, at: datetime, expires_at: datetime | None = None) -> str:
        """Make a key and return it; it cannot be shown again."""
        key_id, secret = secrets.token_hex(4), secrets.token_urlsafe(SECRET_BYTES)
        key = ApiKey(
            id=key_id, name=name, sha256=_hash(secret), created_at=at, expires_at=expires_at
        )
        with only_one(self._path.parent / "run"):
            self._write([*self.keys(), key])
        return f"{PREFIX}_{key_id}_{secret}"

    def revoke(self, key_id: str) -> ApiKey:
        """Forget a key at once.

        Raises:
            WrongInput: there is no such key.
        """
        with only_one(self._path.parent / "run"):
            keys = {key.id: key for key in self.keys()}
            if key_id not in keys:
                known = ", ".join(keys) or "none"
                raise WrongInput(f"no API key {key_id!r}; there are: {known}")
            revoked = keys.pop(key_id)
            self._write(list(keys.values()))
        return revoked

    def keys(self) -> list[ApiKey]:
        """All keys, oldest first.

        Raises:
            Unavailable: the file cannot be read.
        """
        self._reload()
        return list(self._keys.values())

    def verify(self, text: str, *, at: datetime) -> ApiKey | None:
        """Find the key that ``text`` is; None for anything else, or one that has expired."""
        self._reload()
        _, _, rest = text[:MAX_KEY_CHARACTERS].partition("_")
        key_id, _, secret = rest.partition("_")
        key = self._keys.get(key_id)
        digest = _hash(secret)
        is_it = hmac.compare_digest(digest, key.sha256 if key else NOBODY)
        if key is None or not is_it:
            return None
        return None if key.expires_at is not None and key.expires_at <= at else key

    def _reload(self) -> None:
        try:
            found = self._path.stat()
            stamp = (found.st_mtime_ns, found.st_ino)
            if stamp != self._stamp:
                kept = _Keys.model_validate_json(self._path.read_bytes())
                self._keys, self._stamp = {key.id: key for key in kept.keys}, stamp
        except FileNotFoundError:
            self._keys, self._stamp = {}, None
        except (OSError, ValidationError) as error:
            raise Unavailable(f"{self._path} holds no API keys: {error}") from error

    def _write(self, keys: list[ApiKey]) -> None:
        draft = self._path.with_suffix(".draft")
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            file.write(_Keys(keys=tuple(keys)).model_dump_json(indent=2))
        draft.replace(self._path)
