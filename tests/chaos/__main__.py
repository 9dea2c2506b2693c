"""`make chaos`: kill, restart, audit, again and again; resumable, and it writes its report."""

import argparse
import json
import math
import shutil
import signal
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lakehouse.runtime import stack
from lakehouse.runtime.kafka import KAFKA
from tests.chaos.child import PATIENCE_SECONDS, Child
from tests.chaos.cycles import KILLS, Stage, audited
from tests.chaos.plan import Cycle, plan
from tests.chaos.recording import Recording, outputs, record, replay
from tests.chaos.registry import registry
from tests.chaos.world import world
from tests.edited_specs import edited_folder

HASTY = (
    ("ops.yaml", "log_minutes: 10 ", "log_minutes: 0 "),
    ("ops.yaml", "replaced_file_hours: 1 ", "replaced_file_hours: 0 "),
)


@contextmanager
def stage(folder: Path, seed: int) -> Iterator[Stage]:
    """Broker, registry, recording, and what an undisturbed driver makes of it."""
    models = registry(folder / "registry")
    for name in ("world", "hasty"):  # a run that goes on begins with an empty topic
        shutil.rmtree(folder / name, ignore_errors=True)
    (folder / "hasty").mkdir(parents=True)
    edited_folder(folder / "hasty", *HASTY)
    recording = Recording(folder / "recording")
    if not recording.is_whole:
        with world(folder / "world" / "recorded", seed) as first:
            record(first, recording.folder)
    with world(folder / "world" / "home", seed) as made:
        reference = recording.home(folder / "reference")
        with Child.start(
            "reference", folder / "log", {}, replay,
            recording.folder, reference.home, made.bootstrap, models, None,
        ) as undisturbed:  # fmt: skip
            undisturbed.report(PATIENCE_SECONDS)
        yield Stage(made, recording, outputs(reference), models, folder)


def run(cycle: Cycle, on: Stage) -> dict[str, Any]:
    """One cycle; whatever goes wrong in it is its finding."""
    began = time.monotonic()
    try:
        stack.up(on.world.settings, (KAFKA,), tell=lambda _: None)  # whatever became of it before
        found = KILLS[cycle.kind](on, cycle)
    except Exception as error:
        found = [f"{type(error).__name__}: {error}"]
    return {
        "cycle": cycle.number, "kind": cycle.kind, "failpoint": cycle.failpoint,
        "moment": round(cycle.moment, 3), "faults": found,
        "seconds": round(time.monotonic() - began, 2),
    }  # fmt: skip


def audit(on: Stage) -> list[str]:
    """Have `traffic audit` judge the home that all cycles of this run have worked on."""
    home = on.world.settings.home
    print(
        "traffic audit, which anybody may repeat:\n"
        f"  export TRAFFIC_HOME={home} TRAFFIC_MLFLOW_URI={on.registry}\n"
        "  .venv/bin/traffic up; .venv/bin/traffic audit --json; .venv/bin/traffic down",
        file=sys.stderr, flush=True,
    )  # fmt: skip
    try:
        return audited(on)
    except Exception as error:
        return [f"{type(error).__name__}: {error}"]


def done(path: Path) -> list[dict[str, Any]]:
    """Cycles that an earlier run has finished; its last line may be torn."""
    lines = path.read_text().splitlines() if path.exists() else []
    found = []
    for line in lines:
        try:
            found.append(json.loads(line))
        except json.JSONDecodeError:
            continue
    return found


def summary(results: list[dict[str, Any]], seed: int) -> dict[str, Any]:
    """How often what was run, and what was found."""
    points = Counter((r["failpoint"] or "at random").split("#")[0].split("@")[0] for r in results)
    return {
        "seed": seed, "cycles": len(results),
        "failed": [r["cycle"] for r in results if r["faults"]],
        "by_kind": dict(Counter(r["kind"] for r in results)),
        "by_failpoint": dict(sorted(points.items())),
        "seconds": round(sum(r["seconds"] for r in results), 1),
    }  # fmt: skip


def main() -> int:
    """Run the cycles that are not done yet; 1 if any has found something."""
    parser = argparse.ArgumentParser(prog="make chaos", description=__doc__)
    parser.add_argument("--cycles", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--folder", type=Path, default=Path(".traffic/chaos"))
    parser.add_argument("--minutes", type=float, help="begin no cycle after so long")
    parser.add_argument("--fast", action="store_true", help="no broker and no JVM is killed")
    chosen = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # every `with` block closes
    ends = time.monotonic() + 60 * (chosen.minutes or math.inf)
    folder = (chosen.folder / f"seed-{chosen.seed}{'-fast' if chosen.fast else ''}").resolve()
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "cycles.jsonl"
    finished = {result["cycle"] for result in done(path)}
    cycles = plan(chosen.cycles, chosen.seed, with_slow=not chosen.fast)
    ahead = [cycle for cycle in cycles if cycle.number not in finished]
    off: list[str] = []
    if ahead:
        with stage(folder, chosen.seed + len(finished)) as on, path.open("a") as lines:
            for cycle in ahead:
                if time.monotonic() > ends:
                    break
                result = run(cycle, on)
                print(json.dumps(result), file=lines, flush=True)
                mark = "FAILED" if result["faults"] else "ok"
                where = cycle.failpoint or f"at random ({cycle.moment:.2f})"
                print(f"{cycle.number:4} {mark:6} {cycle.kind:11} {where} {result['seconds']} s",
                      *result["faults"], sep="\n     " if result["faults"] else "",
                      file=sys.stderr, flush=True)  # fmt: skip
            if not chosen.fast:
                off = audit(on)
    results = [result for result in done(path) if result["cycle"] < chosen.cycles]
    report = summary(results, chosen.seed) | {"audit": off}
    (folder / "report.json").write_text(json.dumps(report, indent=2))
    print(json.dumps(report))
    return 1 if report["failed"] or off else 0


if __name__ == "__main__":
    sys.exit(main())
