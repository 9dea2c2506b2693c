"""`make fuzz`: arbitrary bytes and mutated events through decode and verdict.

Every record must end in exactly one of accepted and dead, with its bytes as they came, and nothing
may raise. Chunks are seeded one by one, so that a run resumes and a finding is repeated by its
chunk alone.
"""

import argparse
import json
import os
import random
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa

from ingestion.dead_letters import _headers
from ingestion.judge import Judge
from ingestion.malformed import BUILDERS
from specs.loader import Specs, load_specs
from tests.kafka_record import KafkaRecord

CHUNK_RECORDS = 10_000
SENT_AS_ROWS = 100
AT = datetime(2024, 5, 6, 12, tzinfo=UTC)
MAX_MS = 253_402_300_799_999
"""Last millisecond of the year 9999."""

ODDITIES: tuple[bytes, ...] = (
    b"null", b"true", b"0", b"-0", b"-1", b"1e999", b"-1e-999", b"NaN", b"Infinity", b"1e308",
    b"9223372036854775807", b"9223372036854775808", b"-9223372036854775809",
    b"123456789012345678901234567890", b"0.1e", b"01", b'""', b'" "', b'"\\u0000"', b'"\\ud800"',
    b'"\\udfff\\ud800"', b'"\xc3\x28"', b'"\xf0\x9f\x9a\x97"', b'"\xef\xbb\xbf"', b"[]", b"{}",
    b"[[[[[[[[[[]]]]]]]]]]", b'{"a":{"b":[1]}}', b'"2024-02-30T00:00:00Z"',
    b'"0000-01-01T00:00:00Z"', b'"9999-12-31T23:59:59.999999Z"', b'"10000-01-01T00:00:00Z"',
    b'"2024-05-06T12:00:00+99:00"', b'"2024-05-06T24:00:00Z"', b'"2024-05-06T12:00:60Z"',
    b'"2024-05-06T12:00:00"', b'"2024-05-06"', b'"NaN"', b"'ok'", b"ok", b"", b"/*",
)  # fmt: skip
STAMPS = (-1, 0, 1, MAX_MS)
HEADERS: tuple[tuple[tuple[str, bytes | None], ...], ...] = (
    (), (("a", b"1"),), (("", None), ("a", b"\xff")),
)  # fmt: skip


@cache
def _specs() -> Specs:
    return load_specs()


@cache
def _roads() -> pa.Table:
    names = [f"simulator:{number}" for number in range(20)]
    return pa.table({"segment_id": names, "source": ["simulator"] * len(names)})


@cache
def _events() -> tuple[tuple[bytes, bytes], ...]:
    """Keys and values of good events, of both schema versions."""
    draw, found = random.Random(0), []
    for number in range(500):
        name = f"simulator:{number % 20}"
        moment = AT - timedelta(milliseconds=draw.randrange(3_600_000))
        event: dict[str, Any] = {
            "event_id": f"e{number}", "source": "simulator", "segment_id": name,
            "event_time": moment.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "speed_kmh": round(draw.uniform(5, 120), 2), "vehicle_count": draw.randrange(30),
            "occupancy_ratio": round(draw.random(), 3), "travel_time_s": draw.randrange(60) / 2,
            "status": "ok", "schema_version": 1,
        }  # fmt: skip
        if number % 2:
            event |= {"schema_version": 2, "sensor_id": f"{name}:a"}
            event["traversal_time_s"] = event.pop("travel_time_s")
        found.append((name.encode(), msgspec.json.encode(event)))
    return tuple(found)


def _arbitrary(draw: random.Random, value: bytes) -> bytes:
    return draw.randbytes(draw.randrange(len(value)))


def _flipped(draw: random.Random, value: bytes) -> bytes:
    bytes_ = bytearray(value)
    for _ in range(draw.randint(1, 4)):
        bytes_[draw.randrange(len(bytes_))] = draw.randrange(256)
    return bytes(bytes_)


def _cut(draw: random.Random, value: bytes) -> bytes:
    start = draw.randrange(len(value))
    return value[:start] if draw.random() < 0.5 else value[start:]


def _spliced(draw: random.Random, value: bytes) -> bytes:
    other = draw.choice(_events())[1]
    return value[: draw.randrange(len(value))] + other[draw.randrange(len(other)) :]


def _odd(draw: random.Random, value: bytes) -> bytes:
    """The value of one field replaced by an oddity."""
    fields = value[1:-1].split(b',"')
    place = draw.randrange(len(fields))
    name = fields[place].split(b":", maxsplit=1)[0]
    fields[place] = name + b":" + draw.choice(ODDITIES)
    return b"{" + b',"'.join(fields) + b"}"


def _repeated(draw: random.Random, value: bytes) -> bytes:
    """A field more: one there is already, or one nobody knows."""
    name = draw.choice((b"speed_kmh", b"event_time", b"status", b"x", b""))
    return value[:-1] + b',"' + name + b'":' + draw.choice(ODDITIES) + b"}"


def _good(draw: random.Random, value: bytes) -> bytes:
    return value


Mutation = Callable[[random.Random, bytes], bytes]
MUTATIONS: dict[str, Mutation] = {
    "arbitrary": _arbitrary, "flipped": _flipped, "cut": _cut, "spliced": _spliced, "odd": _odd,
    "repeated": _repeated, "good": _good,
}  # fmt: skip
NAMES = tuple(MUTATIONS)
KINDS = tuple(BUILDERS)


