"""`traffic doctor`: is this machine fit, and what to do where it is not."""

import typer

from lakehouse.commands.answer import Json, print_json


def doctor(as_json: Json = False) -> None:
    """Look at machine, Java, ports, disk; exit 1 if a need is missing."""
    from dataclasses import asdict

    from lakehouse.doctor import findings
    from lakehouse.settings import Settings

    found = findings(Settings())
    if as_json:
        print_json([asdict(one) for one in found])
    else:
        for one in found:
            print(f"{one.state:<8} {one.what:<22} {one.found}")
            if one.advice:
                print(f"{'':<8} {'':<22} -> {one.advice}")
    if any(one.state == "missing" for one in found):
        raise typer.Exit(1)
