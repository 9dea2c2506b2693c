"""A live load on the running lander and stream, and what is seen of it from outside."""

import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from benchmarks.home import BenchHome
from benchmarks.lag import Behind, LagWatch, landed
from benchmarks.processes import Child, Meter, alone, taken, tree, trees
from benchmarks.scrape import Scrapes
from lakehouse.tables import Lake
from specs.errors import Unavailable

WARM_UP_SECONDS = 20.0
"""From the first reading of the load to the measurement, for the JIT."""

START_SECONDS, DRAIN_SECONDS = 180.0, 60.0
SAMPLE_SECONDS, LAG_SECONDS = 1.0, 5.0

Also = Callable[[Meter], None]


@dataclass(frozen=True)
class LiveLoad:
    """Readings whose event time is now.

    Attributes:
        rate: readings per second, over all segments.
        segments: of the simulated city.
        seconds: how long it is measured.
        seed: decides every reading.
    """

    rate: float = 2000.0
    segments: int = 500
    seconds: float = 300.0
    seed: int = 0

    def command(self, *more: str) -> tuple[str, ...]:
        """`traffic produce simulate` with this load; without end unless ``more`` says so."""
        return (
            "produce", "simulate", "--json", "--segments", str(self.segments),
            "--rate", str(self.rate), "--seed", str(self.seed), *more,
        )  # fmt: skip


@dataclass(frozen=True)
class Observed:
    """What was seen while the load ran.

    Attributes:
        since_version: bronze commits up to this one are not part of the measurement.
        landed: rows of bronze in the commits past that one.
        records: readings that Kafka took while measured.
        seconds: how long was measured.
        cpu_seconds: by process, while measured.
        rss_bytes: peak by process.
        pipeline_cpu_seconds: of lander and stream, from the first reading of the load to the last.
        lag: readings that Kafka has and bronze has not, and that bronze has and gold has not.
        exporter_cpu_seconds: of the exporter, over the same time.
        scrape_seconds: what each scrape took, by process.
        reports: what lander and stream said at their end.
    """

    since_version: int
    landed: int
    records: int
    seconds: float
    cpu_seconds: Mapping[str, float]
    rss_bytes: Mapping[str, int]
    pipeline_cpu_seconds: float
    exporter_cpu_seconds: float
    scrape_seconds: Mapping[str, Sequence[float]]
    lag: Mapping[str, Behind]
    reports: Mapping[str, Mapping[str, float]]


class Watched:
    """The processes of a run: kept an eye on, sampled."""

    def __init__(self, home: BenchHome) -> None:
        """Watch the servers of ``home``, and ourselves."""
        self.meter = Meter()
        self._children: list[Child] = []
        self.meter.watch("bench", alone(os.getpid()))
        for name, pid in home.server_pids.items():
            self.meter.watch(name, tree(pid))

    def add(self, name: str, *children: Child) -> None:
        """Watch one more, or several as one."""
        self._children += children
        self.meter.watch(name, trees([child.process.pid for child in children]))

    def forget(self, child: Child) -> None:
        """It has ended, as it should."""
        self._children.remove(child)

    def look(self, seconds: float, also: Callable[[], None] | None = None) -> None:
        """Sample for so long, with ``also`` every five seconds.

        Raises:
            Unavailable: a process has ended.
        """
        began = time.monotonic()
        due = began
        while (passed := time.monotonic() - began) < seconds:
            for child in self._children:
                child.check()
            self.meter.sample()
            if also is not None and time.monotonic() >= due:
                also()
                due += LAG_SECONDS
            time.sleep(max(0.0, min(SAMPLE_SECONDS, seconds - passed)))

    def until(self, is_done: Callable[[], bool], seconds: float) -> None:
        """Sample until ``is_done()``: everything that Kafka holds is in gold.

        Raises:
            Unavailable: it is not after so long, or a process has ended.
        """
        deadline = time.monotonic() + seconds
        while not is_done():
            if time.monotonic() > deadline:
                raise Unavailable(f"after {seconds:g} s the readings are not all in gold")
            self.look(SAMPLE_SECONDS)


