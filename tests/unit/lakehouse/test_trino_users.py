"""Access rules, passwords and certificate as Trino takes them."""

from pathlib import Path

import bcrypt
from cryptography import x509

from lakehouse.runtime.trino_users import keep_certificate, keep_passwords, rules
from lakehouse.settings import Settings
from lakehouse.trino.home import OWNER, trino_home
from specs.loader import Specs


def test_no_rule_grants_a_write(specs: Specs) -> None:
    granted = {right for rule in rules(specs)["tables"] for right in rule["privileges"]}
    assert granted == {"SELECT", "GRANT_SELECT", "OWNERSHIP"}
    owners = {
        rule.get("user") for rule in rules(specs)["tables"] if "OWNERSHIP" in rule["privileges"]
    }
    assert owners == {OWNER}


def test_the_last_rule_of_each_kind_refuses_everybody(specs: Specs) -> None:
    found = rules(specs)
    assert found["catalogs"][-1] == {"allow": "none"}
    assert found["tables"][-1] == {"privileges": []}
    assert found["schemas"][-1] == {"owner": False}


def test_passwords_are_kept_and_hashed_as_trino_reads_them(tmp_path: Path) -> None:
    home = trino_home(Settings(home=tmp_path))
    home.folder.mkdir(parents=True)
    keep_passwords(home, ("analyst", "engineer"))
    first = home.password("analyst").read_bytes()
    keep_passwords(home, ("analyst", "engineer"))
    assert home.password("analyst").read_bytes() == first != home.password("engineer").read_bytes()
    user, hashed = home.hashes.read_text().splitlines()[0].split(":")
    assert user == "analyst"
    assert hashed.startswith("$2y$")
    assert bcrypt.checkpw(first, hashed.replace("$2y$", "$2b$").encode())
    assert home.hashes.stat().st_mode & 0o077 == 0


def test_the_certificate_is_for_loopback_and_is_kept(tmp_path: Path) -> None:
    home = trino_home(Settings(home=tmp_path))
    home.folder.mkdir(parents=True)
    keep_certificate(home)
    first = home.certificate.read_bytes()
    names = x509.load_pem_x509_certificate(first).extensions.get_extension_for_class(
        x509.SubjectAlternativeName
    )
    assert [str(ip) for ip in names.value.get_values_for_type(x509.IPAddress)] == ["127.0.0.1"]
    keep_certificate(home)
    assert home.certificate.read_bytes() == first
    assert home.keystore.stat().st_mode & 0o077 == 0
