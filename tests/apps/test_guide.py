"""The guide's queries run on the demo's tables, and give the answers that it prints."""

import pytest

from lakehouse.trino.client import Client
from lakehouse.trino.guide import Question, cells, differences, questions
from lakehouse.trino.render import markdown

QUESTIONS = questions()


def test_the_guide_asks_twelve_questions() -> None:
    assert [question.number for question in QUESTIONS] == [*range(1, 13), 0, 0]


@pytest.mark.parametrize("question", QUESTIONS, ids=lambda question: question.title)
def test_the_answer_is_what_the_guide_says(client: Client, question: Question) -> None:
    with client.ask(question.sql) as answer:
        found = cells(markdown(answer.columns, answer.rows))
    assert question.answer, "the guide gives no answer; see tests/renew_guide.py"
    assert list(differences(question, found)) == []
