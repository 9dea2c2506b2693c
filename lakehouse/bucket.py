"""An S3 bucket: how it is reached, and an object or prefix of it as a path.

How a bucket is reached is in the variables that every S3 client knows (``AWS_ENDPOINT_URL``,
``AWS_REGION``, ``AWS_ACCESS_KEY_ID``, ``AWS_SECRET_ACCESS_KEY``, ``AWS_SESSION_TOKEN``), and
nowhere else.
"""

import math
import os
import re
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

from specs.errors import Unavailable, WrongInput

if TYPE_CHECKING:  # the settings import this module, and commands that read no table those
    from pyarrow import fs
    from pyarrow.dataset import Dataset

SCHEME = "s3://"
PATIENCE_SECONDS = 60.0
"""An S3 store that does not answer is asked again for so long."""

MAX_WAIT_SECONDS = 2.0
CONNECT_SECONDS, REQUEST_SECONDS = 5.0, 30.0
DEFAULT_REGION = "us-east-1"
KEYS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")

PASSING = ("NETWORK_CONNECTION", "REQUEST_TIMEOUT", "SERVICE_UNAVAILABLE", "SLOW_DOWN",
           "INTERNAL_FAILURE", "RequestTimeout", "HTTP status 5",
           "error reading a body", "response body error")  # fmt: skip
"""What the errors of Arrow and delta-rs say of a store that may answer in a moment, or that broke
off in the middle of its answer, which delta-rs does not ask for again."""

STORE_ERRORS = ("Generic S3 error", "AWS Error", "Object Store error", "s3a.",
                "The operation lacked the necessary privileges")  # fmt: skip
"""What the errors of delta-rs, Arrow and Hadoop say where a store did not do as asked."""

_COLOUR = re.compile(r"\x1b\[[0-9;]*m|↳")
_STACK = "\n\tat "
"""Where a Java error stops to say what happened, and begins to say where."""

Result = TypeVar("Result")


@dataclass(frozen=True)
class Access:
    """How buckets are reached; Amazon's without keys, as the machine's own role allows."""

    endpoint: str | None
    region: str
    key: str | None
    secret: str | None = field(repr=False)
    token: str | None = field(repr=False)

    @property
    def is_plain(self) -> bool:
        """Without TLS."""
        return self.endpoint is not None and self.endpoint.startswith("http://")


def access() -> Access:
    """What the environment says.

    Raises:
        WrongInput: a key without its other half, or a store that is not Amazon's without keys; the
            message names the variables.
    """
    said = os.environ.get
    missing = [name for name in KEYS if not said(name)]
    if missing and (len(missing) < len(KEYS) or said("AWS_ENDPOINT_URL")):
        raise WrongInput(f"no keys for S3 at {_where()}: set {' and '.join(missing)}")
    key, secret = (said(name) or None for name in KEYS)
    return Access(
        said("AWS_ENDPOINT_URL") or None, _region(), key, secret, said("AWS_SESSION_TOKEN") or None
    )


def _region() -> str:
    said = os.environ.get
    return said("AWS_REGION") or said("AWS_DEFAULT_REGION") or DEFAULT_REGION


def _where() -> str:
    return os.environ.get("AWS_ENDPOINT_URL") or _region()


@cache
def _client(reached: Access, attempts: int = 1) -> "fs.S3FileSystem":
    """A client that asks so often by itself; where we do, see `patiently`, once."""
    from pyarrow import fs

    address = urlsplit(reached.endpoint or "")
    return fs.S3FileSystem(
        access_key=reached.key, secret_key=reached.secret, session_token=reached.token,
        region=reached.region, endpoint_override=address.netloc or None,
        scheme=address.scheme or "https", connect_timeout=CONNECT_SECONDS,
        request_timeout=REQUEST_SECONDS, retry_strategy=fs.AwsStandardS3RetryStrategy(attempts),
        allow_delayed_open=True,  # a small file is one PUT, and not an upload in three parts
    )  # fmt: skip


def outage(error: BaseException) -> str | None:
    """One line on what a store did not do; None where ``error`` is of another kind."""
    text = " ".join(_COLOUR.sub(" ", str(error).split(_STACK)[0]).split())
    is_ours = any(sign in text for sign in STORE_ERRORS)
    where = f"S3 at {_where()}: "
    return where + text.removeprefix(where) if is_ours else None


def patiently(
    question: Callable[[], Result], seconds: float, passing: Iterable[str] = PASSING
) -> Result:
    """Ask a store something, and for so long again where what it says is ``passing``.

    By default: that it does not answer, or breaks off. What went wrong is raised as it is.
    """
    until, wait = time.monotonic() + seconds, 0.1
    while True:
        try:
            return question()
        except Exception as error:
            if not any(sign in str(error) for sign in passing) or time.monotonic() > until:
                raise
        time.sleep(wait)
        wait = min(2 * wait, MAX_WAIT_SECONDS)


