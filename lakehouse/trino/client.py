"""Asks Trino: one statement in, columns and rows out, errors that a person can act on."""

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Any, Self
from urllib.parse import urlsplit

import requests
import trino
from trino import exceptions

from lakehouse.settings import Settings
from lakehouse.trino.home import CATALOG, trino_home
from specs.errors import Unavailable, WrongInput

START_HINT = "start it with `traffic up --with trino`"
SOURCE = "traffic"
ATTEMPTS = 3
TIMEOUT_SECONDS = 60.0


class SqlError(WrongInput):
    """Trino refuses a statement: it is wrong, or the user may not run it."""


@dataclass(frozen=True)
class Column:
    """One column of an answer; ``type`` is Trino's, such as ``varchar`` or ``double``."""

    name: str
    type: str


Row = Sequence[Any]


@dataclass(frozen=True)
class Endpoint:
    """Where a user asks.

    Attributes:
        url: ``http://host:port`` or ``https://host:port``.
        user: who asks.
        password: over ``https`` only.
        verify: whom to trust over ``https``: a PEM file, or the system's authorities.
    """

    url: str
    user: str
    password: str | None = None
    verify: str | bool = True

    @classmethod
    def of(cls, settings: Settings, url: str, user: str | None = None) -> Self:
        """Fill in the user's password: the one of the settings, else what the server made.

        Raises:
            WrongInput: passwords are on, and there is none for this user.
        """
        name = user or settings.trino_user
        if not url.startswith("https:"):
            return cls(url, name)
        home = trino_home(settings)
        if settings.trino_password is not None:
            password = settings.trino_password.get_secret_value()
        elif home.password(name).exists():
            password = home.password(name).read_text().strip()
        else:
            raise WrongInput(f"no password for {name!r}: set TRAFFIC_TRINO_PASSWORD")
        verify = str(home.certificate) if home.certificate.exists() else True
        return cls(url, name, password, verify)


@dataclass(frozen=True)
class Answer:
    """What a statement gives.

    Attributes:
        columns: in order; empty for a statement that answers nothing.
        rows: arrive while they are read.
    """

    columns: tuple[Column, ...]
    rows: Iterator[Row]


class Client:
    """One user's session; use as a context manager."""

    def __init__(self, endpoint: Endpoint) -> None:
        """Connect at the first statement."""
        self._endpoint = endpoint
        self._http = requests.Session()
        # The environment's CA bundles would override the server's own certificate.
        self._http.trust_env = False
        self._http.verify = endpoint.verify  # not set by the client on a session that it is given
        url = urlsplit(endpoint.url)
        password = endpoint.password
        self._connection = trino.dbapi.connect(  # type: ignore[no-untyped-call]
            host=url.hostname, port=url.port, http_scheme=url.scheme, user=endpoint.user,
            auth=trino.auth.BasicAuthentication(endpoint.user, password) if password else None,
            verify=endpoint.verify, http_session=self._http, catalog=CATALOG, source=SOURCE,
            timezone="UTC", max_attempts=ATTEMPTS, request_timeout=TIMEOUT_SECONDS,
        )  # fmt: skip

    def __enter__(self) -> Self:
        """Nothing happens yet."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the connections."""
        self._connection.close()
        self._http.close()

    @contextmanager
    def ask(self, statement: str) -> Iterator[Answer]:
        """Run one statement; leaving the block cancels what is left of it.

        Raises:
            SqlError: Trino refuses it; the message carries Trino's own and points at the place.
            Unavailable: Trino does not answer, or could not finish the statement.
        """
        with closing(self._connection.cursor()) as cursor, _told(self._endpoint, statement):
            cursor.execute(statement)
            columns = tuple(Column(*entry[:2]) for entry in cursor.description or ())
            yield Answer(columns, iter(cursor.fetchone, None))

    def rows(self, statement: str) -> list[Row]:
        """All rows of one statement. Raises as `ask` does."""
        with self.ask(statement) as answer:
            return list(answer.rows)


@contextmanager
def _told(endpoint: Endpoint, statement: str) -> Iterator[None]:
    try:
        yield
    except exceptions.TrinoUserError as error:
        raise SqlError(pointed(error.message, statement, error.error_location)) from error
    except exceptions.TrinoQueryError as error:
        raise Unavailable(f"Trino could not finish: {error.message}") from error
    except exceptions.HttpError as error:
        if "error 401" in str(error):
            raise WrongInput(f"Trino does not let {endpoint.user!r} in: {error}") from error
        raise Unavailable(f"trino at {endpoint.url} answers {error}") from error
    except (exceptions.Error, requests.RequestException) as error:
        raise Unavailable(f"trino does not answer at {endpoint.url}; {START_HINT}") from error


def pointed(message: str, statement: str, location: tuple[int, int] | None) -> str:
    """Trino's message, and where it has a place, that line of the statement with a pointer.

    Args:
        message: of Trino; its own ``line 1:8: `` stays, which counts from 1.
        statement: what was sent.
        location: line and column, from 1.
    """
    lines = statement.splitlines()
    if location is None or not 1 <= location[0] <= len(lines):
        return message
    line, column = location
    text = lines[line - 1].replace("\t", " ")
    return f"{message}\n  {text}\n  {' ' * (column - 1)}^"
