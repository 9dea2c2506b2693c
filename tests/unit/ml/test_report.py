from io import StringIO

from rich.console import Console

from ml.report import metrics_table


def test_metrics_are_shown_with_the_skill_against_persistence() -> None:
    metrics = {
        15: {
            "persistence": {"brier": 0.08, "auroc": None},
            "model": {"brier": 0.06, "auroc": 0.95},
        }
    }
    console = Console(file=StringIO(), width=80)
    console.print(metrics_table(metrics))
    assert isinstance(console.file, StringIO)
    lines = [line.replace("│", " ").split() for line in console.file.getvalue().splitlines()]
    assert ["brier", "0.060", "0.080"] in lines
    assert ["15", "min", "auroc", "0.950", "-"] in lines
    assert ["brier_skill", "0.250", "0.000"] in lines
