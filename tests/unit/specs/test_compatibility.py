"""Two versions of a topic may be on the wire at once; a change that forbids it is refused."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from lakehouse.commands.specs import app
from specs.check import faults
from specs.compatibility import change_faults
from specs.errors import SpecError
from specs.loader import SPECS_FOLDER, Specs, load_specs
from tests.edited_specs import Edit, edited_folder, edited_specs

V1, V2 = "schemas/topics/traffic_event.v1.yaml", "schemas/topics/traffic_event.v2.yaml"
BRONZE, KPI = "schemas/tables/bronze.traffic_event.yaml", "schemas/tables/gold.network_kpi.yaml"
SENSOR = "name: sensor_id, type: string, required: false"
FOLLOW = "topic traffic_event version 2 cannot follow 1: "

INCOMPATIBLE: dict[str, tuple[Edit, str]] = {
    "another type": (
        (V2, "name: vehicle_count, type: long", "name: vehicle_count, type: double"),
        f"{FOLLOW}vehicle_count is double, and vehicle_count was long",
    ),
    "another unit": (
        (V2, "type: double, unit: km/h", "type: double, unit: mph"),
        f"{FOLLOW}speed_kmh is in mph, and speed_kmh was in km/h",
    ),
    "an optional field that is required": (
        (V2, "unit: vehicles, required: false", "unit: vehicles"),
        f"{FOLLOW}vehicle_count is required, and vehicle_count was optional",
    ),
    "a required field that is optional": (
        (V2, "name: status, type: string", "name: status, type: string, required: false"),
        f"{FOLLOW}status is optional, and status was required",
    ),
    "a new field that is required": (
        (V2, SENSOR, "name: sensor_id, type: string"),
        f"{FOLLOW}sensor_id is new and must be optional (required: false)",
    ),
    "a rename that does not name its column": (
        (V2, "name: traversal_time_s, column: travel_time_s", "name: traversal_time_s"),
        f"{FOLLOW}travel_time_s is gone; a renamed field names its column: travel_time_s",
    ),
    "a required field that is renamed": (
        (V2, "name: status, type", "name: state, column: status, type"),
        f"{FOLLOW}status is required and cannot be renamed to state",
    ),
    "another key": (
        (V2, "key: segment_id", "key: source"), f"{FOLLOW}the key is source, and was segment_id",
    ),
    "a hole between versions": (
        (V2, "version: 2\n", "version: 3\n"),
        "topic traffic_event: versions [1, 3] leave a hole or come twice",
    ),
    "a field without a column": (
        (BRONZE, "name: sensor_id, type: string", "name: sensor, type: string"),
        "topic traffic_event version 2: sensor_id needs a column sensor_id of type string in"
        " bronze.traffic_event",
    ),
    "a version that the rule does not know": (
        (BRONZE, "values: [1, 2]", "values: [1]"),
        "bronze.traffic_event: rule schema_version_known knows versions [1], not [1, 2]",
    ),
}  # fmt: skip


@pytest.mark.parametrize("change", INCOMPATIBLE)
def test_a_version_that_cannot_follow_is_refused(change: str, tmp_path: Path) -> None:
    edit, fault = INCOMPATIBLE[change]
    assert fault in faults(edited_specs(tmp_path, edit))


def test_readers_know_every_version_and_producers_write_the_newest_that_is_produced(
    specs: Specs,
) -> None:
    assert [topic.version for topic in specs.topic_versions["traffic_event"]] == [1, 2]
    assert specs.topics["traffic_event"].version == 1


CHANGES: dict[str, tuple[Edit, str]] = {
    "a version that is out": (
        (V2, SENSOR, "name: sensor_id, type: long, required: false"),
        "topic traffic_event version 2 was changed; write version 3 instead",
    ),
    "a column that is gone": (
        (KPI, "  - {name: delay_s_total", "  - {name: delay_s_sum"),
        "table gold.network_kpi: column delay_s_total is gone",
    ),
    "a column of another type": (
        (KPI, "name: delay_s_total, type: double", "name: delay_s_total, type: long"),
        "table gold.network_kpi: column delay_s_total has another type or unit",
    ),
    "a column that may no longer be null": (
        (KPI, "name: delay_s_total, type: double, unit: s,",
         "name: delay_s_total, type: double, unit: s, nullable: false,"),
        "table gold.network_kpi: column delay_s_total may be null in rows there are",
    ),
    "another key of a table": (
        (KPI, "key: [source, window_start]", "key: [window_start, source]"),
        "table gold.network_kpi: its key or its partitions have changed",
    ),
}  # fmt: skip


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_that_breaks_what_is_there_is_refused(
    change: str, tmp_path: Path, specs: Specs
) -> None:
    edit, fault = CHANGES[change]
    assert fault in change_faults(specs, edited_specs(tmp_path, edit))


def test_a_version_and_a_column_may_be_added(tmp_path: Path, specs: Specs) -> None:
    before = edited_folder(tmp_path, (BRONZE, "values: [1, 2]", "values: [1]"))
    (before / V2).unlink()
    lines = (before / BRONZE).read_text().splitlines(keepends=True)
    kept = [line for line in lines if "name: sensor_id" not in line]
    (before / BRONZE).write_text("".join(kept))
    assert faults(load_specs(before)) == []
    assert change_faults(load_specs(before), specs) == []
    gone = change_faults(specs, load_specs(before))
    assert "topic traffic_event version 2 is gone; records of it may come" in gone
    assert "table bronze.traffic_event: column sensor_id is gone" in gone


def test_the_command_refuses_a_change_against_the_specs_before(tmp_path: Path) -> None:
    now = edited_folder(tmp_path, CHANGES["a version that is out"][0])
    text = (now / BRONZE).read_text()
    (now / BRONZE).write_text(text.replace("sensor_id, type: string", "sensor_id, type: long"))
    fine = CliRunner().invoke(app, ["check", str(now)])
    assert fine.exit_code == 0, fine.output
    refused = CliRunner().invoke(app, ["check", str(now), "--against", str(SPECS_FOLDER)])
    assert isinstance(refused.exception, SpecError)
    assert "version 2 was changed; write version 3 instead" in str(refused.exception)
