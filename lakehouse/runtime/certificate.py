"""Self-signed certificates: a server's key, and what its clients trust."""

import os
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from lakehouse.runtime.server import LOOPBACK

CERTIFICATE_LIFE = timedelta(days=825)
RENEWAL = timedelta(days=30)


def keep_certificate(keystore: Path, certificate: Path, owner: str, names: Sequence[str]) -> None:
    """Have a self-signed certificate for these names and loopback, made anew before it ends.

    Args:
        keystore: where private key and certificate are to be, PEM, for this account alone.
        certificate: where the certificate is to be, PEM, for everybody.
        owner: common name of the certificate.
        names: host names that it serves beside loopback.
    """
    if certificate.exists() and keystore.exists():
        held = x509.load_pem_x509_certificate(certificate.read_bytes())
        if held.not_valid_after_utc - datetime.now(UTC) > RENEWAL:
            return
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, owner)])
    begin = datetime.now(UTC) - timedelta(minutes=5)
    served = [*map(x509.DNSName, names), x509.IPAddress(ip_address(LOOPBACK))]
    signed = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(begin)
        .not_valid_after(begin + CERTIFICATE_LIFE)
        .add_extension(x509.SubjectAlternativeName(served), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    public = signed.public_bytes(serialization.Encoding.PEM)
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    write_secret(keystore, private + public)
    certificate.write_bytes(public)


def give_certificate(certificate: Path, trusted: Path) -> None:
    """Have the certificate alone in ``trusted``, the folder that clients are given."""
    trusted.mkdir(parents=True, exist_ok=True)
    (trusted / certificate.name).write_bytes(certificate.read_bytes())


def write_secret(path: Path, content: bytes) -> None:
    """Write a file that only this account can read, in place at once."""
    draft = path.with_name(f"{path.name}.draft")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)
    draft.replace(path)
