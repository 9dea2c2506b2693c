"""Where tables are: in a folder, or below a prefix of an S3 bucket.

A `Place` is one of `pathlib`'s paths, used as it is, or an `S3Path`, which has those of their
methods that we call.
"""

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from lakehouse.bucket import (
    CONNECT_SECONDS,
    MAX_WAIT_SECONDS,
    PATIENCE_SECONDS,
    REQUEST_SECONDS,
    SCHEME,
    S3Path,
    access,
    patiently,
)

if TYPE_CHECKING:  # the settings import this module, and commands that read no table those
    from deltalake import DeltaTable
    from pyarrow.dataset import Dataset

Result = TypeVar("Result")
Place = Path | S3Path
"""Where something is; both kinds have the methods that we call."""

GAPS = ("Expected contiguous commit files", "DELTA_MISSING_FILES_UNEXPECTED_VERSION",
        "DELTA_VERSIONS_NOT_CONTIGUOUS", "newer than log segment version")  # fmt: skip
"""What delta-rs and Spark say of a log whose listing shows a file and lacks a commit before it. A
folder is listed a piece at a time: of two commits that are made meanwhile, or of a commit and its
checksum, it may show the second alone."""

GAP_SECONDS = 10.0
"""A log is listed anew for so long; then a commit is truly gone."""


def place(text: str, patience_seconds: float = PATIENCE_SECONDS) -> Place:
    """The place that an address ``s3://bucket/prefix`` or a path names."""
    if text.startswith(SCHEME):
        return S3Path(text.rstrip("/"), patience_seconds)
    return Path(text)


def delta_options(where: Place) -> dict[str, str] | None:
    """How delta-rs reaches a place; None for a folder."""
    if isinstance(where, Path):
        return None
    reached = access()
    said = {
        "AWS_ENDPOINT_URL": reached.endpoint, "AWS_REGION": reached.region,
        "AWS_ACCESS_KEY_ID": reached.key, "AWS_SECRET_ACCESS_KEY": reached.secret,
        "AWS_SESSION_TOKEN": reached.token,
        "AWS_ALLOW_HTTP": "true" if reached.is_plain else None,
        "aws_conditional_put": "etag",  # two writers of one version: the store refuses the second
        "max_retries": "1000", "retry_timeout": f"{where.patience_seconds:g}s",
        "backoff_config.max_backoff": f"{MAX_WAIT_SECONDS:g}s",
        "connect_timeout": f"{CONNECT_SECONDS:g}s", "timeout": f"{REQUEST_SECONDS:g}s",
    }  # fmt: skip
    return {name: value for name, value in said.items() if value is not None}


def delta_table(where: Place, version: int | None = None) -> "DeltaTable":
    """Open the Delta table at a place, at its newest version unless told otherwise.

    Raises:
        TableNotFoundError: there is none.
    """
    from deltalake import DeltaTable

    options = delta_options(where)
    return asked(where, lambda: DeltaTable(str(where), version=version, storage_options=options))


def asked(where: Place, question: Callable[[], Result]) -> Result:
    """What delta-rs finds at a place; again where a listing has a gap, or the store breaks off."""

    def once() -> Result:
        return patiently(question, GAP_SECONDS, GAPS)

    return once() if isinstance(where, Path) else patiently(once, where.patience_seconds)


def has_gap(error: BaseException) -> bool:
    """Whether ``error`` says that a log was listed with a gap, which passes."""
    return any(sign in str(error) for sign in GAPS)


def parquet(where: Place) -> "Dataset":
    """A Parquet file as a lazy dataset."""
    from pyarrow.dataset import dataset

    return dataset(where) if isinstance(where, Path) else where.dataset()


def write_whole(where: Place, text: str) -> None:
    """Write a file that others see whole or not at all."""
    if isinstance(where, S3Path):
        where.write_text(text)
        return
    unfinished = where.with_name(f".{where.name}.{os.getpid()}.tmp")
    unfinished.write_text(text)
    unfinished.rename(where)
