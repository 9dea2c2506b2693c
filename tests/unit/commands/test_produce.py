"""The commands refuse wrong input before they look for a broker."""

from pathlib import Path

import pytest
from typer import Typer
from typer.testing import CliRunner

from lakehouse.commands.data import segment
from lakehouse.commands.produce import app as produce
from specs.errors import WrongInput

NOWHERE = ["--bootstrap", "127.0.0.1:1"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["replay", "--source", "atlantis"], "no source 'atlantis'; there are aarhus, metr_la"),
        (["replay", "--speedup", "2", "--rate", "5"], "not both"),
        (["replay", "--rate", "0"], "rate is 0; it must be positive"),
        (["replay", "--from", "2019-01-01"], "no reading from 2019-01-01"),
        (["replay", "--late", "2"], "late is 2; give 0 to 1"),
        (["replay", "--file", "nothing.csv"], "nothing.csv: cannot be read"),
        (["replay", "--source", "simulator"], "source simulator has no readings to replay"),
        (["simulate", "--rate", "-1"], "rate is -1"),
        (["simulate", "--segments", "0"], "0 segments"),
    ],
)
def test_wrong_input_is_named(arguments: list[str], message: str) -> None:
    result = CliRunner().invoke(produce, [*arguments, *NOWHERE])
    assert isinstance(result.exception, WrongInput)
    assert result.exception.exit_code == 2
    assert message in str(result.exception)
    assert result.stdout == ""


@pytest.mark.parametrize(
    ("app", "arguments"),
    [
        (produce, ["replay", "--source", "nyc_dot", *NOWHERE]),
        (segment, ["nyc_dot"]),
    ],
)
def test_a_citys_files_are_looked_for_where_traffic_data_says(
    app: Typer, arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRAFFIC_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("TRAFFIC_DATA", str(tmp_path))
    result = CliRunner().invoke(app, arguments)
    assert isinstance(result.exception, WrongInput)
    assert f"no file matches nyc_dot/link_speed*.parquet in {tmp_path}" in str(result.exception)
