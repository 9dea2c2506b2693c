"""Trino: one node that is coordinator and worker, reading the Delta tables of the lake."""

import http.client
import json
import os
import secrets
import ssl
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from lakehouse.bucket import access
from lakehouse.runtime.artifacts import artifact_files, pinned
from lakehouse.runtime.java import java_home
from lakehouse.runtime.server import LOOPBACK, Launch, Server, free_port
from lakehouse.runtime.trino_users import keep_certificate, keep_passwords, rules
from lakehouse.runtime.unpack import unpack
from lakehouse.settings import Settings
from lakehouse.tables import Lake
from lakehouse.trino.catalog import register
from lakehouse.trino.client import Endpoint
from lakehouse.trino.home import CATALOG, OWNER, TrinoHome, trino_home
from specs.loader import Specs, load_specs

OLDEST_JAVA = 24
PLUGINS = ("delta-lake", "geospatial", "password-authenticators")
QUIET = ("io.trino", "io.airlift", "Bootstrap", "org.eclipse.jetty")
"""Loggers whose news are of no use to an operator."""

LIMITS = {
    "query.max-memory": "400MB",
    "query.max-memory-per-node": "400MB",
    "query.max-length": "200000",
    "query.client.timeout": "2m",
    "query.max-execution-time": "10m",
    "task.concurrency": "2",
    "spill-enabled": "true",  # a join of millions of rows is slow then, and does not fail
    "max-spill-per-node": "20GB",
    "query-max-spill-per-node": "20GB",
}
"""What a query may take, of a server sized for two cores."""

ONE_NODE = {
    "coordinator": "true",
    "node-scheduler.include-coordinator": "true",
    "http-server.log.enabled": "false",
    "catalog.management": "static",
}
DELTA_ON_DISK = {
    "connector.name": "delta_lake",
    "fs.native-local.enabled": "true",
    "local.location": "/",
    "delta.register-table-procedure.enabled": "true",
}
S3_KEYS = {
    "s3.aws-access-key": "${ENV:AWS_ACCESS_KEY_ID}",
    "s3.aws-secret-key": "${ENV:AWS_SECRET_ACCESS_KEY}",
}
PASSWORDS = {
    "http-server.authentication.type": "PASSWORD",
    "http-server.authentication.allow-insecure-over-http": "false",
    "http-server.https.enabled": "true",
}

PROBE_SECONDS = 5.0
START_SECONDS = 300.0
"""18 s on an idle machine, and minutes where two cores are busy with other work."""

JVM = (
    "-XX:+ExitOnOutOfMemoryError",
    "-XX:-OmitStackTraceInFastThrow",
    "-XX:+UnlockDiagnosticVMOptions",
    "-XX:+UseParallelGC",  # its work ends with its pause; G1's goes on beside the queries
    # A method is compiled to the full when it is truly hot: of fifteen thousand that are a little
    # so, the compiler takes more than the queries, for minutes, where there are two cores.
    "-XX:Tier4InvocationThreshold=30000",
    "-XX:Tier4MinInvocationThreshold=6000",
    "-XX:Tier4CompileThreshold=60000",
    "-XX:PerMethodRecompilationCutoff=10000",  # without them a hot loop may end up interpreted
    "-XX:PerBytecodeRecompilationCutoff=10000",
    "-XX:+EnableDynamicAgentLoading",
    "--enable-native-access=ALL-UNNAMED",
    "--sun-misc-unsafe-memory-access=allow",
    "-Djdk.attach.allowAttachSelf=true",
    "-Dfile.encoding=UTF-8",
)


def answers(port: int) -> bool:
    """Return whether the server has started, over HTTP or TLS; nothing secret is sent."""
    unverified = ssl.create_default_context()
    unverified.check_hostname, unverified.verify_mode = False, ssl.CERT_NONE
    for connection in (
        http.client.HTTPConnection(LOOPBACK, port, timeout=PROBE_SECONDS),
        http.client.HTTPSConnection(LOOPBACK, port, timeout=PROBE_SECONDS, context=unverified),
    ):
        try:
            connection.request("GET", "/v1/info")
            response = connection.getresponse()
            if response.status == http.client.OK:
                return json.load(response).get("starting") is False
        except (OSError, http.client.HTTPException, ValueError):
            continue
        finally:
            connection.close()
    return False


def configuration(home: TrinoHome, port: int, *, passwords: bool, plugins: Path) -> dict[str, str]:
    """Return the server's ``config.properties``: loopback only, one node, sized for two cores.

    With passwords the clients' port speaks TLS, and plain HTTP on another port is for the node's
    own talk to itself, which it signs.
    """
    inner = free_port() if passwords else port
    common = {
        **ONE_NODE,
        **LIMITS,
        "node.environment": "traffic",
        "node.id": "traffic-1",
        "node.bind-ip": LOOPBACK,
        "node.internal-address": LOOPBACK,
        "plugin.dir": str(plugins),
        "catalog.config-dir": str(home.configuration / "catalog"),
        "access-control.config-files": str(home.configuration / "access-control.properties"),
        "http-server.http.port": str(inner),
        "discovery.uri": f"http://{LOOPBACK}:{inner}",
        "spiller-spill-path": str(home.spill),
    }
    if not passwords:
        return common
    return common | PASSWORDS | {
        "http-server.https.port": str(port),
        "http-server.https.keystore.path": str(home.keystore),
        "internal-communication.shared-secret": secrets.token_urlsafe(48),
        "password-authenticator.config-files": str(home.configuration / "password.properties"),
    }  # fmt: skip


