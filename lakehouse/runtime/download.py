"""Fetches pinned files over HTTP: several at once, resumed, verified, put in place at once.

A file stands under its own name only after its checksum was verified, so presence means done.
Until then it grows as ``<name>.part``, which an advisory lock gives to one process at a time; a
download that was interrupted, by a dropped connection or by kill -9, goes on from there.
"""

import fcntl
import hashlib
import http.client
import os
import shutil
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

from specs.errors import Unavailable

AGENT = "traffic-lakehouse"
CHUNK_BYTES = 1 << 18
PARALLEL_DOWNLOADS = 6
ATTEMPTS = 6
FIRST_WAIT_SECONDS = 0.5
READ_TIMEOUT_SECONDS = 20
FREE_BYTES_MARGIN = 50 * 10**6


@dataclass(frozen=True, slots=True)
class Download:
    """A file to have: where from, where to, and what it must contain."""

    url: str
    path: Path
    bytes: int
    sha256: str

    @property
    def part(self) -> Path:
        """Where the file grows until it is verified."""
        return self.path.with_name(f"{self.path.name}.part")


class _BrokenError(Exception):
    """One attempt failed; another may succeed."""


def fetch(downloads: Sequence[Download], *, what: str) -> None:
    """Make sure that every file is in place, downloading those that are not.

    Says what it does on stderr: a progress bar on a terminal, otherwise one line at the start and
    one at the end; nothing when every file is there already.

    Args:
        downloads: the files to have.
        what: their common name in messages, such as ``kafka``.

    Raises:
        Unavailable: a file cannot be had; the message names it, its URL and the reason.
    """
    missing = [download for download in downloads if not download.path.exists()]
    if not missing:
        return
    _claim_space(missing)
    console = Console(stderr=True)
    total_bytes = sum(download.bytes for download in missing)
    label = f"downloading {what}: {len(missing)} files, {total_bytes / 1e6:.0f} MB"
    if not console.is_terminal:
        print(label, file=sys.stderr)
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn())
    with Progress(
        *columns, TransferSpeedColumn(), console=console, disable=not console.is_terminal
    ) as progress:
        task = progress.add_task(label, total=total_bytes)
        _fetch_all(missing, lambda count: progress.advance(task, count))
    if not console.is_terminal:
        print(f"downloaded {what}", file=sys.stderr)


def _claim_space(missing: Sequence[Download]) -> None:
    needed = sum(download.bytes for download in missing) + FREE_BYTES_MARGIN
    try:
        for download in missing:
            download.path.parent.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(missing[0].path.parent).free
    except OSError as error:
        raise Unavailable(f"cannot write downloads: {error}; set TRAFFIC_CACHE") from error
    if free < needed:
        raise Unavailable(
            f"{needed / 1e6:.0f} MB are needed for downloads in {missing[0].path.parent} and"
            f" {free / 1e6:.0f} MB are free; free some, or set TRAFFIC_CACHE to another disk"
        )


def _fetch_all(downloads: Sequence[Download], advance: Callable[[int], None]) -> None:
    stop = threading.Event()
    with ThreadPoolExecutor(PARALLEL_DOWNLOADS, thread_name_prefix="download") as threads:
        try:
            futures = [threads.submit(_fetch, item, advance, stop) for item in downloads]
            for future in as_completed(futures):
                future.result()
        finally:
            stop.set()
            threads.shutdown(cancel_futures=True)


def _fetch(download: Download, advance: Callable[[int], None], stop: threading.Event) -> None:
    now_bytes = best_bytes = attempt = 0
    reason = ""

    def reached(size: int) -> None:
        nonlocal now_bytes
        advance(size - now_bytes)
        now_bytes = size

    while attempt < ATTEMPTS:
        if stop.wait(FIRST_WAIT_SECONDS * (2**attempt - 1)):
            return
        attempt += 1
        try:
            with download.part.open("ab") as part:
                _lock(part, stop)
                if download.path.exists():  # another process was faster
                    download.part.unlink(missing_ok=True)
                else:
                    _extend(download, part, reached, stop)
                    download.part.replace(download.path)
            reached(download.bytes)
            return
        except _BrokenError as error:
            reason = str(error)
            if now_bytes > best_bytes:  # a bad line is no reason to give up while it gets on
                attempt, best_bytes = 1, now_bytes
        except OSError as error:
            raise Unavailable(
                f"cannot write {download.part}: {error.strerror}; set TRAFFIC_CACHE elsewhere"
            ) from error
    raise Unavailable(
        f"cannot download {download.path.name} from {download.url}: {reason}, {ATTEMPTS} times;"
        " check the network, or set TRAFFIC_MAVEN_URL to a mirror"
    )


def _lock(part: BinaryIO, stop: threading.Event) -> None:
    """Wait until no other process writes this file."""
    while not stop.wait(0):
        try:
            fcntl.flock(part, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            stop.wait(0.2)
        else:
            return
    raise _BrokenError("stopped")


def _extend(
    download: Download, part: BinaryIO, reached: Callable[[int], None], stop: threading.Event
) -> None:
    """Append what is missing, from where the file ends, and verify the whole."""
    start = size = part.seek(0, os.SEEK_END)
    if size < download.bytes:
        # Any scheme: a mirror may be a folder, and the content is verified whatever its source.
        request = urllib.request.Request(download.url, headers={"User-Agent": AGENT})  # noqa: S310
        if size:
            request.add_header("Range", f"bytes={size}-")
        with _opened(request) as response:
            if size and response.status != http.client.PARTIAL_CONTENT:
                start = size = part.truncate(0)
            while size <= download.bytes and (chunk := _read(response, stop)):
                size += part.write(chunk)
                reached(size)
        part.flush()
    if size < download.bytes:
        raise _BrokenError(f"the connection ended at {size} of {download.bytes} bytes")
    with download.part.open("rb") as written:
        found = hashlib.file_digest(written, "sha256").hexdigest()
    if found == download.sha256:
        return
    part.truncate(0)
    reason = f"wrong content from {download.url}: sha256 {found} instead of {download.sha256}"
    if start:  # what an earlier attempt left may be at fault
        raise _BrokenError(reason)
    raise Unavailable(f"{reason}; set TRAFFIC_MAVEN_URL to a repository that serves the file")


def _opened(request: urllib.request.Request) -> http.client.HTTPResponse:
    try:
        response = urllib.request.urlopen(request, timeout=READ_TIMEOUT_SECONDS)  # noqa: S310
    except urllib.error.HTTPError as error:
        error.close()
        if error.code >= 500 or error.code in (408, 429):
            raise _BrokenError(f"HTTP {error.code}") from error
        raise Unavailable(
            f"cannot download {request.full_url}: HTTP {error.code} {error.reason};"
            " set TRAFFIC_MAVEN_URL to a repository that has it"
        ) from error
    except (OSError, http.client.HTTPException) as error:
        raise _BrokenError(str(getattr(error, "reason", error))) from error
    opened: http.client.HTTPResponse = response
    return opened


def _read(response: http.client.HTTPResponse, stop: threading.Event) -> bytes:
    if stop.is_set():
        raise _BrokenError("stopped")
    try:
        return response.read(CHUNK_BYTES)
    except (OSError, http.client.HTTPException) as error:
        raise _BrokenError(f"the connection broke: {error}") from error
