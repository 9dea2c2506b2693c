"""`python -m benchmarks.timed_backfill FROM TO REPETITIONS`: recompute silver and gold from bronze.

One process, as a nightly backfill is; its first round compiles the JVM's code and is thrown away.
Each round works on tables of its own, made of links to the same files of bronze.
"""

import json
import os
import shutil
import sys
from dataclasses import asdict
from datetime import datetime
from pathlib import Path

from benchmarks.home import folder_on_disk
from benchmarks.timed import timed
from lakehouse.jobs.bronze_panes import BronzePanes
from lakehouse.jobs.recompute import GoldRecompute, Range, SilverRecompute
from lakehouse.kafka_grants import OPERATOR
from lakehouse.publish import KafkaPublisher
from lakehouse.services import kafka_access, mlflow_uri
from lakehouse.settings import Settings
from lakehouse.spark import session
from lakehouse.tables import Lake
from ml.registry import champion
from specs.errors import WrongInput
from specs.loader import load_specs

INPUTS = (
    "bronze.traffic_event", "bronze.dead_letter", "silver.road_segment", "ops.ledger",
)  # fmt: skip


def linked(settings: Settings, number: int) -> Lake:
    """Tables of round ``number``: what landing made, and nothing of silver's metrics or gold."""
    specs, root = load_specs(), lake_of(settings.home, number)
    whole = Lake(settings.lake, specs)
    for name in INPUTS:
        folder = folder_on_disk(whole, name)
        if folder.exists():
            target = root.joinpath(*name.split("."))
            shutil.copytree(folder, target, copy_function=os.link)
    return Lake(root, specs)


def lake_of(home: Path, number: int) -> Path:
    """Folder of the tables of round ``number``; 0 is the warm-up."""
    return home / f"round{number}"


def main() -> None:
    """Print what each round that counts took."""
    start, end = (datetime.fromisoformat(text) for text in sys.argv[1:3])
    asked, repetitions, settings = Range(start, end), int(sys.argv[3]), Settings()
    specs = load_specs()
    publisher = KafkaPublisher(kafka_access(settings, OPERATOR))
    model = champion(mlflow_uri(settings), specs)
    if model is None:
        raise WrongInput("the registry has no champion; a backfill without scores is none")
    rounds = []
    for number in range(repetitions + 1):
        lake = linked(settings, number)
        with timed() as silver:
            bronze = BronzePanes(lake, lambda: session(settings), settings.recompute_small_rows)
            metrics = SilverRecompute(lake, bronze, publisher).recompute(asked)
        with timed() as gold:
            scored = GoldRecompute(lake, model, publisher).recompute(asked)
        made = {
            "silver": asdict(silver) | {"rows": metrics},
            "gold": asdict(gold) | {"rows": scored},
        }
        print(f"round {number}: {silver.seconds:.1f} + {gold.seconds:.1f} s", file=sys.stderr)
        if number:
            rounds.append(made)
    print(json.dumps({"rounds": rounds}))


if __name__ == "__main__":
    main()
