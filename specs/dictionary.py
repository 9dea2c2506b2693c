"""The data dictionary: every table, view and topic with its columns, as one Markdown page."""

from collections.abc import Iterable, Iterator, Sequence

from specs.beliefs import beliefs_of
from specs.loader import Specs
from specs.rule_sql import in_words
from specs.rules import Expectation, tidy
from specs.tables import Column, TableSpec, TopicSpec, history_of
from specs.views import ViewSpec

LAYERS = {
    "bronze": "Bronze: what came",
    "silver": "Silver: what it says",
    "gold": "Gold: what follows",
    "ops": "Ops: the books",
}
INTRODUCTION = """\
Made of `specs/` by `traffic specs build`; edit there. Times are UTC. The key is bold. An empty unit
means that the column has none; `*_at` columns say when something was done, not what it says.
"""


def _cell(text: object) -> str:
    return str(text).replace("|", "\\|").replace("\n", " ")


def _table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> Iterator[str]:
    for row in (head, ["---"] * len(head), *rows):
        yield f"| {' | '.join(_cell(cell) for cell in row)} |"
    yield ""


def _formulas(specs: Specs) -> dict[str, str]:
    """How a column of silver.segment_metric or gold.network_kpi is made, by its name."""
    spec = specs.transforms
    made = {one.name: f"`{one.expr}`" for one in spec.aggregations}
    for one in (*spec.derived, *spec.network_kpis):
        made[one.name] = f"`{one.expr}`" + (f" ({one.source})" if one.source else "")
    return made


def _columns(columns: Iterable[Column], key: tuple[str, ...]) -> Iterator[str]:
    rows = [
        (
            f"**{column.name}**" if column.name in key else column.name, f"`{column.type}`",
            column.unit or "", "" if column.nullable else "never", column.description,
        )
        for column in columns
    ]  # fmt: skip
    yield from _table(("column", "type", "unit", "null", "what"), rows)


def _expectation(rule: Expectation) -> str:
    if rule.kind == "unique":
        return f"no two rows of a batch share {', '.join(rule.columns)}"
    bounds = f"{tidy(rule.min)} to {tidy(rule.max)}"
    return f"the mean of {rule.column} over {rule.min_rows} values and more is {bounds}"


def _rules(table: TableSpec) -> Iterator[str]:
    checks = [(f"`{rule.id}`", in_words(rule)) for rule in table.rules]
    checks += [(f"`{rule.id}`", _expectation(rule)) for rule in table.expectations]
    if checks:
        yield from _table(("rule", "what has to hold"), checks)


def _of_table(table: TableSpec, specs: Specs) -> Iterator[str]:
    yield from (f"### {table.table}", "", table.description, "")
    kept = specs.ops.retention.get(table.table)
    facts = [f"Key: {', '.join(table.key)}."]
    if table.partition_by:
        facts.append(f"Files by {', '.join(table.folders)}.")
    if kept is not None:
        facts.append(f"Kept {kept.days} days.")
    yield from (" ".join(facts), "")
    yield from _columns(table.columns, table.key)
    formulas = _formulas(specs) if table.table in {"silver.segment_metric", "gold.network_kpi"} \
        else {}  # fmt: skip
    made = [(name, formulas[name]) for name in table.column_names if name in formulas]
    if made:
        yield from _table(("column", "how it is made"), made)
    yield from _rules(table)
    if (history := history_of(table)) is not None:
        yield from (f"`{history.table}` has the same columns: {history.description}", "")
    if (beliefs := beliefs_of(table)) is not None:
        since, until = beliefs.columns[-2:]
        yield from (
            f"`{beliefs.view}` (view) has the same columns, and `{since.name}`, `{until.name}`:"
            f" {beliefs.description}", "",
        )  # fmt: skip


def _of_view(view: ViewSpec) -> Iterator[str]:
    yield from (f"### {view.view} (view)", "", view.description, "")
    if view.source:
        yield from (f"Source: {view.source}.", "")
    if view.parameters:
        given = [(one.name, one.value, one.description) for one in view.parameters]
        yield from _table(("parameter", "value", "what"), given)
    rows = [(one.name, one.type, one.unit or "", one.description) for one in view.columns]
    yield from _table(("column", "type", "unit", "what"), rows)


def _of_topic(topic: TopicSpec) -> Iterator[str]:
    yield from (f"### Topic {topic.topic}, version {topic.version}", "", topic.description, "")
    producers = ", ".join(topic.producers) or "nobody yet"
    facts = f"Key: {topic.key}. Written by {producers}."
    if topic.consumers:
        facts += f" Read by {', '.join(topic.consumers)}."
    yield from (f"{facts} What its readers refuse goes to `{topic.dead_letter_topic}`.", "")
    if topic.table is not None:
        yield from (f"Fields: the columns of {topic.table}; times in ISO 8601.", "")
        return
    rows = [
        (one.name, one.type, one.unit or "", "yes" if one.required else "", one.description,
         f"`{one.example}`")
        for one in topic.fields
    ]  # fmt: skip
    yield from _table(("field", "type", "unit", "required", "what", "example"), rows)


def data_dictionary(specs: Specs) -> str:
    """The page: layer by layer its tables and views, then the topics."""
    histories = {kept.table for one in specs.tables.values() if (kept := history_of(one))}
    beliefs = {view.view for one in specs.tables.values() if (view := beliefs_of(one))}
    lines = ["# Data dictionary", "", INTRODUCTION]
    for layer, title in LAYERS.items():
        lines += [f"## {title}", ""]
        for name in sorted(specs.tables):
            if name.split(".")[0] == layer and name not in histories:
                lines += _of_table(specs.tables[name], specs)
        for name in sorted(specs.views):
            if name.split(".")[0] == layer and name not in beliefs:
                lines += _of_view(specs.views[name])
    lines += ["## Topics", ""]
    for name in sorted(specs.topic_versions):
        for topic in specs.topic_versions[name]:
            lines += _of_topic(topic)
    return "\n".join(lines).rstrip() + "\n"
