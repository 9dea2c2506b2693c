"""Where the embedded Trino keeps what its server and its clients share."""

from dataclasses import dataclass
from pathlib import Path

from lakehouse.settings import Settings

CATALOG = "lake"
"""What holds the schemas bronze, silver, gold and ops; every client's default."""

OWNER = "lakehouse"
"""The user that registers tables and owns views; like everybody it writes no rows."""


@dataclass(frozen=True)
class TrinoHome:
    """One folder below the home folder of an installation."""

    folder: Path

    @property
    def configuration(self) -> Path:
        """What the server reads at its start; written anew each time."""
        return self.folder / "etc"

    @property
    def metastore(self) -> Path:
        """Schemas, registered tables and views; outlives restarts."""
        return self.folder / "metastore"

    @property
    def spill(self) -> Path:
        """What a query needs beyond its memory, while it runs."""
        return self.folder / "spill"

    @property
    def keystore(self) -> Path:
        """Private key and certificate of the server, PEM."""
        return self.folder / "keystore.pem"

    @property
    def certificate(self) -> Path:
        """The certificate that clients trust, PEM."""
        return self.folder / "certificate.pem"

    @property
    def hashes(self) -> Path:
        """A line ``user:bcrypt hash`` a user: what the server checks passwords by."""
        return self.folder / "passwords.db"

    def password(self, user: str) -> Path:
        """The user's password, which only this account can read."""
        return self.folder / "passwords" / user


def trino_home(settings: Settings) -> TrinoHome:
    """Trino's folder in this installation."""
    return TrinoHome(settings.home / "trino")
