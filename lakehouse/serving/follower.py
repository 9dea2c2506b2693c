"""Keeps the newest complete snapshot at hand, and wakes whoever waits for the next."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime

from deltalake.exceptions import DeltaError

from lakehouse.journal import now
from lakehouse.serving.current import Standing
from lakehouse.serving.snapshot import Reader, Snapshot
from specs.errors import TrafficError, Unavailable

log = logging.getLogger(__name__)


class Follower:
    """Looks at the tables on a timer, in a thread; answers are given from what it saw last."""

    def __init__(self, reader: Reader, poll_seconds: float, stale_seconds: float) -> None:
        """Follow through ``reader``."""
        self._reader = reader
        self._poll_seconds, self._stale_seconds = poll_seconds, stale_seconds
        self._failure: str | None = "the API has not looked at the tables yet"
        self._looked_at = time.monotonic()
        self._news = asyncio.Event()
        self.generation = 0
        self.is_ending = False

    @property
    def snapshot(self) -> Snapshot:
        """The newest complete snapshot.

        Raises:
            Unavailable: there is none yet; the message says why.
        """
        if self._reader.snapshot is None:
            raise Unavailable(self._failure or "the API is starting")
        return self._reader.snapshot

    @property
    def age_seconds(self) -> float | None:
        """Now less the newest Kafka timestamp shown; None where nothing is."""
        shown = self._reader.snapshot.as_of.kafka_timestamp if self._reader.snapshot else None
        return None if shown is None else (now() - shown).total_seconds()

    @property
    def pickup_seconds(self) -> float | None:
        """From the newest commit shown until it was served; None where nothing is."""
        shown = self._reader.snapshot
        return None if shown is None else shown.pickup_seconds

    def check_ready(self) -> None:
        """Raise `Unavailable` unless there is a snapshot, and it was looked after just now."""
        _ = self.snapshot
        seconds = time.monotonic() - self._looked_at
        if seconds > self._stale_seconds:
            raise Unavailable(f"the tables were last read {seconds:.0f} s ago: {self._failure}")

    async def standing_at(self, snapshot: Snapshot, moment: datetime) -> Standing:
        """How every segment stood at ``moment``."""
        return await asyncio.to_thread(self._reader.standing_at, snapshot, moment)

    async def run(self) -> None:
        """Follow until cancelled; what fails is tried again with the next look."""
        with ThreadPoolExecutor(1, "follower") as thread:  # its own: questions must not hold it up
            while True:
                await self._look(thread)

    async def _look(self, thread: ThreadPoolExecutor) -> None:
        began = time.monotonic()
        try:
            is_new = await asyncio.get_running_loop().run_in_executor(thread, self._reader.refresh)
        except (TrafficError, DeltaError, OSError) as error:
            self._fail(error)
        else:
            self._failure, self._looked_at = None, time.monotonic()
            if is_new:
                self.generation += 1
                self._wake()
        await asyncio.sleep(max(0.0, self._poll_seconds - (time.monotonic() - began)))

    def _fail(self, error: Exception) -> None:
        text = str(error).splitlines()[0]
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
            if self._reader.snapshot is not None and self.generation > seen:
                seen = self.generation
                yield self._reader.snapshot
                continue
            try:
                async with asyncio.timeout(heartbeat_seconds):
                    await waiter.wait()
            except TimeoutError:
                yield None
