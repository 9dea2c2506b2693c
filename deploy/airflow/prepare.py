"""Brings Airflow's database up to date and writes its login, AIRFLOW_ADMIN_PASSWORD, to a file."""

import json
import os
import subprocess
import sys
from pathlib import Path

LOGINS = Path(os.environ["AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE"])


def main() -> int:
    """Exit as `airflow db migrate` does; run again it changes nothing."""
    text = json.dumps({"admin": os.environ["AIRFLOW_ADMIN_PASSWORD"]})
    with os.fdopen(os.open(LOGINS, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(text)
    airflow = Path(sys.executable).with_name("airflow")
    return subprocess.run([airflow, "db", "migrate"], check=False).returncode  # noqa: S603


if __name__ == "__main__":
    sys.exit(main())