@dataclass(frozen=True)
class Stat:
    """What a listing says of an object; ``st_mtime`` is in seconds since the epoch."""

    st_mtime: float
    st_size: int


@dataclass(frozen=True)
class S3Path:
    """An object of a bucket, or a prefix, with the methods of `pathlib.Path` that we use.

    Everything here asks a store that does not answer again for ``patience_seconds``, and then
    raises `Unavailable`.
    """

    url: str
    patience_seconds: float = PATIENCE_SECONDS
    listed: Stat | None = field(default=None, compare=False, repr=False)

    def __str__(self) -> str:
        return self.url

    def __truediv__(self, name: str) -> "S3Path":
        return S3Path(f"{self.url}/{name}", self.patience_seconds)

    def joinpath(self, *names: str) -> "S3Path":
        """What is called so below this."""
        return S3Path("/".join((self.url, *names)), self.patience_seconds)

    @property
    def name(self) -> str:
        """Last part."""
        return self.url.rsplit("/", 1)[1]

    @property
    def key(self) -> str:
        """Bucket and key, as Arrow wants it."""
        return self.url.removeprefix(SCHEME)

    def resolve(self) -> "S3Path":
        """The address itself: there are no links."""
        return self

    def as_uri(self) -> str:
        """The address."""
        return self.url

    def exists(self) -> bool:
        """Whether there is such an object, or one below."""
        from pyarrow.fs import FileType

        found = self._ask(lambda client: client.get_file_info(self.key))
        return bool(found.type != FileType.NotFound)

    def read_text(self) -> str:
        """The object's text; raises `FileNotFoundError`."""

        def read(client: "fs.S3FileSystem") -> str:
            with client.open_input_stream(self.key) as stream:
                return str(stream.read(), "utf-8")

        return self._ask(read)

    def write_text(self, text: str) -> None:
        """Put an object, which others see whole or not at all."""

        def write(client: "fs.S3FileSystem") -> None:
            with client.open_output_stream(self.key) as stream:
                stream.write(text.encode())

        self._ask(write)

    def iterdir(self) -> Iterator["S3Path"]:
        """What is right below; nothing where there is no such prefix."""
        return iter(self._listed(recursive=False))

    def files(self) -> set[str]:
        """Addresses of all objects below."""
        return {str(path) for path in self._listed(recursive=True)}

    def _listed(self, *, recursive: bool) -> list["S3Path"]:
        from pyarrow import fs

        asked = fs.FileSelector(self.key, allow_not_found=True, recursive=recursive)
        return [
            S3Path(
                SCHEME + one.path, self.patience_seconds,
                Stat(one.mtime.timestamp() if one.mtime else 0.0, one.size or 0),
            )
            for one in self._ask(lambda client: client.get_file_info(asked))
        ]  # fmt: skip

    def stat(self) -> Stat:
        """What the listing that this came from said; raises `FileNotFoundError`."""
        if self.listed is not None:
            return self.listed
        found = self._ask(lambda client: client.get_file_info(self.key))
        if found.mtime is None:
            raise FileNotFoundError(self.url)
        return Stat(found.mtime.timestamp(), found.size)

    def unlink(self, *, missing_ok: bool = False) -> None:
        """Delete the object."""
        try:
            self._ask(lambda client: client.delete_file(self.key))
        except FileNotFoundError:
            if not missing_ok:
                raise

    def mkdir(self, *, parents: bool = False, exist_ok: bool = False) -> None:
        """Do nothing: a prefix is there once something is below it."""

    def dataset(self, files: Iterable[str] | None = None, **options: Any) -> "Dataset":
        """This Parquet file, or those ``files``, as a lazy dataset."""
        from pyarrow.dataset import dataset

        keys = self.key if files is None else [one.removeprefix(SCHEME) for one in files]
        options = {"format": "parquet", **options}
        # Its files are read later, by Arrow alone, which waits twice as long each time.
        attempts = 1 + max(1, math.ceil(math.log2(1 + self.patience_seconds)))
        client = _client(access(), attempts)
        return self._ask(lambda _: dataset(keys, filesystem=client, **options))

    def _ask(self, question: "Callable[[fs.S3FileSystem], Result]") -> Result:
        """Ask the store, and again where it does not answer."""
        try:
            return patiently(lambda: question(_client(access())), self.patience_seconds)
        except FileNotFoundError:
            raise
        except OSError as error:
            raise Unavailable(outage(error) or f"{self.url}: {error}") from error
