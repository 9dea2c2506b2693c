"""SQL through the real Trino: who may read what, nobody writes, commits are seen at once."""

import json
import os
import pty
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pytest

from lakehouse.commit import Note
from lakehouse.freshness import freshness_seconds
from lakehouse.runtime.stack import down, endpoints, up
from lakehouse.runtime.trino import TRINO
from lakehouse.settings import Settings
from lakehouse.tables import Lake
from lakehouse.trino.catalog import register
from lakehouse.trino.client import Client, Endpoint, SqlError
from lakehouse.trino.home import OWNER, trino_home
from ml.outcome import outcomes, quality_of
from specs.errors import Unavailable, WrongInput
from specs.loader import Specs

WRITES = (
    "INSERT INTO gold.network_kpi SELECT * FROM gold.network_kpi",
    "DELETE FROM gold.network_kpi",
    "UPDATE gold.network_kpi SET segment_count = 0",
    "TRUNCATE TABLE gold.network_kpi",
    "MERGE INTO gold.network_kpi t USING gold.network_kpi s ON t.source = s.source"
    " WHEN MATCHED THEN DELETE",
    "ALTER TABLE gold.network_kpi EXECUTE optimize",
    "CALL lake.system.vacuum('gold', 'network_kpi', '7d')",
    "CREATE TABLE gold.mine AS SELECT 1 AS one",
    "COMMENT ON COLUMN gold.network_kpi.source IS 'mine'",
    "ALTER TABLE gold.network_kpi ADD COLUMN mine integer",
)


def traffic(settings: Settings, *arguments: str, **more: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "lakehouse", *arguments], env={**settings.environment(), **more},
        capture_output=True, text=True, timeout=120, stdin=subprocess.DEVNULL, check=False,
    )  # fmt: skip


def counted(client: Client, name: str) -> int:
    found: int = client.rows(f"SELECT count(*) FROM {name}")[0][0]
    return found


def test_every_table_has_as_many_rows_as_its_delta_snapshot(client: Client, served: Lake) -> None:
    found = {name: counted(client, name) for name in served.specs.tables}
    assert found == {name: served.table(name).dataset().count_rows() for name in found}
    assert found["silver.segment_metric"] > 1_000_000


def test_columns_are_described_by_the_specs(client: Client, specs: Specs) -> None:
    for name, spec in (specs.tables | specs.views).items():
        comments = {row[0]: row[3] for row in client.rows(f"DESCRIBE {name}")}
        assert comments == {column.name: column.comment for column in spec.columns}, name


def test_an_analyst_reads_silver_and_gold_only(trino: str) -> None:
    with Client(Endpoint(trino, "analyst")) as analyst:
        schemas = {row[0] for row in analyst.rows("SHOW SCHEMAS")}
        assert schemas == {"silver", "gold", "information_schema"}
        assert counted(analyst, "gold.model_quality_by_day") > 0
        for name in ("bronze.traffic_event", "ops.ledger", "ops.dead_letter_by_reason"):
            with pytest.raises(SqlError, match="Access Denied"):
                counted(analyst, name)


def test_dashboards_see_dead_letters_counted_and_not_their_bytes(trino: str) -> None:
    with Client(Endpoint(trino, "superset")) as superset:
        assert counted(superset, "ops.dead_letter_by_reason") > 0
        with pytest.raises(SqlError, match="Access Denied"):
            counted(superset, "bronze.dead_letter")


def test_a_name_that_no_spec_knows_reads_nothing(trino: str) -> None:
    denied = pytest.raises(SqlError, match="Cannot access catalog lake")
    with Client(Endpoint(trino, "stranger")) as stranger, denied:
        counted(stranger, "gold.network_kpi")


@pytest.mark.parametrize("user", ["analyst", "engineer", OWNER])
def test_nobody_writes(trino: str, served: Lake, user: str) -> None:
    table = served.table("gold.network_kpi")
    version = table.refresh()
    with Client(Endpoint(trino, user)) as client:
        for statement in WRITES:
            with pytest.raises((SqlError, Unavailable)):
                client.rows(statement)
    assert table.refresh() == version


def test_the_next_query_sees_a_commit(client: Client, served: Lake) -> None:
    before = counted(client, "gold.network_kpi")
    row = {
        "source": "test", "window_start": datetime(2018, 3, 1, tzinfo=UTC), "segment_count": 1,
        "congested_ratio": 0.5, "is_final": True, "committed_at": datetime(2018, 3, 1, tzinfo=UTC),
    }  # fmt: skip
    table = served.table("gold.network_kpi")
    rows = pa.Table.from_pylist([row], schema=table.schema)
    commit = table.merge(rows, Note("test", served.specs.version))
    assert counted(client, "gold.network_kpi") == before + 1
    assert counted(client, f"gold.network_kpi FOR VERSION AS OF {commit.version - 1}") == before


def test_registering_again_changes_nothing(settings: Settings, trino: str, served: Lake) -> None:
    metastore = trino_home(settings).metastore
    marker = metastore / "registered"

    def files() -> dict[Path, int]:
        return {p: p.stat().st_mtime_ns for p in metastore.rglob("*") if p.is_file()}

    before = files()
    register(Endpoint(trino, OWNER), served, marker)
    assert files() == before


