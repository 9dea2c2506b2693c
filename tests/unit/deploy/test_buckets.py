"""The store's users: who may read and write what, and how the store is told."""

import json

import pytest

from lakehouse.bucket_grants import Grant, grants, users
from lakehouse.deploy.buckets import BUCKETS, keep_buckets, policy, secret_variable
from specs.errors import WrongInput
from specs.loader import Specs

BOOKS = "lake/tables/ops"
SCORES, KPI = "lake/tables/gold/congestion_scores", "lake/tables/gold/network_kpi"
OUTCOME, SHADOW = "lake/tables/gold/score_outcome", "lake/tables/gold/shadow_score"
METRIC, ROADS = "lake/tables/silver/segment_metric", "lake/tables/silver/road_segment"
BRONZE = "lake/tables/bronze/traffic_event"
WRITTEN = {
    "lander": {BRONZE, "lake/tables/bronze/dead_letter", BOOKS},
    "mlflow": {"mlflow/"},
    "operator": {"lake/"},
    "setup": {"lake/tables"},
    "stream": {"lake/checkpoints", METRIC, SCORES, KPI, OUTCOME, SHADOW, BOOKS},
}  # fmt: skip
READ_ONLY = {
    "api": {ROADS, METRIC, SCORES, KPI},
    "exporter": {"lake/checkpoints", "lake/tables"},
    "lander": {ROADS},
    "stream": {BRONZE, ROADS},
    "trino": {"lake/tables"},
}


def test_each_service_may_do_what_its_flows_need(specs: Specs) -> None:
    found: dict[str, dict[str, set[str]]] = {"read": {}, "write": {}}
    for one in grants(specs):
        found[one.operation].setdefault(one.user, set()).add(one.place)
    assert found["write"] == WRITTEN
    for user in users(specs):
        assert found["read"][user] == WRITTEN.get(user, set()) | READ_ONLY.get(user, set()), user


def test_what_a_correction_keeps_begins_with_the_name_of_its_table(specs: Specs) -> None:
    for name in specs.tables:
        if name.endswith("_history"):
            assert name.removesuffix("_history") in specs.tables


def test_a_policy_allows_what_is_granted_and_nothing_beside() -> None:
    granted = {Grant("a", "lake", "tables/gold", "read"), Grant("b", "other", "", "write")}
    found = json.loads(policy("lake", granted))["Statement"]
    assert {one["Effect"] for one in found} == {"Allow"}
    listing, reading = found
    assert listing["Principal"] == reading["Principal"] == {"AWS": ["a"]}
    assert listing["Resource"] == ["arn:aws:s3:::lake"]
    assert reading["Action"] == ["s3:GetObject"]
    assert reading["Resource"] == ["arn:aws:s3:::lake/tables/gold*"]


def test_the_store_has_room_for_each_policy(specs: Specs) -> None:
    for bucket in BUCKETS:
        assert len(policy(bucket, grants(specs))) < 3500


def test_a_user_without_a_secret_is_named_before_the_store_is_asked(specs: Specs) -> None:
    given = {secret_variable(user): "secret" for user in users(specs)}
    with pytest.raises(WrongInput, match=r"no secret: set S3_SECRET_ROOT$"):
        keep_buckets("http://127.0.0.1:1", specs, given)
