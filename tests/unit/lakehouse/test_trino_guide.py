"""The guide's answers are read back, and a difference is found."""

from pathlib import Path

import pytest

from lakehouse.trino.client import Column
from lakehouse.trino.guide import Tolerance, cells, differences, questions, renewed
from lakehouse.trino.render import markdown
from specs.errors import WrongInput

PAGE = """\
### 1. How many?

In words.

<!-- by the model: n ± 10 % -->
```sql
SELECT 1
```

<!-- answer -->
| name | n |
| --- | ---: |
| a \\| b | 100 |
<!-- /answer -->

### As it was

```sql
SELECT 2
```

<!-- answer -->
<!-- /answer -->
"""


def page(folder: Path) -> Path:
    path = folder / "guide.md"
    path.write_text(PAGE)
    return path


def test_questions_carry_number_query_answer_and_tolerance(tmp_path: Path) -> None:
    first, second = questions(page(tmp_path))
    assert (first.number, first.title, first.sql) == (1, "How many?", "SELECT 1")
    assert first.answer == [["name", "n"], ["a \\| b", "100"]]
    assert first.moving == {"n": Tolerance(relative=0.1)}
    assert (second.number, second.sql, second.answer) == (0, "SELECT 2", [])


def test_a_moving_number_may_differ_by_its_bound_and_a_text_may_not(tmp_path: Path) -> None:
    question = questions(page(tmp_path))[0]
    assert list(differences(question, [["name", "n"], ["a \\| b", "109"]])) == []
    assert len(list(differences(question, [["name", "n"], ["a \\| b", "115"]]))) == 1
    assert len(list(differences(question, [["name", "n"], ["c", "100"]]))) == 1
    assert len(list(differences(question, [["name", "n"]]))) == 1
    assert len(list(differences(question, [["name", "m"], ["a \\| b", "100"]]))) == 1


def test_a_bound_may_be_a_difference_and_is_of_one_column(tmp_path: Path) -> None:
    path = page(tmp_path)
    path.write_text(PAGE.replace("n ± 10 %", "n ± 2.5"))
    question = questions(path)[0]
    assert list(differences(question, [["name", "n"], ["a \\| b", "102.5"]])) == []
    assert len(list(differences(question, [["name", "n"], ["a \\| b", "102.6"]]))) == 1
    path.write_text(PAGE.replace("n ± 10 %", "m ± 10 %"))
    wrong = list(differences(questions(path)[0], [["name", "n"], ["a \\| b", "101"]]))
    assert wrong == ["there is no column m that could move", "row 1, n: 101 instead of 100"]


def test_a_bound_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    path = page(tmp_path)
    path.write_text(PAGE.replace("n ± 10 %", "n about 10 %"))
    with pytest.raises(WrongInput, match="n about 10 %"):
        questions(path)


def test_a_fraction_may_differ_in_its_last_digit_alone(tmp_path: Path) -> None:
    path = page(tmp_path)
    path.write_text(
        PAGE.replace("<!-- by the model: n ± 10 % -->\n", "").replace("100 |", "0.52 |")
    )
    question = questions(path)[0]
    assert list(differences(question, [["name", "n"], ["a \\| b", "0.53"]])) == []
    assert len(list(differences(question, [["name", "n"], ["a \\| b", "0.54"]]))) == 1


def test_renewing_replaces_the_answers_alone(tmp_path: Path) -> None:
    columns = [Column("name", "varchar"), Column("n", "bigint")]
    path = page(tmp_path)
    path.write_text(renewed(path, lambda sql: markdown(columns, [[sql, 7]])))
    assert [question.answer[1] for question in questions(path)] == [
        ["SELECT 1", "7"],
        ["SELECT 2", "7"],
    ]
    assert "In words." in path.read_text()
    assert cells(markdown(columns, [["x|y", None]])) == [["name", "n"], ["x\\|y", ""]]
