"""Superset's configuration: everything below one folder, which SUPERSET_FOLDER names.

In a container, whose folder is gone with it, SUPERSET_SECRET_KEY and SUPERSET_DATABASE_URI say what
the folder's files would.
"""

import os
from pathlib import Path

FOLDER = Path(os.environ["SUPERSET_FOLDER"])
SECRET_KEY = os.environ.get("SUPERSET_SECRET_KEY") or (FOLDER / "secret_key").read_text().strip()
SQLALCHEMY_DATABASE_URI = (
    os.environ.get("SUPERSET_DATABASE_URI")
    or f"sqlite:///{FOLDER / 'superset.db'}?check_same_thread=false"
)
DATA_DIR = str(FOLDER)
FEATURE_FLAGS = {"VERSIONED_EXPORT": True}
ROW_LIMIT = 5000
SQLLAB_TIMEOUT = 60
SUPERSET_WEBSERVER_TIMEOUT = 120
RATELIMIT_STORAGE_URI = "memory://"
TALISMAN_ENABLED = True
SESSION_COOKIE_SAMESITE = "Lax"
WTF_CSRF_ENABLED = True
SCARF_ANALYTICS = False
