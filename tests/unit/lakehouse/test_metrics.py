"""Metrics are what ops.yaml says, bounded, and read over HTTP."""

import http.client
import json
import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lakehouse.metrics import Metrics
from lakehouse.metrics.endpoint import exposed
from lakehouse.metrics.family import Counted
from lakehouse.metrics.process import OwnProcess
from lakehouse.metrics.scrape import values
from specs.errors import Unavailable
from specs.loader import Specs
from specs.ops import Metric, OpsSpec

MEMORY = "traffic_process_memory_bytes "
MOST_SERIES = 12_000
"""Of one process, whatever comes; Prometheus keeps about 3 kB of memory for each."""


@pytest.fixture
def metrics(specs: Specs) -> Metrics:
    return Metrics(specs.ops, "lander")


def lines(metrics: Metrics, name: str) -> list[str]:
    return [line for line in metrics.text().decode().splitlines() if line.startswith(name)]


def test_a_value_on_a_bound_is_within_it(metrics: Metrics) -> None:
    metrics.observe("traffic_batch_duration_seconds", [0.1, 0.1001, 99], job="land")
    name = "traffic_batch_duration_seconds"
    assert f'{name}_bucket{{job="land",le="0.05"}} 0.0' in lines(metrics, name)
    assert f'{name}_bucket{{job="land",le="0.1"}} 1.0' in lines(metrics, name)
    assert f'{name}_bucket{{job="land",le="0.25"}} 2.0' in lines(metrics, name)
    assert f'{name}_bucket{{job="land",le="+Inf"}} 3.0' in lines(metrics, name)
    assert f'{name}_count{{job="land"}} 3.0' in lines(metrics, name)
    (total,) = lines(metrics, f"{name}_sum")
    assert float(total.split()[-1]) == pytest.approx(99.2001)


@given(st.floats(allow_nan=True, allow_infinity=True))
def test_one_value_counts_as_a_list_of_one_does(value: float) -> None:
    alone, listed = (Counted(np.array([-1.0, 0.0, 0.1, 5.0])) for _ in range(2))
    alone.add(value)
    listed.add([value])
    assert alone.told()[0] == listed.told()[0]
    assert alone.told()[1] == pytest.approx(listed.told()[1], nan_ok=True)


def test_a_counter_adds_up_by_its_labels(metrics: Metrics) -> None:
    for rule, count in (("speed_in_range", 2), ("key_present", 1), ("speed_in_range", 3)):
        metrics.count("traffic_dead_letters_total", count, rule=rule)
    assert lines(metrics, "traffic_dead_letters_total") == [
        'traffic_dead_letters_total{rule="speed_in_range"} 5.0',
        'traffic_dead_letters_total{rule="key_present"} 1.0',
    ]


def test_series_that_are_replaced_are_gone(specs: Specs) -> None:
    metrics, name = Metrics(specs.ops, "exporter"), "traffic_segments"
    metrics.replace(name, [(3, {"source": "a"}), (4, {"source": "b"})])
    metrics.replace(name, [(5, {"source": "b"})])
    assert lines(metrics, name) == ['traffic_segments{source="b"} 5.0']


def test_a_name_or_label_that_ops_yaml_lacks_is_refused(metrics: Metrics) -> None:
    with pytest.raises(KeyError):
        metrics.count("traffic_surprises_total")
    with pytest.raises(KeyError):
        metrics.count("traffic_dead_letters_total", segment_id="nyc_dot:1")
    with pytest.raises(KeyError):
        metrics.count("traffic_dead_letters_total", rule="a", segment_id="nyc_dot:1")


def test_a_process_tells_only_what_is_its_own(specs: Specs) -> None:
    for process in ("lander", "stream", "api", "exporter"):
        text = Metrics(specs.ops, process).text().decode()  # type: ignore[arg-type]
        told = {line.split()[2] for line in text.splitlines() if line.startswith("# TYPE")}
        assert told == {one.name for one in specs.ops.metrics if process in one.by}
    assert Metrics(specs.ops).text() == b""


def most_series(ops: OpsSpec, metric: Metric) -> int:
    values = math.prod(ops.labels[name].max + 1 for name in metric.labels)
    return values * (len(metric.buckets) + 3 if metric.buckets else 1)


@pytest.mark.parametrize("process", ["lander", "stream", "api", "exporter"])
def test_the_series_of_a_process_are_bounded(specs: Specs, process: str) -> None:
    own = [metric for metric in specs.ops.metrics if process in metric.by]
    assert sum(most_series(specs.ops, metric) for metric in own) <= MOST_SERIES
    assert all("segment" not in name for metric in own for name in metric.labels)