@dataclass(frozen=True)
class Pipeline:
    """Lander, stream and exporter, running.

    Attributes:
        watched: they and the servers.
        landers: of one group.
        stream: the only one.
    """

    watched: Watched
    landers: Sequence[Child]
    stream: Child

    def finish(self) -> dict[str, Mapping[str, float]]:
        """Have them end their batches; what lander and stream said at their end."""
        told = [lander.stop() for lander in self.landers]
        return {"lander": summed(told), "stream": self.stream.stop()}


@contextmanager
def pipeline(home: BenchHome, landers: int = 1) -> Iterator[Pipeline]:
    """Start lander, stream and exporter in ``home``; `Pipeline.finish` ends the first two."""
    with ExitStack() as running:
        members = [running.enter_context(home.child("land")) for _ in range(landers)]
        stream = running.enter_context(home.child("stream"))
        watched = Watched(home)
        watched.add("lander", *members)
        watched.add("stream", stream)
        watched.add("exporter", running.enter_context(home.child("metrics", "serve")))
        yield Pipeline(watched, members, stream)


def run_live(
    home: BenchHome, lake: Lake, load: LiveLoad, also: Also | None = None, landers: int = 1
) -> Observed:
    """Start lander and stream, warm them up, load them, and let them finish.

    Args:
        home: with its servers up.
        lake: its tables.
        load: what is sent.
        also: called with the meter every five seconds of the measurement.
        landers: of the group.

    Raises:
        Unavailable: a process failed, or gold did not catch up.
    """
    topic = home.specs.topics["traffic_event"].topic
    say("starting lander and stream")
    with pipeline(home, landers) as running, home.admin() as admin:
        watch, scrapes = LagWatch(lake, admin, topic), Scrapes(home.settings.targets)
        watched = running.watched

        def look() -> None:
            watch.sample()
            scrapes.look()
            if also is not None:
                also(watched.meter)

        home.run(*load.command("--seconds", "1"))
        watched.until(lambda: watch.is_all_in_gold, START_SECONDS)
        idle = watched.meter.sample()
        with home.child(*load.command()) as producer:
            watched.add("producer", producer)
            say(f"warming up for {WARM_UP_SECONDS:g} s, then measuring for {load.seconds:g} s")
            watched.look(WARM_UP_SECONDS)
            since, sent = watch.bronze_version, watch.records_in_kafka
            before, began = watched.meter.sample(), time.monotonic()
            watched.look(load.seconds, look)
            after, seconds = watched.meter.sample(), time.monotonic() - began
            watch.sample()
            records = watch.records_in_kafka - sent
            producer.stop()
            watched.forget(producer)
        watched.until(lambda: watch.is_all_in_gold, DRAIN_SECONDS)
        used = taken(idle, watched.meter.sample())
        reports = running.finish()
    home.run("silver", "reconcile")  # the partitions of history are read unevenly: some came late
    books = lake.table("ops.ledger")
    books.refresh()
    ledger = books.read().to_pylist()
    return Observed(
        since_version=since,
        landed=landed(ledger, since),
        records=records,
        seconds=seconds,
        cpu_seconds=taken(before, after),
        rss_bytes=watched.meter.peak_rss_bytes,
        pipeline_cpu_seconds=used["lander"] + used["stream"],
        exporter_cpu_seconds=used["exporter"],
        scrape_seconds=scrapes.seconds,
        lag=watch.summary(ledger, load.rate),
        reports=reports,
    )


def summed(reports: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Reports of several processes of one kind as one; there is at least one."""
    return {name: sum(report[name] for report in reports) for name in reports[0]}


def say(message: str) -> None:
    """Tell the user what goes on, beside the result."""
    print(message, file=sys.stderr, flush=True)
