"""`python -m benchmarks.sizes`: bytes of a reading in Kafka and in bronze, of a window in silver.

No server is needed: the readings are the simulator's, judged, shaped and committed by the code of
lander and stream. docs/scale.md computes with what this prints.
"""

import json
import tempfile
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa

from benchmarks.city_batches import SILVER, SOURCE, CityBatches
from ingestion.city import simulated_city
from ingestion.dead_letter_replay import StoredRecord
from ingestion.disturbance import Disturbance, disturb
from ingestion.judge import BRONZE, Judge
from ingestion.records import Records, joined
from ingestion.registration import register_segments
from ingestion.simulator import Simulation
from lakehouse.commit import Note
from lakehouse.journal import now
from lakehouse.settings import Settings
from lakehouse.tables import Lake, LakeTable
from specs.loader import load_specs

SEGMENTS, READINGS, RATE = 500, 200_000, 2_000
WINDOWS = 48
NOTE = Note(job="sizes", spec_version="")


def main() -> None:
    """Print the sizes as one JSON object."""
    with tempfile.TemporaryDirectory(prefix="traffic-sizes-") as folder:
        lake = Lake(Path(folder), load_specs())
        city = CityBatches(lake, SEGMENTS, datetime.now(UTC).replace(minute=0, second=0))
        city.commit_silver(city.rows(WINDOWS))
        records = _records(lake)
        keys, values = records.keys.tolist(), records.values.tolist()
        print(json.dumps({
            "readings": len(records),
            "kafka_bytes_a_reading": sum(map(len, keys + values)) / len(records),
            "bronze_bytes_a_reading": _landed(lake, keys, values),
            "silver_bytes_a_window": _bytes_a_row(lake.table(SILVER)),
        }))  # fmt: skip


def _records(lake: Lake) -> Records:
    source, topic = lake.specs.sources[SOURCE], lake.specs.topics["traffic_event"]
    city = simulated_city(source, SEGMENTS)
    readings = Simulation(source, topic, city, RATE, datetime.now(UTC)).readings(READINGS / RATE)
    made = pa.Table.from_batches(readings).combine_chunks().to_batches()
    return joined(list(disturb(made, Disturbance(0, 0, 0, watermark_seconds=600, seed=0))))


def _landed(lake: Lake, keys: list[bytes], values: list[bytes]) -> float:
    """Bytes of a reading in bronze, committed in batches as large as a lander's."""
    register_segments(lake, SOURCE, count=SEGMENTS)
    judge, known = Judge(lake.specs), lake.table("silver.road_segment").read()
    size, bronze = Settings().land_max_records, lake.table(BRONZE)
    whole = {"partition": 0, "kafka_timestamp": now(), "raw_headers": None}
    sent = [
        StoredRecord({"raw_key": key, "raw_value": value, "offset": offset, **whole})
        for offset, (key, value) in enumerate(zip(keys, values, strict=True))
    ]
    for first in range(0, len(sent), size):
        bronze.append(judge.judge(sent[first : first + size], known, now()).accepted, NOTE)
    return _bytes_a_row(bronze)


def _bytes_a_row(table: LakeTable) -> float:
    table.refresh()
    size = sum(Path(path).stat().st_size for path in table.files())
    return float(size / table.dataset().count_rows())


if __name__ == "__main__":
    main()
