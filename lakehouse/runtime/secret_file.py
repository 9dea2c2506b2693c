"""Secrets that a server is given: each in a file that only this account can read."""

import os
from pathlib import Path


def keep_secret(path: Path, text: str) -> bool:
    """Have a secret there, ``text`` if there is none yet; returns whether it is new."""
    if path.exists():
        return False
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
    return True
