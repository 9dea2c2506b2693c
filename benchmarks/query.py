"""`traffic bench query`: how long the guide's queries take on millions of silver rows."""

import time
from dataclasses import asdict, dataclass

from benchmarks.history import fill_silver
from benchmarks.home import server_home
from benchmarks.live import say
from benchmarks.report import Result, audited, quantile
from lakehouse.audit import Check
from lakehouse.runtime.trino import TRINO
from lakehouse.trino.client import Client, Endpoint
from lakehouse.trino.guide import Question, questions

ASKED = (4, 6, 7, 8, 9)
"""Of the guide's questions: those that read silver.segment_metric and nothing else large."""

WARM_UP_RUNS = 10
"""Of all five: until then the JIT compiler takes a quarter of Trino's CPU."""


@dataclass(frozen=True)
class QueryLoad:
    """What is asked of.

    Attributes:
        rows: of silver.segment_metric, at least.
        segments: of the simulated city.
        repetitions: runs of each query that count.
        seed: decides every row.
    """

    rows: int = 10_000_000
    segments: int = 500
    repetitions: int = 20
    seed: int = 0


def measure(load: QueryLoad) -> Result:
    """Fill silver, start Trino on it, and time the queries one after another.

    Raises:
        Unavailable: Trino cannot be started, or does not answer.
    """
    with server_home((TRINO,)) as home:
        lake = home.lake(load.segments)
        say(f"filling silver with {load.rows:,} rows")
        written = fill_silver(lake, load.rows, load.seed)
        with Client(Endpoint(home.endpoints["trino"], "engineer")) as client:
            ((found,),) = client.rows("SELECT count(*) FROM silver.segment_metric")
            asked = [question for question in questions() if question.number in ASKED]
            for question in asked * WARM_UP_RUNS:
                client.rows(question.sql)
            timed = {
                f"question_{question.number}": _timed(client, question, load.repetitions)
                for question in asked
            }
    slowest = max(figures["p95_seconds"] for figures in timed.values())
    checks = [Check("rows that Trino counts", written, found)]
    return {
        "rows": found, "slowest_p95_seconds": slowest, **timed, "load": asdict(load),
        **audited(checks),
    }  # fmt: skip


def _timed(client: Client, question: Question, repetitions: int) -> dict[str, float]:
    say(f"question {question.number}: {question.title}")
    seconds = []
    for _ in range(repetitions):
        began = time.perf_counter()
        client.rows(question.sql)
        seconds.append(time.perf_counter() - began)
    return {"p50_seconds": quantile(seconds, 0.5), "p95_seconds": quantile(seconds, 0.95)}
