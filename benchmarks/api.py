"""`traffic bench api`: latency of the API under load while batches are committed."""

import csv
import io
import json
import shutil
import subprocess
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.compute as pc

from benchmarks.city_batches import CityBatches
from benchmarks.live import say
from benchmarks.processes import Child, Meter, environment, python, tree
from benchmarks.report import Result
from lakehouse.runtime.server import LOOPBACK, free_port
from lakehouse.tables import Lake
from ml.score import LoadedModel
from specs.errors import Unavailable
from specs.loader import Specs, load_specs

HISTORY = timedelta(hours=24)
START = datetime(2024, 5, 6, 22, tzinfo=UTC)
CONNECTIONS = 20
START_SECONDS = 120.0
WARM_UP_RATIO = 0.2
"""Share of the run in which memory may still grow: caches fill."""

TOOL = "hey"


@dataclass(frozen=True)
class ApiLoad:
    """Requests for the congestion of a whole city.

    Attributes:
        rate: requests per second.
        segments: of the simulated city; each answer has them all.
        seconds: how long.
        commit_seconds: a batch of silver and gold is committed so often meanwhile.
    """

    rate: float = 200.0
    segments: int = 500
    seconds: float = 60.0
    commit_seconds: float = 1.0


@dataclass
class _Listener:
    """Reads the live updates: what was picked up, and how long after its commit."""

    url: str
    pickups: list[float] = field(default_factory=list)

    def start(self) -> None:
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        try:
            with urllib.request.urlopen(f"{self.url}/events") as stream:  # noqa: S310  (loopback)
                for line in stream:
                    if line.startswith(b"data: "):
                        seconds = json.loads(line[6:])["pickup_seconds"]
                        if seconds is not None:
                            self.pickups.append(seconds)
        except (OSError, ValueError):
            return  # the server has ended, and with it the measurement


def measure(load: ApiLoad) -> Result:
    """Serve a simulated city, commit to it, and ask for its congestion.

    Raises:
        Unavailable: the load tool is not installed, or the API failed.
    """
    tool = shutil.which(TOOL)
    if tool is None:
        raise Unavailable(f"the load tool {TOOL} is not installed; Debian's package is {TOOL}")
    with tempfile.TemporaryDirectory(prefix="traffic-bench-") as folder:
        home, port = Path(folder), free_port()
        city = _city(home, load)
        variables = environment(TRAFFIC_HOME=folder, TRAFFIC_API_PORT=str(port))
        with Child("serve", python("lakehouse", "serve"), variables, home / "log/api.log") as api:
            url = f"http://{LOOPBACK}:{port}"
            _wait(api, url)
            return _loaded(tool, url, api, city, load)


def _city(home: Path, load: ApiLoad) -> CityBatches:
    specs = load_specs()
    say(f"making {HISTORY / timedelta(hours=1):g} h of history and a model")
    city = CityBatches(Lake(home / "lake", specs), load.segments, START)
    city.advance(HISTORY // city.window)
    city.score_with(_model(city.lake, specs))
    city.advance(1)
    return city


def _model(lake: Lake, specs: Specs) -> LoadedModel:
    from ml.train import train

    silver, segments = lake.table("silver.segment_metric"), lake.table("silver.road_segment")
    silver.refresh()
    primary = pc.field("window_seconds") == specs.transforms.primary.size_seconds
    model = train(silver.read(where=primary), segments.read(), specs).model
    return LoadedModel(specs.ml.model_name, 1, model, specs.tables["gold.congestion_scores"])


def _wait(api: Child, url: str) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        api.check()
        try:
            with urllib.request.urlopen(f"{url}/readyz"):  # noqa: S310  (loopback)
                return
        except (urllib.error.URLError, ConnectionError) as error:
            if time.monotonic() > deadline:
                raise Unavailable(f"the API is not ready after {START_SECONDS:g} s") from error
        time.sleep(0.2)


def _loaded(tool: str, url: str, api: Child, city: CityBatches, load: ApiLoad) -> Result:
    listener, meter = _Listener(url), Meter()
    listener.start()
    meter.watch("api", tree(api.process.pid))
    command = (
        tool, "-z", f"{load.seconds:g}s", "-c", str(CONNECTIONS),
        "-q", f"{load.rate / CONNECTIONS:g}", "-o", "csv",
        f"{url}/congestion?limit={load.segments}",
    )  # fmt: skip
    say(f"{load.rate:g} requests/s for {load.seconds:g} s, a batch every {load.commit_seconds:g} s")
    before, commits, rss = meter.sample()["api"], 0, []
    began = time.monotonic()
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as running:  # noqa: S603
        answers: list[str] = []
        reader = threading.Thread(target=lambda: answers.append(running.communicate()[0]))
        reader.start()
        while reader.is_alive():
            api.check()
            city.advance(1)
            commits += 1
            rss.append(_rss_bytes(meter))
            due = began + commits * load.commit_seconds
            reader.join(max(0.0, due - time.monotonic()))
    after, seconds = meter.sample()["api"], time.monotonic() - began
    return {
        **latency(answers[0]),
        "seconds": seconds,
        "commits": commits,
        "pickups": len(listener.pickups),
        "pickup_seconds_p50": float(np.median(listener.pickups)) if listener.pickups else None,
        "pickup_seconds_max": max(listener.pickups, default=None),
        "cpu_ratio": (after - before) / seconds,
        **memory(rss),
        "load": asdict(load),
    }


def _rss_bytes(meter: Meter) -> int:
    meter.peak_rss_bytes["api"] = 0
    meter.sample()
    return meter.peak_rss_bytes["api"]


def latency(output: str) -> Result:
    """Quantiles over what the load tool says of each request, failed ones counted apart."""
    rows = list(csv.DictReader(io.StringIO(output)))
    times = [float(row["response-time"]) for row in rows if row["status-code"] == "200"]
    if not times:
        raise Unavailable("not one request was answered with 200")
    last = max(float(row["offset"]) for row in rows)
    quantiles = {"p50_seconds": 0.5, "p95_seconds": 0.95, "p99_seconds": 0.99}
    return {
        "requests": len(rows),
        "failed": len(rows) - len(times),
        "requests_per_second": len(rows) / last if last else None,
        **{name: float(np.quantile(times, share)) for name, share in quantiles.items()},
        "max_seconds": max(times),
    }


def memory(rss: Sequence[int]) -> dict[str, Any]:
    """Resident memory after the warm-up and at the end, each the median of a fifth of the run."""
    fifth = max(1, round(len(rss) * WARM_UP_RATIO))
    first, last = float(np.median(rss[fifth : 2 * fifth] or rss)), float(np.median(rss[-fifth:]))
    return {
        "rss_bytes_after_warm_up": first, "rss_bytes_at_end": last,
        "rss_growth_ratio": last / first - 1,
    }  # fmt: skip