def test_model_quality_agrees_with_the_evaluation_in_python(client: Client, served: Lake) -> None:
    judged = outcomes(
        served.table("gold.congestion_scores").read(),
        served.table("silver.segment_metric").read(),
        served.specs,
    )
    wanted = quality_of(judged)
    found = {
        row[0]: row[1:]
        for row in client.rows(
            "SELECT horizon_minutes, sum(score_count), sum(brier * score_count) / sum(score_count),"
            " sum(brier_persistence * score_count) / sum(score_count)"
            " FROM gold.model_quality_by_day GROUP BY horizon_minutes"
        )
    }
    assert found.keys() == wanted.keys()
    for horizon, (count, brier, persistence) in found.items():
        assert count == wanted[horizon].row_count
        assert brier == pytest.approx(wanted[horizon].brier)
        assert persistence == pytest.approx(wanted[horizon].brier_persistence)


def test_freshness_agrees_with_the_report_in_python(client: Client, served: Lake) -> None:
    ((count, median),) = client.rows(
        "SELECT sum(reading_count), sum(total_s_p50 * reading_count) / sum(reading_count)"
        " FROM ops.freshness_by_hop"
    )
    wanted = freshness_seconds(served)
    assert count == wanted["readings"]
    assert median == pytest.approx(wanted["p50_seconds"], rel=0.1)


def test_a_wrong_statement_is_shown_with_a_pointer_and_exit_code_2(
    settings: Settings, trino: str
) -> None:
    done = traffic(settings, "sql", "SELECT source,\n  sped FROM gold.network_kpi")
    assert done.returncode == 2
    assert done.stderr.splitlines() == [
        "traffic: line 2:3: Column 'sped' cannot be resolved",
        "    sped FROM gold.network_kpi",
        "    ^",
    ]


def test_one_answer_in_every_format(settings: Settings, trino: str, tmp_path: Path) -> None:
    query = tmp_path / "q.sql"
    query.write_text("-- two; of them\nSELECT 1 AS a, 'x;y' AS b;\nSELECT null AS c;")
    lines = traffic(settings, "sql", "-f", str(query), "--csv").stdout.splitlines()
    assert lines == ["a,b", "1,x;y", "c", '""']
    one = "SELECT 1 AS a, ARRAY['x'] AS b, nan() AS c, DATE '2018-03-01' AS d"
    assert json.loads(traffic(settings, "sql", one, "--json").stdout) == [
        {"a": 1, "b": ["x"], "c": None, "d": "2018-03-01"}
    ]
    table = [line.split() for line in traffic(settings, "sql", one).stdout.splitlines()]
    assert ["1", '["x"]', "nan", "2018-03-01"] in table


def test_the_shell_goes_on_after_an_error_and_keeps_a_history(
    settings: Settings, trino: str
) -> None:
    ours, theirs = pty.openpty()
    shell = subprocess.Popen(
        [sys.executable, "-m", "lakehouse", "sql"], env=settings.environment(), stdin=theirs,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    os.close(theirs)
    os.write(ours, b"SELECT nothing;\nSELECT 40 +\n 2 AS sum;\nquit\n")
    printed, said = shell.communicate(timeout=120)
    os.close(ours)
    assert shell.returncode == 0
    assert "Column 'nothing' cannot be resolved" in said
    assert "42" in printed
    history = (settings.home / "sql_history").read_text().splitlines()
    assert history[-2:] == ["SELECT nothing;", "SELECT 40 +  2 AS sum;"]


def test_a_trino_that_is_down_is_named_with_how_to_start_it(tmp_path: Path) -> None:
    done = traffic(Settings(home=tmp_path), "sql", "SELECT 1")
    assert done.returncode == 1
    assert done.stderr.strip().endswith("start it with `traffic up --with trino`")
    assert len(done.stderr.splitlines()) == 1


def test_passwords_and_tls_are_one_setting_and_the_catalog_outlives_it(
    settings: Settings, served: Lake
) -> None:
    """The last test of the file: it restarts the server of the others."""
    down(settings)
    guarded = settings.model_copy(update={"trino_passwords": True})
    try:
        up(guarded, [TRINO])
        url = endpoints(guarded.home)["trino"]
        assert url.startswith("https://")
        with Client(Endpoint.of(guarded, url, "analyst")) as analyst:
            assert counted(analyst, "gold.current_congestion") > 0
        right = Endpoint.of(guarded, url, "analyst")
        for endpoint, error in (
            (Endpoint(url, "engineer", right.password, right.verify), WrongInput),
            (Endpoint(url, "analyst", right.password), Unavailable),
        ):
            with Client(endpoint) as client, pytest.raises(error):
                client.rows("SELECT 1")
        secrets = [*trino_home(guarded).folder.glob("passwords/*"), trino_home(guarded).keystore]
        assert {path.stat().st_mode & 0o077 for path in secrets} == {0}
        done = traffic(guarded, "sql", "SELECT count(*) FROM gold.network_kpi", "--csv")
        assert done.returncode == 0, done.stderr
    finally:
        down(guarded)
        up(settings, [TRINO])
