"""What an evaluation leaves in MLflow."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ml.evaluate import HorizonReport
from ml.mlflow_client import answered, experiment_id, mlflow_module, once
from ml.run_record import flat_metrics
from ml.train import metrics_of
from specs.loader import Specs


def log_evaluation(
    figures: Mapping[str, Any], reports: Mapping[int, HorizonReport], files: Sequence[Path],
    tracking_uri: str, specs: Specs,
) -> str:  # fmt: skip
    """Log figures and files as a run of experiment ``…_evaluation``; returns the run's id.

    Raises:
        Unavailable: the server does not answer.
    """
    mlflow = mlflow_module()
    mlflow.set_tracking_uri(tracking_uri)
    client, retry = mlflow.MlflowClient(tracking_uri), specs.ops.retries.unavailable
    name = f"{specs.ml.model_name}_evaluation"
    experiment = answered(lambda: experiment_id(client, name), retry)

    def store() -> str:
        with mlflow.start_run(
            experiment_id=experiment, tags={"spec_version": specs.version}
        ) as run:
            mlflow.log_params({key: figures[key] for key in ("source", "from", "to", "model")})
            mlflow.log_metrics(flat_metrics(metrics_of(reports)))
            for file in files:
                mlflow.log_artifact(str(file))
            return str(run.info.run_id)

    return answered(store, once(retry))
