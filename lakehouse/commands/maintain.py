"""`traffic maintain`: keeps the tables small, beside the running stream."""

import sys
import time
from typing import Annotated

import typer

from lakehouse.commands.answer import Json, print_json


def maintain(
    every: Annotated[
        float | None, typer.Option(min=1, help="Again after so many seconds; by default once.")
    ] = None,
    as_json: Json = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Print nothing.")] = False,
) -> None:
    """Compact, checkpoint, clean, vacuum and expire; all may go on."""
    from lakehouse.jobs.maintenance import maintain as job
    from lakehouse.journal import now
    from lakehouse.settings import Settings
    from lakehouse.signals import stop_on_signals
    from lakehouse.tables import Lake
    from specs.loader import load_specs

    settings, stopped = Settings(), stop_on_signals()
    lake = Lake(settings.lake, load_specs())
    due = time.monotonic()
    while not stopped():
        if time.monotonic() < due:
            time.sleep(0.2)
            continue
        done = job(lake, settings.stream_checkpoint, now())
        if quiet:
            pass
        elif as_json:
            print_json({upkeep.table: upkeep.__dict__ for upkeep in done})
        else:
            for upkeep in done:
                print(
                    f"{upkeep.table:26} {upkeep.files:6} files {upkeep.log_files:6} in its log;"
                    f" {upkeep.compacted} compacted, {upkeep.vacuumed_files} vacuumed,"
                    f" {upkeep.cleaned_log_files} cleaned, {upkeep.expired_rows} rows expired"
                    f" {upkeep.postponed}".rstrip()
                )
        sys.stdout.flush()
        if every is None:
            return
        due += every
