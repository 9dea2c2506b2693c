"""Keeps the newest complete snapshot at hand, and wakes whoever waits for the next."""

import asyncio
import logging
import pickle
import sys
import time
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from datetime import datetime
from typing import assert_never

from lakehouse.journal import now
from lakehouse.location import Place
from lakehouse.serving.answers import Question
from lakehouse.serving.news import LENGTH, Looked, News, Told, WhatIsAsked, packed
from lakehouse.serving.snapshot import Road, Snapshot
from specs.errors import Unavailable

log = logging.getLogger(__name__)

PIPE_BYTES = 1 << 20
"""Taken from the watcher ahead of its reader."""


class Follower:
    """Shows what the watcher, a process of its own, saw last in the tables."""

    def __init__(self, stale_seconds: float, ready_answers: int) -> None:
        """Show nothing yet.

        Args:
            stale_seconds: without a look at the tables for so long the API is not ready.
            ready_answers: so many are made anew before the next snapshot is shown.
        """
        self._stale_seconds, self._ready_answers = stale_seconds, ready_answers
        self._failure: str | None = "the API has not looked at the tables yet"
        self._looked_at = time.monotonic()
        self._news = asyncio.Event()
        self.shown: Snapshot | None = None
        """The newest complete snapshot; None where there is none yet."""

        self.generation = 0
        self.is_ending = False

    @property
    def snapshot(self) -> Snapshot:
        """The newest complete snapshot.

        Raises:
            Unavailable: there is none yet; the message says why.
        """
        if self.shown is None:
            raise Unavailable(self._failure or "the API is starting")
        return self.shown

    @property
    def age_seconds(self) -> float | None:
        """Now less the newest Kafka timestamp shown; None where nothing is."""
        newest: datetime | None = self.shown.as_of.kafka_timestamp if self.shown else None
        return None if newest is None else (now() - newest).total_seconds()

    @property
    def pickup_seconds(self) -> float | None:
        """From the newest commit shown until it was served; None where nothing is."""
        return None if self.shown is None else self.shown.pickup_seconds

    def check_ready(self) -> None:
        """Raise `Unavailable` unless there is a snapshot, and it was looked after just now."""
        _ = self.snapshot
        seconds = time.monotonic() - self._looked_at
        if seconds > self._stale_seconds:
            raise Unavailable(f"the tables were last read {seconds:.0f} s ago: {self._failure}")

    def take(self, told: Looked | News) -> None:
        """Show what was seen."""
        if isinstance(told, News):
            self._show(told)
        elif told.failure is not None:
            self._fail(told.failure)
            return
        self._failure, self._looked_at = None, time.monotonic()

    def most_asked(self) -> list[Question]:
        """What is asked most of the snapshot shown."""
        return self.shown.kept.most_asked(self._ready_answers) if self.shown else []

    async def run(self, lake: Place, poll_seconds: float) -> None:
        """Follow until cancelled; a watcher that ended is started again.

        Args:
            lake: the tables.
            poll_seconds: between two looks at them.
        """
        while True:
            async with _watching(lake, poll_seconds) as (told, asked):
                with suppress(asyncio.IncompleteReadError, ConnectionError):
                    await self._follow(told, asked)
            self._fail("the process that reads the tables has ended; it is started again")
            await asyncio.sleep(poll_seconds)

    async def _follow(self, told: asyncio.StreamReader, asked: asyncio.StreamWriter) -> None:
        while True:
            (length,) = LENGTH.unpack(await told.readexactly(LENGTH.size))
            message: Told = pickle.loads(await told.readexactly(length))  # noqa: S301  (our watcher)
            match message:
                case WhatIsAsked():
                    asked.write(packed(self.most_asked()))
                case Looked() | News():
                    self.take(message)
                case _:
                    assert_never(message)

    def _show(self, news: News) -> None:
        shown, pickup = news.snapshot, None
        roads: Mapping[str, Road] = news.roads or {}
        if self.shown is not None:
            roads = self.shown.roads if news.roads is None else roads
            # The log's clock has milliseconds, so it may seem before.
            pickup = max(0.0, (now() - shown.as_of.committed_at).total_seconds())
        self.shown = replace(shown, roads=roads, pickup_seconds=pickup)
        self.generation += 1
        self._wake()

    def _fail(self, text: str) -> None:
        if text != self._failure:
            log.warning("cannot read the tables: %s", text)
        self._failure = text

    def end(self) -> None:
        """Let those who wait for news go: the server is closing."""
        self.is_ending = True
        self._wake()

    def _wake(self) -> None:
        self._news.set()
        self._news = asyncio.Event()

    async def news(self, heartbeat_seconds: float) -> AsyncIterator[Snapshot | None]:
        """The newest snapshot now and whenever there is a newer one; None as a heartbeat.

        Whoever is slow misses those between.
        """
        seen = 0
        while not self.is_ending:
            waiter = self._news
            if self.shown is not None and self.generation > seen:
                seen = self.generation
                yield self.shown
                continue
            try:
                async with asyncio.timeout(heartbeat_seconds):
                    await waiter.wait()
            except TimeoutError:
                yield None


@asynccontextmanager
async def _watching(
    lake: Place, poll_seconds: float
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """What a watcher tells and where it is answered; it ends with the block."""
    watcher = await asyncio.create_subprocess_exec(
        sys.executable, "-P", "-m", "lakehouse.serving.watcher", str(lake), str(poll_seconds),
        stdin=PIPE, stdout=PIPE, limit=PIPE_BYTES,
    )  # fmt: skip
    if watcher.stdout is None or watcher.stdin is None:
        raise AssertionError("both are pipes")
    try:
        yield watcher.stdout, watcher.stdin
    finally:
        with suppress(ProcessLookupError):
            watcher.kill()  # it writes nothing that could be left half-way
        await watcher.wait()
