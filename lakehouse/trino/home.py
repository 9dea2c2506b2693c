"""Where the embedded Trino keeps what its server and its clients share."""

from pathlib import Path

from lakehouse.server_home import ServerHome
from lakehouse.settings import Settings

CATALOG = "lake"
"""What holds the schemas bronze, silver, gold and ops; every client's default."""

OWNER = "lakehouse"
"""The user that registers tables and owns views; like everybody it writes no rows."""


class TrinoHome(ServerHome):
    """Trino's folder below the home folder of an installation."""

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
    def hashes(self) -> Path:
        """A line ``user:bcrypt hash`` a user: what the server checks passwords by."""
        return self.folder / "passwords.db"


def trino_home(settings: Settings) -> TrinoHome:
    """Trino's folder in this installation."""
    return TrinoHome(settings.home / "trino")
