"""Great Expectations run on one table's suite."""

import json
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from quality.suites import RULE_ID, frame_of, great_expectations, suite_of
from specs.tables import TableSpec

DETAILS_MAX_RESULTS = 50  # per expectation, of what Great Expectations lists for a person


@dataclass(frozen=True)
class Findings:
    """What Great Expectations says: the rows that fail each rule, and its own result as JSON.

    A rule that looks at the whole batch has no rows; ``rows`` is empty also where it was not asked.
    """

    failed: dict[str, set[int]]
    details: str


class Authority:
    """One table's suite in an in-memory context, built once and run often."""

    def __init__(self, table: TableSpec) -> None:
        gx = great_expectations()
        types = gx.data_context.types.base
        self._table = table
        in_memory = types.InMemoryStoreBackendDefaults(init_temp_docs_sites=False)
        config = types.DataContextConfig(
            store_backend_defaults=in_memory, progress_bars={"globally": False}
        )
        context = gx.get_context(mode="ephemeral", project_config=config)
        asset = context.data_sources.add_pandas("gate").add_dataframe_asset(table.table)
        self._batch = asset.add_batch_definition_whole_dataframe("rows")
        self._suite = context.suites.add(suite_of(table))

    def validate(self, rows: pa.Table, *, with_rows: bool = False) -> Findings:
        """Run the suite.

        Args:
            rows: the columns of `quality.suites.columns_of` and `quality.sample.BATCH_COLUMN`.
            with_rows: also tell which rows fail, which takes twice the time.
        """
        frame = frame_of(rows, self._table)
        result_format = (
            {"result_format": "COMPLETE", "partial_unexpected_count": DETAILS_MAX_RESULTS}
            if with_rows
            else {"result_format": "BOOLEAN_ONLY"}
        )
        batch = self._batch.get_batch({"dataframe": frame})
        outcome = batch.validate(self._suite, result_format=result_format)
        failed: dict[str, set[int]] = {}
        for result in outcome.results:
            if not result.success:
                rule_id = result.expectation_config.meta[RULE_ID]
                found = result.result.get("unexpected_index_list") or []
                failed.setdefault(rule_id, set()).update(found)
        return Findings(failed, _details(outcome))


def _details(outcome: Any) -> str:
    """Great Expectations' own words: the counts, and in full each expectation that failed."""
    whole = outcome.to_json_dict()
    failed = [result for result in whole["results"] if not result["success"]]
    for result in failed:  # the lists of all rows are for the program, and unbounded
        for name in ("unexpected_list", "unexpected_index_list", "unexpected_index_query"):
            result["result"].pop(name, None)
    kept = {name: whole[name] for name in ("suite_name", "success", "statistics")}
    text = json.dumps({**kept, "failed": failed}, default=str)
    return json.dumps(json.loads(text, parse_constant=str))  # infinities are no JSON, so as text
