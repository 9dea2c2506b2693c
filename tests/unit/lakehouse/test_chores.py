"""Chores are done when they are due, each on its own timer."""

from lakehouse.jobs.chores import Chore, doing


def test_each_chore_is_done_when_it_is_due_and_not_before() -> None:
    now, done = [100.0], list[str]()

    def often() -> None:
        done.append("often")
        now[0] += 2  # it takes its time, and is due again so long after its end

    look = doing(
        Chore(often, every_seconds=10),
        Chore(lambda: done.append("rare"), every_seconds=60, first_seconds=25),
        clock=lambda: now[0],
    )
    told = {}
    for moment in (100.0, 109.9, 110.0, 121.9, 122.0, 125.0, 184.9, 187.0):
        now[0], done[:] = moment, []
        look()
        told[moment] = list(done)
    assert told == {
        100.0: [], 109.9: [], 110.0: ["often"], 121.9: [], 122.0: ["often"], 125.0: ["rare"],
        184.9: ["often", "rare"], 187.0: [],
    }  # fmt: skip
