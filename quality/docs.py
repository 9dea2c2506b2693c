"""Great Expectations' data docs of every table, as a folder that opens without a network."""

import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from quality.keys import key_hashes
from quality.pages import Line, index_page, offline_page, outside_references
from quality.sample import SeededSample
from quality.suites import columns_of, frame_of, great_expectations, suite_of
from specs.errors import TrafficError
from specs.loader import Specs
from specs.tables import TableSpec

SITE_FOLDER = "uncommitted/data_docs/local_site"  # below the context's own folder
STYLE = Path(__file__).with_name("docs.css")


@dataclass(frozen=True)
class _Sampled:
    """What of a table's rules its stored rows can show, and a sample of these rows."""

    table: TableSpec
    rows: pa.Table
    row_count: int
    unseen_ids: tuple[str, ...]


def _sampled(table: TableSpec, rows: pa.Table, size: int, seed: int) -> _Sampled:
    """Leave out the rules that read what is known only while a row lands."""
    stored = set(rows.column_names)
    seen = {r for r in (*table.rules, *table.expectations) if stored.issuperset(r.columns_used)}
    unseen = [r.id for r in (*table.rules, *table.expectations) if r not in seen]
    rules = tuple(rule for rule in table.rules if rule in seen)
    expectations = tuple(one for one in table.expectations if one in seen)
    shown = table.model_copy(update={"rules": rules, "expectations": expectations})
    sample = SeededSample(size, seed)
    needed = rows.select(columns_of(shown))
    sample.add(needed, key_hashes(rows, table.key))
    return _Sampled(shown, sample.rows(), rows.num_rows, tuple(unseen))


def _validated(context: Any, source: Any, sampled: _Sampled) -> Line:
    """Run the suite on the sample; the context keeps the result for its pages."""
    gx = great_expectations()
    name = sampled.table.table
    batch = source.add_dataframe_asset(name).add_batch_definition_whole_dataframe("rows")
    suite = suite_of(sampled.table)
    if sampled.unseen_ids:
        suite.name = f"{name}.stored"  # beside the whole suite
    definition = gx.ValidationDefinition(name=name, data=batch, suite=context.suites.add(suite))
    definition = context.validation_definitions.add(definition)
    frame = frame_of(sampled.rows, sampled.table)
    outcome = definition.run(batch_parameters={"dataframe": frame}, result_format="SUMMARY")
    return Line(
        table=name,
        row_count=sampled.row_count,
        sample_count=sampled.rows.num_rows,
        expectation_count=outcome.statistics["evaluated_expectations"],
        failed_count=outcome.statistics["unsuccessful_expectations"],
        unseen_ids=sampled.unseen_ids,
    )


def build_docs(specs: Specs, rows_by_table: Mapping[str, pa.Table], folder: Path) -> Path:
    """Write the suites of all tables, and the validation of a sample of each table with rows.

    Args:
        specs: whose tables are shown; ``ops.gates`` gives the sample's size and seed.
        rows_by_table: stored rows by table name; a table without rows shows its suite only.
        folder: receives the pages; what an earlier call wrote there is replaced.

    Returns:
        The page to open first.

    Raises:
        TrafficError: a page would load something from elsewhere, as after an upgrade of Great
            Expectations.
    """
    gx = great_expectations()
    gates = specs.ops.gates
    with tempfile.TemporaryDirectory() as scratch:
        context = gx.get_context(mode="file", project_root_dir=scratch)
        context.variables.progress_bars = {"globally": False}
        source = context.data_sources.add_pandas("sample")
        lines = []
        for name, table in sorted(specs.tables.items()):
            rows = rows_by_table.get(name)
            if rows is None or rows.num_rows == 0:
                suite = context.suites.add(suite_of(table))
                lines.append(Line.without_rows(name, len(suite.expectations)))
                continue
            sampled = _sampled(table, rows, gates.sample_rows, gates.sample_seed)
            if sampled.unseen_ids:
                context.suites.add(suite_of(table))
            lines.append(_validated(context, source, sampled))
        context.build_data_docs()
        _publish(Path(context.root_directory) / SITE_FOLDER, lines, folder)
    left = outside_references(folder)
    if left:
        raise TrafficError(f"data docs load from elsewhere: {'; '.join(left[:5])}")
    return folder / "index.html"


def _publish(site: Path, lines: list[Line], folder: Path) -> None:
    """Copy the pages, changed so that they need nothing but the one style sheet beside them."""
    for part in ("expectations", "validations", "static"):
        shutil.rmtree(folder / part, ignore_errors=True)
    (folder / "static").mkdir(parents=True)
    shutil.copy(STYLE, folder / "static" / STYLE.name)
    links: dict[str, dict[str, str]] = {line.table: {} for line in lines}
    for page in sorted(site.rglob("*.html")):
        path = page.relative_to(site)
        if len(path.parts) == 1:
            continue  # Great Expectations' own index is empty without its scripts
        if path.parts[0] == "validations" or path.stem != "stored":
            links[".".join(path.with_suffix("").parts[1:3])][path.parts[0]] = path.as_posix()
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(offline_page(page.read_text(), "../" * (len(path.parts) - 1)))
    (folder / "index.html").write_text(index_page(lines, links))
