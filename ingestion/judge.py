"""Decoded records to verdicts: what may land, and what is a dead letter, with its reasons."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from ingestion.decode import EventDecoder, Record
from ingestion.traffic_event import reader_type
from quality.rules import verdicts
from specs.arrow import arrow_schema
from specs.loader import Specs

BRONZE, DEAD_LETTER = "bronze.traffic_event", "bronze.dead_letter"
MAX_REASON_CHARACTERS = 4000
Faults = dict[int, tuple[tuple[str, ...], str]]
"""Place in the batch to the rules that a record failed and the reason."""


@dataclass(frozen=True)
class Judged:
    """A batch of Kafka records, split.

    Attributes:
        accepted: bronze.traffic_event with the context columns its rules read.
        dead: bronze.dead_letter.
        progress: partition to first and last offset, over both.
        dead_places: where in the batch the rows of ``dead`` were, rising.
    """

    accepted: pa.Table
    dead: pa.Table
    progress: dict[int, tuple[int, int]]
    dead_places: tuple[int, ...]


class Judge:
    """The row rules of bronze.traffic_event, over the records of its topic."""

    def __init__(self, specs: Specs) -> None:
        """Read topic, rules and sources from ``specs``."""
        self._topic = specs.topics["traffic_event"]
        self._spec_version = specs.version
        self._rules = specs.tables[BRONZE].rules
        self._accepted_schema = arrow_schema(specs.tables[BRONZE], with_context=True)
        self._dead_schema = arrow_schema(specs.tables[DEAD_LETTER])
        versions = specs.topic_versions[self._topic.topic]
        self._decoder = EventDecoder(versions, reader_type(versions), specs.ops.limits)
        self._sources = pa.array(list(specs.sources), pa.string())
        valid_from = [source.valid_from for source in specs.sources.values()]
        self._valid_from = pa.array(valid_from, pa.timestamp("us", tz="UTC"))

    def judge(self, records: Sequence[Record], segments: pa.Table, at: datetime) -> Judged:
        """Split ``records`` by the rules; never raises for what is in them.

        Args:
            records: Kafka messages, at least one, those of a partition in the order of offsets.
            segments: ``segment_id`` and ``source`` of silver.road_segment.
            at: stamp of the rows.
        """
        decoded = self._decoder.decode(records)
        found = verdicts(self._with_context(decoded.rows, segments, at), self._rules)
        places = decoded.rows["index"]
        faults: Faults = {u.index: ((u.rule_id,), u.reason) for u in decoded.unreadable}
        for rejection in found.rejections():
            faults[places[rejection.index].as_py()] = (rejection.rule_ids, rejection.reason)
        return Judged(
            accepted=found.accepted_rows(),
            dead=self._dead_letters(records, faults, at),
            progress=_progress(decoded.places),
            dead_places=tuple(sorted(faults)),
        )

    def _with_context(self, rows: pa.Table, segments: pa.Table, at: datetime) -> pa.Table:
        home = segments["source"].take(
            pc.index_in(rows["segment_id"], segments["segment_id"].combine_chunks())
        )
        columns = {
            **{name: rows[name] for name in rows.column_names},
            "topic": pa.repeat(pa.scalar(self._topic.topic), rows.num_rows),
            "event_date": rows["event_time"].cast(pa.date32()),
            "landed_at": pa.repeat(pa.scalar(at, pa.timestamp("us", tz="UTC")), rows.num_rows),
            "is_segment_known": pc.fill_null(pc.equal(home, rows["source"]), False),
            "source_valid_from": self._valid_from.take(pc.index_in(rows["source"], self._sources)),
        }
        schema = self._accepted_schema
        return pa.table([columns[name] for name in schema.names], schema=schema)

    def _dead_letters(self, records: Sequence[Record], faults: Faults, at: datetime) -> pa.Table:
        rows: list[dict[str, Any]] = []
        for index, (rule_ids, reason) in sorted(faults.items()):
            record = records[index]
            headers = record.headers()
            rows.append({
                "topic": self._topic.topic,
                "partition": record.partition(),
                "offset": record.offset(),
                "kafka_timestamp": record.timestamp()[1] * 1000,
                "raw_key": record.key(),
                "raw_value": record.value(),
                "raw_headers": msgspec.msgpack.encode(headers) if headers else None,
                "rule_ids": rule_ids,
                "reason": reason[:MAX_REASON_CHARACTERS],
                "failed_at": at,
                "spec_version": self._spec_version,
            })  # fmt: skip
        return pa.Table.from_pylist(rows, schema=self._dead_schema)


def _progress(places: pa.Table) -> dict[int, tuple[int, int]]:
    """First and last offset of each partition; its records are in the order of offsets."""
    edges = places.group_by("partition").aggregate([("offset", "min"), ("offset", "max")])
    return {row["partition"]: (row["offset_min"], row["offset_max"]) for row in edges.to_pylist()}
