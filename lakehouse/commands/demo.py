"""`traffic demo`: two weeks of New York, from Kafka to gold, with the proof."""

import sys

import typer


def demo() -> None:
    """Run it all on New York traffic; exit 1 if the balance is off."""
    from rich.console import Console
    from rich.status import Status

    from lakehouse.demo import Demo
    from lakehouse.demo_report import tables
    from lakehouse.settings import Settings

    home = Settings().home / "demo"
    settings = Settings(
        home=home, kafka_port=0, mlflow_port=0, reconcile_seconds=1, model_poll_seconds=1
    )
    screen, out = Console(stderr=True), Console()
    with Status("", console=screen) as status:
        outcome = Demo(settings, status.update).run()
    for table in tables(outcome):
        out.print(table)
    for name, seconds in outcome.seconds.items():
        print(f"{seconds:6.1f} s  {name}", file=sys.stderr)
    print(f"The tables stay in {settings.lake}", file=sys.stderr)
    if not all(check.is_ok for check in outcome.checks):
        raise typer.Exit(1)
