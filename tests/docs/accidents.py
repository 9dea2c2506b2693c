"""What the runbook is tried on: typed before the first block of a section, to give it a cause."""

RUNBOOK = "docs/operations.md"
PRODUCE = "traffic produce simulate --unpaced --segments"


def _killed(name: str) -> str:
    """A server that is killed, and seen to be."""
    return f"""
        kill -KILL "$(grep -oP '"pid": \\K\\d+' .traffic/run/{name}.json)"
        until (traffic status || true) | grep --quiet '^{name} *dead'; do sleep 0.2; done
    """


ACCIDENTS = {
    "": f"""
        traffic up
        traffic topic create
        traffic segment load simulator --segments 20
        {PRODUCE} 20 --rate 0.0667 --seconds 180000 --start 2024-05-05T21:00:00 --malformed 0.02
        traffic land --once
        traffic stream --once
        traffic model train
    """,
    "consumer_lag": f"""
        {_killed("lander")}
        {PRODUCE} 20 --rate 20 --seconds 60 --start 2024-05-08T00:00:00
    """,
    "gate_failed": f"""
        {PRODUCE} 20 --rate 1000 --seconds 10 --start 1999-01-01T00:00:00
        until (traffic status || true) | grep --quiet '^lander *held'; do sleep 0.2; done
    """,
    "dead_letter_ratio": f"""
        {PRODUCE} 30 --rate 30 --seconds 30 --start 2024-05-08T00:10:00
        traffic land --once
    """,
    "lander_down": _killed("lander"),
    "stream_down": _killed("stream"),
    "exporter_blind": _killed("exporter"),
}
"""By section; the first has the town, two days of it, and a model."""
