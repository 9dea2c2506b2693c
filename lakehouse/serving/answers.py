"""Answers as bytes, ready to be sent, and those that are kept as long as a snapshot is shown."""

import gzip
import hashlib
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fastapi import Response
from pydantic_core import to_json

JSON, GEOJSON = "application/json", "application/geo+json"
PACKED_BYTES = 2000
"""Shorter answers are not worth packing."""

ENTRY_BYTES = 500
"""About what Python takes around an answer that is kept."""

PACK_LEVEL = 1
"""The fastest: a city's congestion shrinks to a twelfth, at level 6 to a fifteenth."""


@dataclass(frozen=True)
class Body:
    """An answer, ready to be sent.

    Attributes:
        content: its bytes.
        packed: the same packed with gzip; None where it is too short for that.
        media_type: what the bytes are.
        digest: the same for the same bytes.
    """

    content: bytes
    packed: bytes | None
    media_type: str
    digest: str

    def etag(self, *, is_packed: bool) -> str:
        """Each form has a tag of its own."""
        return f'"{self.digest}-gzip"' if is_packed else f'"{self.digest}"'


Question = tuple[str, bytes]
"""Path and query string of a request."""


def question_of(scope: Mapping[str, Any]) -> Question:
    """What a request asks, from its ASGI scope."""
    return scope["path"], scope["query_string"]


def body(value: Any, media_type: str = JSON) -> Body:
    """``value`` as JSON; a number that JSON lacks becomes null."""
    content = to_json(value, inf_nan_mode="null")
    packed = None
    if len(content) > PACKED_BYTES:
        packed = gzip.compress(content, PACK_LEVEL, mtime=0)
    return Body(content, packed, media_type, hashlib.sha256(content).hexdigest()[:32])


@dataclass
class _Answer:
    body: Body
    is_current: bool
    asked: int


class Kept:
    """Answers of one snapshot, up to a number of bytes; the oldest go first."""

    def __init__(self, max_bytes: int) -> None:
        """Keep nothing yet."""
        self._max_bytes, self._bytes = max_bytes, 0
        self._answers: OrderedDict[Question, _Answer] = OrderedDict()

    def get(self, question: Question) -> Body | None:
        """The answer to ``question``, if it is here."""
        found = self._answers.get(question)
        if found is None:
            return None
        found.asked += 1
        return found.body

    def put(
        self, question: Question, body: Body, *, is_current: bool = False, asked: int = 1
    ) -> None:
        """Keep an answer.

        Args:
            question: what was asked.
            body: the answer.
            is_current: it may be made anew for the next snapshot.
            asked: how often it has been asked for; 0 for one that is made in advance.
        """
        size = _bytes(question, body)
        if question in self._answers or size > self._max_bytes:
            return
        self._answers[question] = _Answer(body, is_current, asked)
        self._bytes += size
        while self._bytes > self._max_bytes:
            oldest, answer = self._answers.popitem(last=False)
            self._bytes -= _bytes(oldest, answer.body)

    def most_asked(self, count: int) -> list[Question]:
        """Current questions that were asked, the most asked first."""
        found = [
            (answer.asked, question)
            for question, answer in self._answers.items() if answer.is_current and answer.asked
        ]  # fmt: skip
        found.sort(key=lambda one: -one[0])
        return [question for _, question in found[:count]]


def _bytes(question: Question, body: Body) -> int:
    """What an answer takes, with the question that it is kept under."""
    return sum(map(len, question)) + ENTRY_BYTES + len(body.content) + len(body.packed or b"")


def respond(body: Body, asked: Mapping[str, str], headers: Mapping[str, str]) -> Response:
    """Send ``body``, or 304 where the client has it.

    Args:
        body: what to send.
        asked: headers of the request.
        headers: more headers of the answer.
    """
    is_packed = body.packed is not None and takes_gzip(asked.get("accept-encoding", ""))
    etag = body.etag(is_packed=is_packed)
    both = {**headers, "ETag": etag, "Vary": "Accept-Encoding"}
    tags = [tag.strip().removeprefix("W/") for tag in asked.get("if-none-match", "").split(",")]
    if etag in tags or "*" in tags:
        return Response(status_code=304, headers=both)
    if is_packed:
        both["Content-Encoding"] = "gzip"
    return Response(
        body.packed if is_packed else body.content, headers=both, media_type=body.media_type
    )


def takes_gzip(accept_encoding: str) -> bool:
    """Whether a client that sends this header understands gzip."""
    for part in accept_encoding.lower().split(","):
        name, _, weight = part.partition(";")
        if name.strip() == "gzip":
            return weight.replace(" ", "") not in {"q=0", "q=0.0", "q=0.00", "q=0.000"}
    return False