def records(seed: int, chunk: int) -> Iterator[KafkaRecord]:
    """The records of one chunk."""
    draw, events = random.Random(f"{seed}/{chunk}"), _events()
    for number in range(CHUNK_RECORDS):
        key, value = draw.choice(events)
        wire: tuple[bytes | None, bytes | None] = (key, value)
        if draw.random() < 0.02:
            wire = BUILDERS[draw.choice(KINDS)](key, msgspec.json.decode(value))
        else:
            wire = key, MUTATIONS[draw.choice(NAMES)](draw, value)
        if draw.random() < 0.02:
            wire = draw.choice((None, b"", draw.randbytes(9))), wire[1]
        sent = draw.choice(STAMPS) if draw.random() < 0.01 else int(AT.timestamp() * 1000)
        yield KafkaRecord(wire[1], number, wire[0], number % 4, sent, draw.choice(HEADERS))


@dataclass(frozen=True)
class Found:
    """What became of a chunk; ``fault`` is empty where all was well."""

    chunk: int
    accepted: int
    dead: dict[str, int]
    fault: str = ""


def judge_chunk(seed: int, chunk: int) -> Found:
    """Judge one chunk and look at every record's end."""
    batch = list(records(seed, chunk))
    try:
        judged = Judge(_specs()).judge(batch, _roads(), AT)
        for row in judged.dead.slice(0, SENT_AS_ROWS).to_pylist():
            _headers(row)
    except Exception as error:
        return Found(chunk, 0, {}, f"{type(error).__name__}: {error}")
    sent = {record.offset(): record.value() for record in batch}
    fault = _fault(sent, judged.accepted, judged.dead)
    reasons = Counter(id_ for ids in judged.dead["rule_ids"].to_pylist() for id_ in ids)
    return Found(chunk, judged.accepted.num_rows, dict(reasons), fault)


def _fault(sent: dict[int, bytes | None], accepted: pa.Table, dead: pa.Table) -> str:
    """What is wrong with the split; empty where it is right."""
    places = accepted["offset"].to_pylist() + dead["offset"].to_pylist()
    if len(places) != len(sent) or set(places) != set(sent):
        return f"{len(places)} ends of {len(sent)} records"
    values = accepted["raw_value"].to_pylist() + dead["raw_value"].to_pylist()
    changed = sum(sent[place] != value for place, value in zip(places, values, strict=True))
    if changed:
        return f"{changed} records do not have the bytes they came with"
    if not all(dead["rule_ids"].to_pylist()) or not all(dead["reason"].to_pylist()):
        return "a dead letter without a rule or a reason"
    speeds = [s for s in accepted["speed_kmh"].to_pylist() if s is not None]
    return "" if all(0 < speed < 1000 for speed in speeds) else "an impossible speed was accepted"


def main() -> int:
    """Judge the chunks that are not done yet; 1 if any has found something."""
    parser = argparse.ArgumentParser(prog="make fuzz", description=__doc__)
    parser.add_argument("--records", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--folder", type=Path, default=Path(".traffic/fuzz"))
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    chosen = parser.parse_args()
    chosen.folder.mkdir(parents=True, exist_ok=True)
    path = chosen.folder / f"seed-{chosen.seed}.jsonl"
    results = _done(path)
    chunks = -(-chosen.records // CHUNK_RECORDS)
    ahead = [(chosen.seed, chunk) for chunk in range(chunks) if chunk not in results]
    began = time.monotonic()
    context = get_context("forkserver")
    with context.Pool(chosen.processes) as pool, path.open("a") as lines:
        for found in pool.imap_unordered(_judge, ahead):
            results[found.chunk] = found.__dict__
            print(json.dumps(found.__dict__), file=lines, flush=True)
            if found.fault:
                print(f"chunk {found.chunk}: {found.fault}", file=sys.stderr)
    seconds = time.monotonic() - began
    report = summary([results[chunk] for chunk in range(chunks)], chosen.seed)
    report["records_per_second"] = round(len(ahead) * CHUNK_RECORDS / seconds) if ahead else None
    print(json.dumps(report))
    return 1 if report["faults"] else 0


def _judge(place: tuple[int, int]) -> Found:
    return judge_chunk(*place)


def _done(path: Path) -> dict[int, dict[str, Any]]:
    """Chunks that an earlier run has finished; its last line may be torn."""
    found = {}
    for line in path.read_text().splitlines() if path.exists() else []:
        try:
            row = json.loads(line)
        except json.JSONDecodeError:
            continue
        found[row["chunk"]] = row
    return found


def summary(results: list[dict[str, Any]], seed: int) -> dict[str, Any]:
    """How many records ended how."""
    rules: Counter[str] = Counter()
    for result in results:
        rules.update(result["dead"])
    return {
        "seed": seed, "records": len(results) * CHUNK_RECORDS,
        "accepted": sum(result["accepted"] for result in results),
        "dead_by_rule": dict(rules.most_common()),
        "faults": [f"chunk {r['chunk']}: {r['fault']}" for r in results if r["fault"]],
    }  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
