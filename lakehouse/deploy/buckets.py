"""The store in containers: its buckets, its users by their secrets, and what each may do there."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from xml.sax.saxutils import escape

from lakehouse.bucket import DEFAULT_REGION
from lakehouse.bucket_grants import ARTIFACTS, LAKE, Grant, grants, users
from lakehouse.deploy.secrets import given
from specs.errors import Unavailable
from specs.loader import Specs

if TYPE_CHECKING:  # of the extra mlflow-server
    from botocore.client import BaseClient

OWNER = "root"
"""Who made the buckets, and may do everything."""

BUCKETS = (LAKE, ARTIFACTS)
SECONDS = 10.0
ARN = "arn:aws:s3:::"
ACTIONS = {
    "read": ["s3:GetObject"],
    "write": ["s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload"],
}
REFUSED, EXISTS = 400, 409


def secret_variable(user: str) -> str:
    """Environment variable of a user's secret key; the access key is the user's name."""
    return f"S3_SECRET_{user.upper()}"


def policy(bucket: str, granted: set[Grant]) -> str:
    """A bucket's policy as versitygw takes it: what is not allowed is refused.

    Whoever has something in the bucket may list all of it: names alone, which S3 asks for before
    it says that an object is not there. The text is short, since the store keeps it in an
    attribute of the bucket's folder, for which ext4 has 4,096 bytes.
    """
    places: dict[tuple[str, str], list[str]] = {}
    for one in sorted(grant for grant in granted if grant.bucket == bucket):
        places.setdefault((one.user, one.operation), []).append(f"{ARN}{one.place}*")
    listing = _allow({user for user, _ in places}, ["s3:ListBucket"], [ARN + bucket])
    statements = [
        _allow({user}, ACTIONS[operation], found) for (user, operation), found in places.items()
    ]
    return json.dumps(
        {"Version": "2012-10-17", "Statement": [listing, *statements]}, separators=(",", ":")
    )


def _allow(who: set[str], actions: list[str], resources: list[str]) -> dict[str, Any]:
    return {
        "Effect": "Allow", "Principal": {"AWS": sorted(who)}, "Action": actions,
        "Resource": resources,
    }  # fmt: skip


@dataclass(frozen=True)
class BucketDoor:
    """The store as its owner sees it."""

    endpoint: str
    secret: str = field(repr=False)

    def keep(self, secrets: Mapping[str, str], granted: set[Grant]) -> None:
        """Have the buckets, the users by their secrets, and what each may do there.

        Whoever has left the specs keeps an account, which may do nothing.

        Raises:
            Unavailable: the store does not answer, or refuses.
        """
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            client = self._client()
            present = {bucket["Name"] for bucket in client.list_buckets()["Buckets"]}
            for bucket in sorted(set(BUCKETS) - present):
                client.create_bucket(Bucket=bucket)
            for user, secret in secrets.items():
                self._keep_user(user, secret)
            for bucket in BUCKETS:
                client.put_bucket_policy(Bucket=bucket, Policy=policy(bucket, granted))
        except (BotoCoreError, ClientError) as error:
            raise Unavailable(f"S3 at {self.endpoint}: {error}") from error

    def _client(self) -> "BaseClient":
        import boto3

        return boto3.client(
            "s3", endpoint_url=self.endpoint, region_name=DEFAULT_REGION, aws_access_key_id=OWNER,
            aws_secret_access_key=self.secret,
        )  # fmt: skip

    def _keep_user(self, user: str, secret: str) -> None:
        key = f"<Secret>{escape(secret)}</Secret>"
        account = f"<Account><Access>{user}</Access>{key}<Role>user</Role></Account>"
        code = self._administer("create-user", account)
        if code == EXISTS:
            code = self._administer(
                f"update-user?access={user}", f"<MutableProps>{key}</MutableProps>"
            )
        if code >= REFUSED:
            raise Unavailable(f"S3 at {self.endpoint} does not take user {user}: HTTP {code}")

    def _administer(self, question: str, body: str) -> int:
        """Ask versitygw's own interface, which wants a request signed as one of S3."""
        import requests
        from botocore.auth import S3SigV4Auth
        from botocore.awsrequest import AWSRequest
        from botocore.credentials import Credentials

        asked = AWSRequest("PATCH", f"{self.endpoint}/{question}", data=body.encode())
        S3SigV4Auth(Credentials(OWNER, self.secret), "s3", DEFAULT_REGION).add_auth(asked)
        try:
            answer = requests.request(
                asked.method, asked.url, data=asked.data, headers=dict(asked.headers),
                timeout=SECONDS,
            )  # fmt: skip
        except requests.RequestException as error:
            raise Unavailable(f"S3 at {self.endpoint}: {error}") from error
        return answer.status_code


def keep_buckets(endpoint: str, specs: Specs, environment: Mapping[str, str]) -> None:
    """Have the store know every service by the secret given, and allow each what the specs grant.

    Raises:
        WrongInput: a secret is absent; the message names the variables.
        Unavailable: the store does not answer, or refuses.
    """
    secrets = given((OWNER, *users(specs)), secret_variable, environment)
    BucketDoor(endpoint, secrets.pop(OWNER)).keep(secrets, grants(specs))
