"""Has the bucket of MLflow's artifacts, MLFLOW_ARTIFACTS_DESTINATION; one that exists stays."""

import os
import sys
from urllib.parse import urlsplit

import boto3
from botocore.exceptions import BotoCoreError, ClientError


def main() -> int:
    """Create the bucket; exit 1 and name the store where that cannot be."""
    endpoint = os.environ["MLFLOW_S3_ENDPOINT_URL"]
    name = urlsplit(os.environ["MLFLOW_ARTIFACTS_DESTINATION"]).netloc
    try:
        store = boto3.client("s3", endpoint_url=endpoint)
        if name not in {bucket["Name"] for bucket in store.list_buckets()["Buckets"]}:
            store.create_bucket(Bucket=name)
    except (BotoCoreError, ClientError) as error:
        print(f"bucket {name} at {endpoint}: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
