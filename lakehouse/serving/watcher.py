"""The process that reads the tables for the API, so that no answer waits while it does.

What reads Delta tables holds the interpreter for milliseconds at a time. Here it holds nobody up:
the server gets each snapshot whole, with the answers that are asked for most ready to be sent.
Both talk through the pipes of stdin and stdout; when stdin ends, so does this process.
"""

import os
import pickle
import select
import signal
import struct
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, BinaryIO

import pyarrow as pa
from deltalake.exceptions import DeltaError

from lakehouse import logs
from lakehouse.bucket import outage
from lakehouse.location import Place, place
from lakehouse.serving.answers import Kept, Question
from lakehouse.serving.lists import anew
from lakehouse.serving.news import LENGTH, Looked, News, Told, WhatIsAsked, packed
from lakehouse.serving.questions import Questions, questions
from lakehouse.serving.snapshot import Reader, Snapshot
from specs.errors import TrafficError
from specs.loader import Specs, load_specs

NICENESS = 5
"""Answers go first where there are fewer cores than processes."""


class Watcher:
    """Looks at the tables, and makes the usual answers of what is new."""

    def __init__(self, lake: Place, specs: Specs) -> None:
        """Look below ``lake``."""
        self._reader = Reader(lake, specs)
        self._asks: Questions = questions(specs)
        self._cache_bytes = specs.ops.serving.cache_bytes
        self._roads_told: Any = None

    def look(self, what_is_asked: Callable[[], Sequence[Question]]) -> Looked | News:
        """Look once; ``what_is_asked`` is called where there is something new."""
        try:
            built = self._reader.refresh()
            return self._news(built, what_is_asked()) if built else Looked()
        except (TrafficError, DeltaError, pa.ArrowException, OSError) as error:
            return Looked(outage(error) or str(error).splitlines()[0])

    def _news(self, shown: Snapshot, asked: Sequence[Question]) -> News:
        kept = Kept(self._cache_bytes)
        for question in asked:
            kept.put(question, anew(shown, question, self._asks), is_current=True, asked=0)
        is_told, self._roads_told = shown.roads is self._roads_told, shown.roads
        return News(replace(shown, roads={}, kept=kept), None if is_told else shown.roads)


def watch(watcher: Watcher, poll_seconds: float, asked: BinaryIO, told: BinaryIO) -> None:
    """Look on a timer and tell what was seen, until ``asked`` ends."""

    def tell(message: Told) -> None:
        told.write(packed(message))
        told.flush()

    def what_is_asked() -> list[Question]:
        tell(WhatIsAsked())
        (length,) = LENGTH.unpack(asked.read(LENGTH.size))
        found: list[Question] = pickle.loads(asked.read(length))  # noqa: S301  (of our own server)
        return found

    while True:
        began = time.monotonic()
        try:
            tell(watcher.look(what_is_asked))
        except (BrokenPipeError, struct.error):  # the server has ended meanwhile
            return
        left = max(0.0, poll_seconds - (time.monotonic() - began))
        if select.select([asked], [], [], left)[0]:
            return


def main() -> None:
    """See the module; the arguments are the lake's folder and the seconds between two looks."""
    lake, poll_seconds = place(sys.argv[1]), float(sys.argv[2])
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the server, which ends us
    os.nice(NICENESS)
    logs.tell_events()
    watch(Watcher(lake, load_specs()), poll_seconds, sys.stdin.buffer, sys.stdout.buffer)


if __name__ == "__main__":
    main()
