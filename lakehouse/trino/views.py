"""The statements that define the views of the specs in Trino, with their comments."""

from lakehouse.sql_text import quoted
from specs.loader import Specs
from specs.views import ViewSpec


def view_statements(view: ViewSpec, specs: Specs) -> list[str]:
    """Define ``view`` anew, then comment on each column; its readers never see it missing."""
    query, comment = view.sql(specs.transforms, specs.ml.targets), quoted(view.description)
    made = [f"CREATE OR REPLACE VIEW {view.view} COMMENT {comment} AS\n{query}"]
    return made + [
        f"COMMENT ON COLUMN {view.view}.{column.name} IS {quoted(column.comment)}"
        for column in view.columns
    ]


def views_script(specs: Specs) -> str:
    """The statements of all views, for a Trino that `traffic up` does not look after."""
    made = [view_statements(specs.views[name], specs) for name in sorted(specs.views)]
    return "\n\n".join(";\n".join([*statements, ""]) for statements in made)
