"""MLflow, asked politely: imported late, silent, with one try a request and our own retries."""

import logging
import os
import time
import warnings
from collections.abc import Callable
from typing import Any, TypeVar

from specs.errors import Unavailable
from specs.ops import Retry

# MLflow would retry for minutes on its own; `answered` retries by the policy of ops.yaml.
ENVIRONMENT = {
    "GIT_PYTHON_REFRESH": "quiet",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "15",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
}

Answer = TypeVar("Answer")


def mlflow_module() -> Any:
    """MLflow, imported on first use (it takes seconds)."""
    for variable, value in ENVIRONMENT.items():
        os.environ.setdefault(variable, value)
    warnings.filterwarnings("ignore", module=r"mlflow\.")  # about its own code, not ours
    import mlflow
    import mlflow.sklearn

    logging.getLogger("mlflow").setLevel(logging.ERROR)
    logging.getLogger("alembic").setLevel(logging.ERROR)
    return mlflow


def answered(ask: Callable[[], Answer], retry: Retry) -> Answer:
    """Ask the registry, again with growing waits while it does not answer.

    Raises:
        Unavailable: it never did.
    """
    mlflow_module()
    from mlflow.exceptions import MlflowException

    wait = retry.first_wait_seconds
    for attempt in range(1, retry.attempts + 1):
        try:
            return ask()
        except (MlflowException, OSError) as error:
            if isinstance(error, MlflowException) and _is_refusal(error):
                raise
            if attempt == retry.attempts:
                first_line = str(error).splitlines()[0]
                raise Unavailable(f"the model registry does not answer: {first_line}") from error
        time.sleep(wait)
        wait = min(wait * retry.wait_factor, retry.max_wait_seconds)
    raise AssertionError("a retry policy has one attempt or more")


def once(retry: Retry) -> Retry:
    """The policy with a single attempt, for what must not be done twice."""
    return Retry(**(retry.model_dump() | {"attempts": 1}))


def experiment_id(client: Any, name: str) -> str:
    """Id of the experiment of that name, which is made where it does not exist."""
    found = client.get_experiment_by_name(name)
    return str(client.create_experiment(name) if found is None else found.experiment_id)


def _is_refusal(error: Any) -> bool:
    """Whether the registry understood and said no; asking again would not help."""
    return bool(error.get_http_status_code() < 500)