def bucket_access() -> dict[str, str]:
    """Return how the catalog reaches buckets; the keys stay in the server's environment."""
    reached = access()
    said = {"fs.native-s3.enabled": "true", "s3.region": reached.region}
    if reached.endpoint is not None:
        said |= {"s3.endpoint": reached.endpoint, "s3.path-style-access": "true"}
    return said | S3_KEYS if reached.key is not None else said


def catalog(home: TrinoHome, settings: Settings) -> dict[str, str]:
    """Return the catalog: the lake's folders or bucket, described in files of Trino's own."""
    return {
        **DELTA_ON_DISK,
        **(bucket_access() if settings.lake_url else {}),
        "hive.metastore": "file",
        "hive.metastore.catalog.dir": f"local://{home.metastore}",  # it lists by this very prefix
    }


def password_file(hashes: str) -> dict[str, str]:
    """Return the properties that have passwords checked by a file of hashes."""
    return {"password-authenticator.name": "file", "file.password-file": hashes}


def access_control(rules_file: str) -> dict[str, str]:
    """Return the properties that have access decided by a file of rules."""
    return {"access-control.name": "file", "security.config-file": rules_file}


def lines(properties: Mapping[str, str]) -> str:
    """Return the text of a file of properties."""
    return "".join(f"{key}={value}\n" for key, value in properties.items())


def _write_all(home: TrinoHome, settings: Settings, specs: Specs, port: int, program: Path) -> None:
    etc = home.configuration
    (etc / "catalog").mkdir(parents=True, exist_ok=True)
    home.metastore.mkdir(exist_ok=True)
    users = tuple(specs.access)
    if settings.trino_passwords:
        keep_certificate(home)
        keep_passwords(home, (OWNER, *users))
        _write(etc / "password.properties", password_file(str(home.hashes)))
    (etc / "rules.json").write_text(json.dumps(rules(specs), indent=2))
    _write(etc / "access-control.properties", access_control(str(etc / "rules.json")))
    _write(etc / "catalog" / f"{CATALOG}.properties", catalog(home, settings))
    _write(etc / "log.properties", dict.fromkeys(QUIET, "WARN"))
    wanted = configuration(
        home, port, passwords=settings.trino_passwords, plugins=program / "plugin"
    )
    _write(etc / "config.properties", wanted)


def _write(path: Path, properties: Mapping[str, str]) -> None:
    path.touch(mode=0o600)
    path.write_text(lines(properties))


def program_folder(settings: Settings) -> Path:
    """Where the server's files are unpacked; the archive goes once they are."""
    (artifact,) = pinned()["trino"]
    return settings.cache / "trino" / artifact.artifact.split(":")[2]


def _program(settings: Settings) -> Path:
    """Have the server's files in the cache, the used part of them."""
    folder = program_folder(settings)
    if not folder.exists():
        (archive,) = artifact_files(settings, "trino")
        folder.parent.mkdir(parents=True, exist_ok=True)
        unpack(archive, folder, _is_used)
        archive.unlink()  # 821 MB that are not needed again
    return folder


def _is_used(path: PurePosixPath) -> bool:
    return path.parts[0] in {"lib", "secrets-plugin"} or path.parts[:2] in {
        ("plugin", name) for name in PLUGINS
    }


def _prepare(settings: Settings, port: int) -> Launch:
    java = java_home(settings, OLDEST_JAVA) / "bin" / "java"
    program = _program(settings)
    home = trino_home(settings)
    home.folder.mkdir(parents=True, exist_ok=True)
    _write_all(home, settings, load_specs(), port, program)
    options = (
        f"-Xmx{settings.trino_heap}",
        f"-Dconfig={home.configuration / 'config.properties'}",
        f"-Dlog.levels-file={home.configuration / 'log.properties'}",
    )
    scheme = "https" if settings.trino_passwords else "http"
    return Launch(
        (
            str(java),
            *JVM,
            *options,
            "-cp",
            str(program / "lib" / "*"),
            "io.trino.server.TrinoServer",
        ),
        {**os.environ, "LC_ALL": "C.UTF-8"},
        endpoint=f"{scheme}://{LOOPBACK}:{port}",
    )


def _settle(settings: Settings, url: str) -> None:
    """Bring schemas, tables and views up to the specs."""
    marker = trino_home(settings).metastore / "registered"
    register(Endpoint.of(settings, url, OWNER), Lake(settings.lake, load_specs()), marker)


TRINO = Server(
    name="trino",
    endpoint=f"http://{LOOPBACK}:{{port}}",
    port=lambda settings: settings.trino_port,
    prepare=_prepare,
    answers=answers,
    start_seconds=START_SECONDS,
    settle=_settle,
)
