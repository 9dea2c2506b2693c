"""Where the settings put the tables, how a bucket is reached, what is said of one that is away."""

from pathlib import Path

import pytest

from lakehouse.bucket import S3Path, outage
from lakehouse.location import delta_options, place
from lakehouse.runtime.trino import bucket_access, catalog
from lakehouse.settings import Settings
from lakehouse.trino.home import trino_home
from specs.errors import WrongInput

VARIABLES = ("ENDPOINT_URL", "REGION", "DEFAULT_REGION", "ACCESS_KEY_ID", "SECRET_ACCESS_KEY",
             "SESSION_TOKEN")  # fmt: skip


@pytest.fixture(autouse=True)
def _nothing_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(f"AWS_{name}", raising=False)


def test_tables_and_checkpoints_are_below_home_unless_a_bucket_is_named(tmp_path: Path) -> None:
    here = Settings(home=tmp_path)
    assert (here.lake, here.checkpoints) == (tmp_path / "lake", tmp_path / "checkpoints")
    assert not here.uses_s3
    there = Settings(home=tmp_path, lake_url="s3://a-bucket/lake/", s3_patience_seconds=3)
    assert there.lake == S3Path("s3://a-bucket/lake", 3)
    assert there.checkpoints == tmp_path / "checkpoints"
    assert there.uses_s3


@pytest.mark.parametrize("url", ["s3://", "s3://bucket", "s3://B/x", "file:///x", "s3://bucket//x"])
def test_an_address_that_is_no_prefix_of_a_bucket_is_refused(url: str) -> None:
    with pytest.raises(WrongInput, match="TRAFFIC_LAKE_URL: String should match") as refused:
        Settings(lake_url=url)
    assert "\n" not in str(refused.value)


def test_a_wrong_setting_is_named_and_what_it_holds_is_not() -> None:
    with pytest.raises(WrongInput) as refused:
        Settings.model_validate({"kafka_port": -1, "stream_max_bytes": "a secret"})
    said = str(refused.value)
    names = [part.split(":")[0] for part in said.split("; ")]
    assert names == ["TRAFFIC_KAFKA_PORT", "TRAFFIC_STREAM_MAX_BYTES"]
    assert "secret" not in said


def test_a_place_is_a_path_or_below_a_bucket(tmp_path: Path) -> None:
    assert place(str(tmp_path)) == tmp_path
    table = place("s3://bucket/lake").joinpath("bronze", "traffic_event") / "_delta_log"
    assert str(table) == "s3://bucket/lake/bronze/traffic_event/_delta_log"
    assert table.name == "_delta_log"
    assert table.resolve().as_uri() == str(table)
    assert delta_options(tmp_path) is None


def test_the_environment_says_how_a_bucket_is_reached(monkeypatch: pytest.MonkeyPatch) -> None:
    amazon = delta_options(place("s3://bucket/lake"))
    assert amazon is not None
    assert amazon["aws_conditional_put"] == "etag"
    assert not {"AWS_ENDPOINT_URL", "AWS_ACCESS_KEY_ID", "AWS_ALLOW_HTTP"} & set(amazon)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:7070")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "somebody")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "told to nobody")
    own = delta_options(place("s3://bucket/lake", 7))
    assert own is not None
    assert own["AWS_ALLOW_HTTP"] == "true"
    assert own["AWS_ACCESS_KEY_ID"] == "somebody"
    assert own["retry_timeout"] == "7s"


@pytest.mark.parametrize(
    ("said", "missing"),
    [
        (["ENDPOINT_URL"], "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"),
        (["ENDPOINT_URL", "SECRET_ACCESS_KEY"], "AWS_ACCESS_KEY_ID"),
        (["ACCESS_KEY_ID"], "AWS_SECRET_ACCESS_KEY"),
    ],
)
def test_a_missing_key_is_named(
    said: list[str], missing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in said:
        monkeypatch.setenv(f"AWS_{name}", "http://127.0.0.1:7070")
    where = "http://127.0.0.1:7070" if "ENDPOINT_URL" in said else "us-east-1"
    with pytest.raises(WrongInput) as refused:
        delta_options(place("s3://bucket/lake"))
    assert str(refused.value) == f"no keys for S3 at {where}: set {missing}"


def test_trinos_catalog_names_the_keys_and_does_not_hold_them(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:7070")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "somebody")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "told to nobody")
    there = Settings(home=tmp_path, lake_url="s3://bucket/lake")
    said = catalog(trino_home(there), there)
    assert said.items() >= bucket_access().items()
    assert said["s3.aws-secret-key"] == "${ENV:AWS_SECRET_ACCESS_KEY}"
    assert "told to nobody" not in str(said)
    here = Settings(home=tmp_path)
    assert not any(name.startswith("s3.") for name in catalog(trino_home(here), here))


def test_what_a_store_did_not_do_is_one_line() -> None:
    text = "Kernel error -> Generic S3 error\n   \x1b[31m↳\x1b[0m Connection refused\n"
    assert outage(OSError(text)) == (
        "S3 at us-east-1: Kernel error -> Generic S3 error Connection refused"
    )
    java = "o1.load\n: org.apache.hadoop.fs.s3a.AWSClientIOException: refused\n\tat a.b(C.java:1)\n"
    assert outage(OSError(java)) == (
        "S3 at us-east-1: o1.load : org.apache.hadoop.fs.s3a.AWSClientIOException: refused"
    )
    assert outage(OSError("a bug\n\tat org.apache.hadoop.fs.s3a.S3A(S3A.java:1)")) is None
    assert outage(OSError("No space left on device")) is None
