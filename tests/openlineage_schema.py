"""Whether JSON is what the published OpenLineage schemas say, by the classes made from them.

The schemas themselves come with no package that we could install: neither the Python client's
wheel and source archive nor the Java client's jar holds them. The Python client's classes are
generated from them, release by release: fields, their types, what is required, each facet's own
schema address. What a class does not say, the formats of texts, stands here.
"""

import re
import typing
from typing import Any

import attr
from openlineage.client.facet_v2 import (
    dataset_version_dataset,
    job_type_job,
    nominal_time_run,
    output_statistics_output_dataset,
)
from openlineage.client.generated import base

FACETS = {
    "nominalTime": nominal_time_run.NominalTimeRunFacet,
    "jobType": job_type_job.JobTypeJobFacet,
    "version": dataset_version_dataset.DatasetVersionDatasetFacet,
    "outputStatistics": output_statistics_output_dataset.OutputStatisticsOutputDatasetFacet,
}
"""Each has a published schema of its own, by the key that the standard gives it."""
MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")
URI = re.compile(r"[a-z][a-z0-9+.-]*:\S+")
FORMATS = {
    "eventTime": MOMENT, "nominalStartTime": MOMENT, "nominalEndTime": MOMENT,
    "producer": URI, "_producer": URI, "schemaURL": URI, "_schemaURL": URI,
    "runId": re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"),
    "eventType": re.compile("START|RUNNING|COMPLETE|ABORT|FAIL|OTHER"),
    "processingType": re.compile("BATCH|STREAMING|SERVICE"),
}  # fmt: skip
"""What the published schemas ask of a text: RFC 3339, an absolute URI, a UUID, one of a list."""


def assert_is_a(kind: Any, told: Any) -> None:
    """Hold JSON against a class that was generated from the published schema, all the way down."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if attr.has(kind):
        fields = attr.fields_dict(kind)
        hints = typing.get_type_hints(kind)
        extra = issubclass(kind, base.BaseFacet)  # facets are open: each has its own schema
        assert extra or set(told) <= set(fields), f"{kind.__name__}: {set(told) - set(fields)}"
        required = {
            name for name, field in fields.items()
            if field.default is attr.NOTHING or name in ("producer", "_producer", "_schemaURL")
        }  # fmt: skip
        assert required <= set(told), f"{kind.__name__} lacks {required - set(told)}"
        for name, value in told.items():
            if name in FORMATS:
                assert FORMATS[name].fullmatch(value), f"{kind.__name__}.{name}: {value}"
            if name in fields:
                assert_is_a(hints[name], value)
        assert told.get("_schemaURL") == kind._get_schema() or not extra
    elif origin is list:
        for one in told:
            assert_is_a(arguments[0], one)
    elif origin is dict:
        for key, one in told.items():
            assert issubclass(FACETS[key], arguments[1]), f"{key} is no {arguments[1].__name__}"
            assert_is_a(FACETS[key], one)
    elif arguments:  # a union with None
        assert_is_a(next(a for a in arguments if a is not type(None)), told)
    elif isinstance(kind, type) and kind in (str, int, bool):
        assert type(told) is kind
