"""What the watcher tells the server, as messages on a pipe."""

import pickle
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lakehouse.serving.snapshot import Road, Snapshot

LENGTH = struct.Struct("<Q")
"""Goes before each message: how many bytes it has."""


@dataclass(frozen=True)
class WhatIsAsked:
    """There is a new snapshot: which answers are to come with it? To be told a list of them."""


@dataclass(frozen=True)
class Looked:
    """The tables were looked at: there is nothing new, or what went wrong."""

    failure: str | None = None


@dataclass(frozen=True)
class News:
    """A new snapshot.

    Attributes:
        snapshot: without its roads.
        roads: of the snapshot; None where they are those of the last one that was told.
    """

    snapshot: Snapshot
    roads: Mapping[str, Road] | None


Told = WhatIsAsked | Looked | News
"""What the server is told."""


def packed(message: Any) -> bytes:
    """A message with its length before it."""
    content = pickle.dumps(message, protocol=pickle.HIGHEST_PROTOCOL)
    return LENGTH.pack(len(content)) + content
