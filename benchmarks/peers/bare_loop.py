"""`python -m benchmarks.peers.bare_loop`: fetch, parse JSON, append; nothing that makes it safe.

No verdicts, no gate, no dead letters, no offsets in the commit, no ledger, no group. One malformed
record would end it.
"""

import io
import json
from dataclasses import asdict

import pyarrow as pa
import pyarrow.json
from confluent_kafka import Message
from deltalake import DeltaTable, write_deltalake

from benchmarks.peers.topic import PeerSettings, batches
from benchmarks.timed import timed
from specs.arrow import PRIMITIVE_TYPES
from specs.loader import load_specs

BLOCK_BYTES = 1 << 20


def event_schema() -> pa.Schema:
    """The event's fields as Arrow reads them from JSON."""
    fields = load_specs().topics["traffic_event"].fields
    return pa.schema([(field.name, PRIMITIVE_TYPES[field.type]) for field in fields])


def parsed(messages: list[Message], options: pyarrow.json.ParseOptions) -> pa.Table:
    """The event's fields, the raw record and its place."""
    values = [message.value() or b"" for message in messages]
    read = pyarrow.json.ReadOptions(use_threads=False, block_size=BLOCK_BYTES)
    rows = pyarrow.json.read_json(io.BytesIO(b"\n".join(values)), read, options)
    stamps = pa.array([m.timestamp()[1] for m in messages], pa.timestamp("ms", tz="UTC"))
    for name, column in {
        "key": pa.array([m.key() for m in messages], pa.binary()),
        "raw_value": pa.array(values, pa.binary()),
        "partition": pa.array([m.partition() for m in messages], pa.int32()),
        "offset": pa.array([m.offset() for m in messages], pa.int64()),
        "kafka_timestamp": stamps.cast(pa.timestamp("us", tz="UTC")),
    }.items():
        rows = rows.append_column(name, column)
    return rows


def main() -> None:
    """Append the topic to a table of its own."""
    settings = PeerSettings()  # type: ignore[call-arg]  # from the environment
    options = pyarrow.json.ParseOptions(
        explicit_schema=event_schema(), unexpected_field_behavior="ignore"
    )
    rows, target = 0, None
    with timed() as took:
        for messages in batches(settings):
            table = parsed(messages, options)
            if target is None:
                target = DeltaTable.create(settings.table, schema=table.schema)
            write_deltalake(target, table, mode="append")  # on one snapshot, as the lander does
            rows += table.num_rows
    print(json.dumps({"rows": rows, **asdict(took)}))


if __name__ == "__main__":
    main()
