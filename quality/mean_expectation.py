"""Great Expectations' mean expectation for a column that may hold few values or none.

Importing this module imports Great Expectations, which takes seconds: import it where a suite is
built.
"""

from typing import Any

from great_expectations.execution_engine.execution_engine import ExecutionEngine
from great_expectations.expectations.core.expect_column_mean_to_be_between import (
    ExpectColumnMeanToBeBetween,
)
from great_expectations.validator.metric_configuration import MetricConfiguration
from great_expectations.validator.validator import ValidationDependencies

MEAN, COUNT = "column.mean", "column_values.nonnull.count"


class ExpectColumnMeanOfEnoughValuesToBeBetween(ExpectColumnMeanToBeBetween):
    """Expect the mean of the column to be between two bounds, if it has ``min_values`` values.

    Great Expectations' own fails the mean of no value, and has no word for too few.
    """

    min_values: int = 1

    def get_validation_dependencies(
        self,
        execution_engine: ExecutionEngine[Any] | None = None,
        runtime_configuration: dict[str, Any] | None = None,
    ) -> ValidationDependencies:
        """The mean, and the number of values on the same domain."""
        needed = super().get_validation_dependencies(execution_engine, runtime_configuration)
        domain = needed.metric_configurations[MEAN].metric_domain_kwargs
        count = MetricConfiguration(COUNT, metric_domain_kwargs=domain)
        needed.set_metric_configuration(COUNT, count)
        return needed

    def _validate(
        self,
        metrics: dict[str, Any],
        runtime_configuration: dict[str, Any] | None = None,
        execution_engine: ExecutionEngine[Any] | None = None,
    ) -> dict[str, Any]:
        if metrics[COUNT] < self.min_values:
            return {"success": True, "result": {"observed_value": None}}
        judged: dict[str, Any] = super()._validate(metrics, runtime_configuration, execution_engine)
        return judged