def test_every_rule_has_room_among_the_labels(specs: Specs) -> None:
    rules = {
        rule.id for table in specs.tables.values() for rule in (*table.rules, *table.expectations)
    }
    of_the_topic = 20  # what the lander says of a record that cannot be read
    assert len(rules) + of_the_topic <= specs.ops.labels["rule"].max
    assert len(specs.tables) * 2 <= specs.ops.labels["table"].max  # and one of what was replaced


def test_values_past_the_bound_of_a_label_are_counted_as_other(specs: Specs) -> None:
    metrics, most = Metrics(specs.ops, "api"), specs.ops.labels["route"].max
    for number in range(1000):
        metrics.observe(
            "traffic_api_request_duration_seconds", 0.001, route=f"/{number}", status=200
        )
    counts = lines(metrics, "traffic_api_request_duration_seconds_count")
    assert len(counts) == most + 1
    assert counts[-1] == (
        'traffic_api_request_duration_seconds_count{route="other",status="200"}'
        f" {1000 - most:.1f}"
    )


def asked(port: int, path: str, host: str | None = None) -> tuple[int, str]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request("GET", path, headers={"Host": host} if host else {})
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    return answer.status, text


def test_prometheus_finds_the_process_and_reads_it(metrics: Metrics, tmp_path: Path) -> None:
    (tmp_path / "lander-999999999.json").write_text("[]")
    (tmp_path / "stream-999999999.json").write_text("[]")
    with exposed(metrics, "lander", port=0, targets=tmp_path) as port:
        (target,) = tmp_path.glob("lander-*.json")  # what a killed lander left is gone
        assert json.loads(target.read_text()) == [
            {"targets": [f"127.0.0.1:{port}"], "labels": {"job": "lander"}}
        ]
        status, text = asked(port, "/metrics")
        assert status == 200
        (memory,) = [one for one in text.splitlines() if one.startswith(MEMORY)]
        assert float(memory.split()[-1]) > 10_000_000, "the process is looked at from the start"
        (told,) = values(tmp_path, "lander", "traffic_process_memory_bytes")
        assert told > 10_000_000
        assert values(tmp_path, "api", "traffic_process_memory_bytes") == []
        assert asked(port, "/")[0] == 404
        assert asked(port, "/metrics", host="attacker.example:80")[0] == 421
        with pytest.raises(Unavailable, match="TRAFFIC_METRICS_PORT"):  # noqa: SIM117
            with exposed(metrics, "lander", port=port, targets=tmp_path):
                pass
    assert [path.name for path in tmp_path.iterdir()] == ["stream-999999999.json"]


def test_a_folder_that_cannot_be_written_is_named(metrics: Metrics, tmp_path: Path) -> None:
    (tmp_path / "run").touch()
    targets = tmp_path / "run" / "targets"
    with (
        pytest.raises(Unavailable, match=f"cannot write to {targets}: Not a directory"),
        exposed(metrics, "lander", port=0, targets=targets),
    ):
        pass


def test_under_another_name_than_loopbacks_it_answers_to_that_name_too(
    metrics: Metrics, tmp_path: Path
) -> None:
    with exposed(metrics, "lander", port=0, targets=tmp_path, host="lander") as port:
        (target,) = tmp_path.glob("lander-*.json")
        assert json.loads(target.read_text())[0]["targets"] == [f"lander:{port}"]
        for name, status in {"lander": 200, "127.0.0.1": 200, "evil.example": 421}.items():
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
            connection.request("GET", "/metrics", headers={"Host": f"{name}:{port}"})
            assert connection.getresponse().status == status, name
            connection.close()


def test_memory_and_cpu_are_those_of_the_process_and_what_it_has_started(specs: Specs) -> None:
    def told(name: str) -> float:
        metrics.look_at_process()
        return float(lines(metrics, name)[0].split()[-1])

    own = OwnProcess()
    own.look()
    before_child = own.memory_bytes  # with a JVM, where other tests have started one
    metrics = Metrics(specs.ops, "lander")  # it looks for its children at the first question
    hold = "held = bytearray(300_000_000); print(len(held), flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", hold], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as child:
        assert child.stdout is not None
        assert child.stdout.readline().strip() == b"300000000"
        assert told("traffic_process_memory_bytes") > before_child + 250_000_000
        child.communicate(b"\n")
    assert told("traffic_process_memory_bytes") < before_child + 250_000_000
    before = told("traffic_process_cpu_seconds_total")
    assert sum(range(3_000_000)) > 0
    assert told("traffic_process_cpu_seconds_total") > before > 0
