"""`traffic deploy`: secrets, Trino's door; `traffic cluster`: what is executed."""

import re
import stat
import sys
from pathlib import Path

import bcrypt
import pytest
from cryptography import x509
from cryptography.fernet import Fernet

from lakehouse.deploy import cluster
from lakehouse.deploy.secrets import EXAMPLE, SECRETS, drawn, wanted, write_secrets
from lakehouse.deploy.trino import password_variable, trino_files, users, write_door
from lakehouse.runtime.trino_users import rules
from lakehouse.settings import Settings
from lakehouse.trino.home import trino_home
from specs.errors import Unavailable, WrongInput
from specs.loader import Specs


def test_secrets_are_random_and_for_their_owner_alone(tmp_path: Path) -> None:
    (tmp_path / EXAMPLE).write_text("# a comment\nDB_PASSWORD=\n\nX_FERNET_KEY=\n")
    path = write_secrets(tmp_path)
    assert path == tmp_path / SECRETS
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    found = dict(line.split("=", 1) for line in path.read_text().splitlines())
    assert found.keys() == {"DB_PASSWORD", "X_FERNET_KEY"}
    assert re.fullmatch(r"[\w-]{43}", found["DB_PASSWORD"])
    Fernet(found["X_FERNET_KEY"])
    assert drawn(["A"]) != drawn(["A"])


def test_secrets_that_exist_are_kept(tmp_path: Path) -> None:
    (tmp_path / EXAMPLE).write_text("A=\n")
    (tmp_path / SECRETS).write_text("A=mine\n")
    with pytest.raises(WrongInput, match="exists and is kept"):
        write_secrets(tmp_path)
    assert (tmp_path / SECRETS).read_text() == "A=mine\n"


def test_what_a_new_release_asks_for_beside_is_drawn_and_the_rest_is_kept(tmp_path: Path) -> None:
    (tmp_path / EXAMPLE).write_text("A=\nNEW=\n")
    (tmp_path / SECRETS).write_text("# mine\nA=mine\nOLD=gone")
    write_secrets(tmp_path)
    *kept, drawn_line = (tmp_path / SECRETS).read_text().splitlines()
    assert kept == ["# mine", "A=mine", "OLD=gone"]
    assert re.fullmatch(r"NEW=[\w-]{43}", drawn_line)


def test_the_folder_without_an_example_is_named(tmp_path: Path) -> None:
    with pytest.raises(WrongInput, match=f"no {EXAMPLE} in {tmp_path}"):
        write_secrets(tmp_path)


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / EXAMPLE).write_text("A=\n")
    (tmp_path / SECRETS).symlink_to("/proc/1/none/here")
    with pytest.raises((Unavailable, WrongInput), match=str(tmp_path)):
        write_secrets(tmp_path)


@pytest.mark.parametrize("line", ["A=value", "a=", "A", "export A=", "A =", "$(id)="])
def test_an_example_with_anything_but_empty_names_is_refused(line: str) -> None:
    with pytest.raises(WrongInput, match=f"{EXAMPLE}:2"):
        wanted(f"OK=\n{line}\n")


def test_trinos_door_knows_every_user_by_the_given_password(tmp_path: Path, specs: Specs) -> None:
    home = trino_home(Settings(home=tmp_path))
    given = {password_variable(user): f"secret of {user}" for user in users(specs)}
    write_door(home, tmp_path / "trust", specs, given)
    (trusted,) = (tmp_path / "trust").iterdir()
    assert trusted.read_bytes() == home.certificate.read_bytes()
    assert b"PRIVATE" not in trusted.read_bytes()
    lines = home.hashes.read_text().splitlines()
    assert [line.partition(":")[0] for line in lines] == list(users(specs))
    for user, _, hashed in (line.partition(":") for line in lines):
        assert bcrypt.checkpw(f"secret of {user}".encode(), hashed.replace("$2y$", "$2b$").encode())
    held = x509.load_pem_x509_certificate(home.certificate.read_bytes())
    served = held.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert served.get_values_for_type(x509.DNSName) == ["localhost", "trino"]
    for private in (home.hashes, home.keystore):
        assert stat.S_IMODE(private.stat().st_mode) == 0o600
    assert not list(tmp_path.rglob("passwords/*")), "the passwords themselves are not kept"


def test_a_user_without_a_password_is_named(tmp_path: Path, specs: Specs) -> None:
    given = {password_variable(user): "secret" for user in users(specs)}
    with pytest.raises(WrongInput, match=r"TRINO_PASSWORD_ANALYST$"):
        write_door(
            trino_home(Settings(home=tmp_path)), tmp_path / "trust", specs,
            given | {"TRINO_PASSWORD_ANALYST": ""},
        )  # fmt: skip


def test_trino_lets_nobody_in_without_a_password(specs: Specs) -> None:
    files = trino_files(specs)
    config = dict(line.split("=", 1) for line in files["trino/config.properties"].splitlines())
    assert config["http-server.authentication.type"] == "PASSWORD"
    assert config["http-server.authentication.allow-insecure-over-http"] == "false"
    assert config["internal-communication.shared-secret"] == "${ENV:TRINO_SHARED_SECRET}"
    assert config["access-control.config-files"] == "/etc/trino/access-control.properties"
    assert '"privileges": []' in files["trino/rules.json"]
    assert len(rules(specs)["tables"]) == files["trino/rules.json"].count('"privileges"') - len(
        rules(specs)["procedures"]
    )


def test_a_clusters_nodes_have_names_and_the_drivers_java(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    program = cluster.master(settings, "spark-master")
    assert program.command[1:] == (
        cluster.MASTER, "--host", "spark-master", "--port", "7077", "--webui-port", "8080",
    )  # fmt: skip
    assert Path(program.command[0]).is_file()
    java = Path(program.environment["JAVA_HOME"]) / "bin" / "java"
    assert java.is_relative_to(tmp_path)
    assert str(Path(sys.prefix)) in java.read_text()
