from typing import Any

from benchmarks.growth import FIGURES, Axes, Point, summary


def run(axis: str, **other: Any) -> dict[str, Any]:
    figures: dict[str, Any] = dict.fromkeys(FIGURES, 1.0) | {"audit_ok": True}
    place = {"axis": axis, "rate": 2000.0, "segments": 500, "days": 1.0, "landers": 1}
    return place | figures | other


def test_each_axis_grows_alone_from_the_base() -> None:
    axes = Axes(rate=(2000,), segments=(500, 5000, 40_000), days=(1, 90), landers=(1,))
    assert list(axes.points()) == [
        ("base", Point(2000, 500, 1, 1)), ("segments", Point(2000, 5000, 1, 1)),
        ("segments", Point(2000, 40_000, 1, 1)), ("days", Point(2000, 500, 90, 1)),
    ]  # fmt: skip


def test_a_point_is_told_beside_the_base() -> None:
    found = summary([
        run("base", p95_seconds=1.5, events_per_cpu_second=600.0),
        run("days", days=90.0, p95_seconds=1.8, events_per_cpu_second=300.0),
        run("rate", rate=8000.0, p95_seconds=None),
    ])  # fmt: skip
    ratios = [(p["p95_to_base"], p["events_per_cpu_second_to_base"]) for p in found["points"]]
    assert ratios == [(1.0, 1.0), (1.2, 0.5), (None, 1 / 600)]
    assert found["audit_ok"] is True


def test_one_point_whose_books_are_off_spoils_the_run() -> None:
    assert summary([run("base"), run("days", audit_ok=False)])["audit_ok"] is False
