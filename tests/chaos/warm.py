"""What every child needs is imported once; children are forked from there, in milliseconds.

The fork server is the standard library's. It has started nothing yet: no thread of Kafka's, no
runtime of delta-rs, so that a fork is as good as a new interpreter.
"""

import sys
from importlib import import_module

# The fork server is a `python -c`, and pyspark takes a main module without a file for its doctests
# and exits.
sys.modules["__main__"].__file__ = __file__

for name in (
    "great_expectations", "mlflow.sklearn", "ingestion.lander", "lakehouse.cli",
    "lakehouse.jobs.recompute", "lakehouse.jobs.reconcile", "lakehouse.jobs.stream",
    "ml.registry", "mlflow.store.model_registry.sqlalchemy_store",
    "mlflow.store.tracking.sqlalchemy_store", "quality.suites", "skops.io",
):  # fmt: skip
    import_module(name)
