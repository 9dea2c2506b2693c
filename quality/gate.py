"""The gate before a table: nothing is committed that it has not passed."""

import threading
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from time import thread_time
from typing import Literal

import numpy as np
import pyarrow as pa

from quality.authority import Authority, Findings
from quality.expectations import broken_expectations
from quality.keys import Hashes, key_hashes
from quality.refusal import (
    BatchRefused,
    Faults,
    GateResult,
    disputed_ids,
    refusal_message,
)
from quality.rules import Verdicts, verdicts
from quality.sample import BATCH_COLUMN, SeededSample
from quality.suites import columns_of
from specs.arrow import arrow_schema
from specs.errors import SpecError, WrongInput
from specs.ops import GatePolicy
from specs.rules import Expectation, RowRule
from specs.tables import TableSpec

Judge = Callable[[pa.Table, Sequence[RowRule]], Verdicts]


class Gate:
    """One table's gate.

    The compiled form decides on every batch, in full. Great Expectations, the authority, validates
    before a commit at most once an interval, on the batch at hand and what passed since its last
    run, or on a seeded sample of it. Between its runs the gate keeps at most the sample's rows.

    May be called from any thread; a second caller waits.

    Args:
        now: a monotonic clock in seconds.
        judge: the compiled form of the row rules.
    """

    def __init__(
        self,
        table: TableSpec,
        policy: GatePolicy,
        spec_version: str,
        now: Callable[[], float],
        judge: Judge = verdicts,
    ) -> None:
        intervals = {str(layer): value for layer, value in policy.min_interval_seconds.items()}
        if table.layer not in intervals:
            raise SpecError(f"ops.yaml: gates.min_interval_seconds lacks {table.layer}")
        self._interval_seconds = intervals[table.layer]
        self._table = table
        self._policy = policy
        self._spec_version = spec_version
        self._now = now
        self._judge = judge
        schema = arrow_schema(table, with_context=True)
        self._schema = pa.schema([schema.field(name) for name in columns_of(table)])
        self._key = next((e.columns for e in table.expectations if e.kind == "unique"), ())
        self._within_batches = tuple(_within_batch(one) for one in table.expectations)
        self._pending = SeededSample(policy.sample_rows, policy.sample_seed)
        self._last_run: float | None = None
        self._authority: Authority | None = None
        self._lock = threading.Lock()
        self.cpu_by_form = {"compiled": 0.0, "great_expectations": 0.0}

    @property
    def table_name(self) -> str:
        """The table behind it."""
        return self._table.table

    @property
    def cpu_seconds(self) -> float:
        """CPU time that both forms have taken in their callers' threads, without the warm-up."""
        return sum(self.cpu_by_form.values())

    def warm_up(self) -> None:
        """Import Great Expectations and run the suite once on no row, which takes seconds."""
        with self._lock:
            nothing = SeededSample(1, self._policy.sample_seed)
            nothing.add(self._schema.empty_table(), np.array([], dtype=np.uint64))
            self._expert().validate(nothing.rows())

    def check(self, rows: pa.Table, *, always: bool = False) -> GateResult | None:
        """Let a batch pass, or refuse it.

        Args:
            rows: all rows about to be committed, with the context columns that rules read.
            always: have Great Expectations validate now, as every recompute must.

        Returns:
            The result, where Great Expectations took part; the caller writes it to
            `ops.validation_result`. None where it was not its turn, or there was no row at all.

        Raises:
            BatchRefused: the batch breaks a rule or an expectation, or the two forms disagree.
            WrongInput: ``rows`` lacks a column or has one of another type.
        """
        with self._lock:
            return self._check(rows, always)

    def _check(self, rows: pa.Table, always: bool) -> GateResult | None:
        before = self.cpu_seconds
        with self._timed("compiled"):
            needed = self._needed(rows)
            hashes = self._hashes(needed)
            broken = broken_expectations(needed, self._table.expectations, hashes)
            faults = Faults(rows, self._judge(needed, self._table.rules), tuple(broken))
        if faults.ids:
            looked_at = self._looked_at(needed, faults)
            count = self._pending.rows_seen + rows.num_rows
            raise self._refusal(faults, looked_at, count, before)
        with self._timed("compiled"):
            self._pending.add(needed, hashes)
        if self._pending.rows_seen == 0 or not (always or self._is_due()):
            return None
        sample = self._pending.rows()
        findings = self._validate(sample, with_rows=False)
        own = self._faults(sample)
        if findings.failed or own.ids:
            raise self._refusal(own, sample, self._pending.rows_seen, before)
        result = self._result(findings.details, (), self._pending.rows_seen, sample, before)
        self._last_run = self._now()
        self._pending.clear()
        return result

    def _refusal(
        self, faults: Faults, looked_at: pa.Table, row_count: int, before: float
    ) -> BatchRefused:
        """The refusal for ``faults``, with both forms' word on each row of ``looked_at``."""
        findings = self._validate(looked_at, with_rows=True)
        own = self._faults(looked_at)
        disputed = disputed_ids(own, findings.failed)
        ids = tuple(sorted(faults.ids | set(findings.failed)))
        result = self._result(findings.details, ids, row_count, looked_at, before)
        if disputed:
            faults = replace(own, disputed=findings.failed)
        message = refusal_message(result, faults, disputed)
        return BatchRefused(message, result, faults.failing_rows())

    def _needed(self, rows: pa.Table) -> pa.Table:
        wrong = [
            f"{field.name} {field.type}"
            for field in self._schema
            if field.name not in rows.column_names
            or rows.schema.field(field.name).type != field.type
        ]
        if wrong:
            raise WrongInput(f"the gate of {self._table.table} needs columns {', '.join(wrong)}")
        return rows.select(self._schema.names)

    def _hashes(self, needed: pa.Table) -> Hashes:
        if self._key:
            return key_hashes(needed, self._key)
        return np.arange(needed.num_rows, dtype=np.uint64)

    def _looked_at(self, needed: pa.Table, faults: Faults) -> pa.Table:
        """Rows for Great Expectations to confirm a refusal on: those at fault and others."""
        is_sound = np.ones(needed.num_rows, dtype=bool)
        is_sound[sorted(set().union(*faults.rows_by_id().values()))] = False
        first = np.sort(np.argsort(is_sound, kind="stable")[: self._policy.sample_rows])
        batch = pa.array(np.zeros(len(first), dtype=np.int64))
        return needed.take(pa.array(first)).append_column(BATCH_COLUMN, batch)

    def _is_due(self) -> bool:
        return self._last_run is None or self._now() - self._last_run >= self._interval_seconds

    def _expert(self) -> Authority:
        if self._authority is None:
            self._authority = Authority(self._table)
        return self._authority

    def _validate(self, sample: pa.Table, *, with_rows: bool) -> Findings:
        expert = self._expert()
        with self._timed("great_expectations"):
            return expert.validate(sample, with_rows=with_rows)

    def _faults(self, sample: pa.Table) -> Faults:
        """The compiled form's word on rows of several batches."""
        with self._timed("compiled"):
            broken = broken_expectations(sample, self._within_batches)
            return Faults(sample, self._judge(sample, self._table.rules), tuple(broken))

    def _result(
        self,
        details: str,
        failed_ids: tuple[str, ...],
        row_count: int,
        sample: pa.Table,
        before: float,
    ) -> GateResult:
        return GateResult(
            run_id=uuid.uuid4().hex,
            table_name=self._table.table,
            is_success=not failed_ids,
            row_count=row_count,
            sample_count=sample.num_rows,
            duration_s=self.cpu_seconds - before,
            failed_ids=failed_ids,
            spec_version=self._spec_version,
            details=details,
        )

    @contextmanager
    def _timed(self, form: Literal["compiled", "great_expectations"]) -> Iterator[None]:
        start = thread_time()
        try:
            yield
        finally:
            self.cpu_by_form[form] += thread_time() - start


def _within_batch(expectation: Expectation) -> Expectation:
    """The expectation for rows of several batches: the same key may come again in a later one."""
    if expectation.kind != "unique":
        return expectation
    return expectation.model_copy(update={"columns": (BATCH_COLUMN, *expectation.columns)})
