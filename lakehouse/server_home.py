"""Where a server with a login keeps what it and its clients share."""

from dataclasses import dataclass
from pathlib import Path

from lakehouse.settings import Settings


@dataclass(frozen=True)
class ServerHome:
    """One folder below the home folder of an installation."""

    folder: Path

    @property
    def keystore(self) -> Path:
        """Private key and certificate of the server, PEM: whoever has it may do everything."""
        return self.folder / "keystore.pem"

    @property
    def certificate(self) -> Path:
        """The certificate that clients trust, PEM."""
        return self.folder / "certificate.pem"

    def password(self, user: str) -> Path:
        """The user's password, which only this account can read."""
        return self.folder / "passwords" / user


def kafka_home(settings: Settings) -> ServerHome:
    """Kafka's folder in this installation."""
    return ServerHome(settings.home / "kafka")
