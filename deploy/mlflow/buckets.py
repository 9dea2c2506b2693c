"""Has the buckets of these names, in the store MLFLOW_S3_ENDPOINT_URL; those that exist stay."""

import os
import sys

import boto3
from botocore.exceptions import BotoCoreError, ClientError


def main(names: list[str]) -> int:
    """Create the buckets; exit 1 and name the store where that cannot be."""
    endpoint = os.environ["MLFLOW_S3_ENDPOINT_URL"]
    try:
        store = boto3.client("s3", endpoint_url=endpoint)
        present = {bucket["Name"] for bucket in store.list_buckets()["Buckets"]}
        for name in sorted(set(names) - present):
            store.create_bucket(Bucket=name)
    except (BotoCoreError, ClientError) as error:
        print(f"buckets {', '.join(names)} at {endpoint}: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
