"""How a scan asks for text, as delta-rs stores it."""

import pyarrow as pa
import pyarrow.compute as pc


def is_text(column: str, text: str) -> pc.Expression:
    """Rows whose ``column`` is ``text``.

    delta-rs stores text as string_view, which the scanner cannot compare with row-group statistics;
    behind the cast it compares the values themselves.
    """
    return pc.field(column).cast(pa.large_string()) == text
