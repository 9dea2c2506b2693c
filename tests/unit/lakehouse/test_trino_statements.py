"""Statements are cut where Trino would cut them, and errors point at the right place."""

from hypothesis import given
from hypothesis import strategies as st

from lakehouse.trino.client import pointed
from lakehouse.trino.statements import statements


def test_a_semicolon_in_a_text_a_name_or_a_comment_ends_nothing() -> None:
    text = "SELECT ';', 'it''s;', \"a;b\" -- one; two\n/* ; */ FROM t;\nSELECT 2"
    found, rest = statements(text)
    assert found == ["SELECT ';', 'it''s;', \"a;b\" -- one; two\n/* ; */ FROM t"]
    assert rest == "\nSELECT 2"


def test_comments_and_empty_statements_are_no_statements() -> None:
    assert statements(";; -- nothing\n; /* or\nthis */ ;") == ([], "")


def test_a_text_that_is_not_closed_goes_on() -> None:
    assert statements("SELECT 'a; b") == ([], "SELECT 'a; b")


@given(st.text(alphabet="a'\"-/*;\n "))
def test_nothing_is_lost_in_cutting(text: str) -> None:
    found, rest = statements(text)
    assert all(part.strip() in text for part in [*found, rest])
    letters = "".join([*found, rest]).count("a")
    dropped = text.count("a") - letters  # of statements that are only comments
    assert dropped >= 0
    if not any(mark in text for mark in ("--", "/*")):
        assert dropped == 0


def test_the_pointer_stands_below_the_place() -> None:
    statement = "SELECT a,\n\tb FROM t"
    assert pointed("line 2:2: no b", statement, (2, 2)) == "line 2:2: no b\n   b FROM t\n   ^"
    assert pointed("no place", statement, None) == "no place"
    assert pointed("past the end", statement, (3, 1)) == "past the end"
