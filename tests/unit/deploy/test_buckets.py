"""The store's users: who may read and write what, and how the store is told."""

import json

import pytest

from lakehouse.bucket_grants import Grant, grants, users
from lakehouse.deploy.buckets import BUCKETS, keep_buckets, policy, secret_variable
from specs.errors import WrongInput
from specs.loader import Specs

WRITTEN = {
    "lander": {"lake/tables/bronze", "lake/tables/ops"},
    "mlflow": {"mlflow"},
    "operator": {"lake"},
    "setup": {"lake/tables"},
    "stream": {
        "lake/checkpoints", "lake/tables/gold", "lake/tables/ops", "lake/tables/silver",
    },
}  # fmt: skip
READ_ONLY = {
    "api": {"lake/tables/gold", "lake/tables/silver"},
    "exporter": {"lake/checkpoints", "lake/tables"},
    "lander": {"lake/tables/silver"},
    "stream": {"lake/tables/bronze"},
    "trino": {"lake/tables"},
}


def test_each_service_may_do_what_its_flows_need(specs: Specs) -> None:
    found: dict[str, dict[str, set[str]]] = {"read": {}, "write": {}}
    for one in grants(specs):
        found[one.operation].setdefault(one.user, set()).add(one.place)
    assert found["write"] == WRITTEN
    for user in users(specs):
        assert found["read"][user] == WRITTEN.get(user, set()) | READ_ONLY.get(user, set()), user


def test_a_policy_allows_a_prefix_and_what_lies_below_it_and_nothing_beside() -> None:
    granted = {Grant("a", "lake", "tables/gold", "read"), Grant("b", "other", "", "write")}
    found = json.loads(policy("lake", granted))["Statement"]
    assert {one["Effect"] for one in found} == {"Allow"}
    listing, reading = found
    assert listing["Principal"] == reading["Principal"] == {"AWS": ["a"]}
    assert listing["Resource"] == ["arn:aws:s3:::lake"]
    assert reading["Action"] == ["s3:GetObject"]
    below = "arn:aws:s3:::lake/tables/gold"
    assert reading["Resource"] == [below, f"{below}/*"]


def test_the_store_has_room_for_each_policy(specs: Specs) -> None:
    for bucket in BUCKETS:
        assert len(policy(bucket, grants(specs))) < 3500


def test_a_user_without_a_secret_is_named_before_the_store_is_asked(specs: Specs) -> None:
    given = {secret_variable(user): "secret" for user in users(specs)}
    with pytest.raises(WrongInput, match=r"no secret: set S3_SECRET_ROOT$"):
        keep_buckets("http://127.0.0.1:1", specs, given)
