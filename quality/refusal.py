"""What a gate says when it refuses a batch."""

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from typing import Any

import numpy as np
import pyarrow as pa

from quality.expectations import Broken
from quality.rules import Verdicts
from specs.errors import GateFailed

FAILING_ROWS_MAX = 1000  # rows that a refusal carries
FIRST_ROWS = 3  # rows that its message quotes


@dataclass(frozen=True)
class GateResult:
    """One decision of a gate, as `ops.validation_result` keeps it."""

    run_id: str
    table_name: str
    is_success: bool
    row_count: int
    sample_count: int
    duration_s: float
    failed_ids: tuple[str, ...]
    spec_version: str
    details: str

    def row(self, validated_at: datetime) -> dict[str, Any]:
        """The row of `ops.validation_result`."""
        return {
            "run_id": self.run_id,
            "table_name": self.table_name,
            "validated_at": validated_at,
            "is_success": self.is_success,
            "row_count": self.row_count,
            "sample_count": self.sample_count,
            "duration_s": self.duration_s,
            "failed_ids": list(self.failed_ids),
            "spec_version": self.spec_version,
            "details": self.details,
        }


@dataclass(frozen=True)
class Faults:
    """What is wrong with ``rows``, in the compiled form's words.

    ``disputed`` are rows that Great Expectations fails, by rule id.
    """

    rows: pa.Table
    verdicts: Verdicts
    broken: tuple[Broken, ...]
    disputed: Mapping[str, set[int]] = field(default_factory=dict)

    @property
    def ids(self) -> set[str]:
        """Rules and expectations that failed."""
        return {rule.id for rule, _ in self.verdicts.broken} | {one.id for one in self.broken}

    def rows_by_id(self) -> dict[str, set[int]]:
        """Positions of the rows that fail each rule; none for a rule on the whole batch."""
        found: dict[str, set[int]] = {one.id: set(one.indices.tolist()) for one in self.broken}
        for rule, mask in self.verdicts.broken:
            found[rule.id] = set(np.flatnonzero(~mask.to_numpy()).tolist())
        return found

    def reasons_by_row(self) -> dict[int, list[tuple[str, str]]]:
        """For each row at fault, in order, its rule ids with a reason."""
        found: dict[int, list[tuple[str, str]]] = {}
        for rejection in self.verdicts.rejections():
            texts = zip(rejection.rule_ids, rejection.reasons, strict=True)
            found.setdefault(rejection.index, []).extend(texts)
        for one in self.broken:
            for index in one.indices.tolist():
                found.setdefault(index, []).append((one.id, one.reason))
        for rule_id, indices in self.disputed.items():
            for index in indices - self.rows_by_id().get(rule_id, set()):
                found.setdefault(index, []).append((rule_id, f"{rule_id} by Great Expectations"))
        return dict(sorted(found.items()))

    def failing_rows(self) -> pa.Table:
        """Up to `FAILING_ROWS_MAX` rows at fault, each with ``rule_ids`` and ``reason``."""
        faults = dict(islice(self.reasons_by_row().items(), FAILING_ROWS_MAX))
        ids = [[rule_id for rule_id, _ in texts] for texts in faults.values()]
        reasons = ["; ".join(reason for _, reason in texts) for texts in faults.values()]
        rows = self.rows.take(pa.array(list(faults), pa.int64()))
        rows = rows.append_column("rule_ids", pa.array(ids, pa.list_(pa.string())))
        return rows.append_column("reason", pa.array(reasons, pa.string()))


class BatchRefused(GateFailed):
    """A gate's refusal, with its result and up to `FAILING_ROWS_MAX` of the rows at fault.

    ``failing_rows`` has the batch's columns (those the rules read, where only a sample of several
    batches failed), ``rule_ids`` and ``reason``; it is empty where no single row is at fault.
    """

    def __init__(self, message: str, result: GateResult, failing_rows: pa.Table) -> None:
        super().__init__(message)
        self.result = result
        self.failing_rows = failing_rows


def disputed_ids(own: Faults, findings: Mapping[str, set[int]]) -> set[str]:
    """Rules on which the compiled form and Great Expectations differ, in any row."""
    compiled = own.rows_by_id()
    return {
        rule_id
        for rule_id in compiled.keys() | findings.keys()
        if rule_id not in compiled
        or rule_id not in findings
        or compiled[rule_id] != findings[rule_id]
    }


def refusal_message(result: GateResult, faults: Faults, disputed: AbstractSet[str]) -> str:
    """One line: the table, the rules, how many rows, the first reasons and what to do."""
    table = result.table_name
    at_fault = faults.reasons_by_row()
    quoted = [
        f"row {index}: {reason}"
        for index, texts in islice(at_fault.items(), FIRST_ROWS)
        for _, reason in texts
    ]
    quoted += [one.reason for one in faults.broken if not len(one.indices)]
    where = f"ops.validation_result has run_id {result.run_id}"
    if disputed:
        return (
            f"{table}: the compiled form and Great Expectations disagree on"
            f" {', '.join(sorted(disputed))} ({len(at_fault)} rows; {'; '.join(quoted)});"
            f" nothing was committed. That is a defect of quality/, not of the data; {where}"
        )
    return (
        f"{table}: {', '.join(result.failed_ids)} failed ({len(at_fault)} of {result.row_count}"
        f" rows; {'; '.join(quoted)}); nothing was committed. Repair what makes these rows, or the"
        f" rule in specs/schemas/tables/{table}.yaml, and start the job again; {where}"
    )
