"""Every parameter of the API, fuzzed from its own OpenAPI document: no 500, ever."""

import functools
import json
import socket
import urllib.parse
import urllib.request
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.serving.conftest import Api

pytestmark = pytest.mark.stack

EXAMPLES = 40
ENDLESS = {"/events"}
QUIET = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.filter_too_much]
CHECKS = (
    not_a_server_error, status_code_conformance, content_type_conformance,
    response_schema_conformance,
)  # fmt: skip
INJECTIONS = (
    "' OR 1=1 --", "'; DROP TABLE congestion_scores; --", "\" OR \"\"=\"", "1 UNION SELECT 1",
    "../../../../etc/passwd", "..%2f..%2fetc%2fpasswd", "%00", "\x00", "${7*7}", "{{7*7}}",
    "<script>alert(1)</script>", "$(id)", "`id`", "\r\nX-Injected: 1", "\ud7ff\U0010ffff", "%ff%fe",
    "9" * 400, "NaN", "-inf", "null", "[]", "true", "0x10", "1e999", "\u0661",
)  # fmt: skip


@functools.cache
def operations(url: str) -> dict[str, Any]:
    """The document's operations, by path."""
    schema = schemathesis.openapi.from_url(f"{url}/openapi.json")
    found = {each.ok().path: each.ok() for each in schema.get_all_operations()}
    return {path: operation for path, operation in found.items() if path not in ENDLESS}


def test_valid_questions_are_answered_as_documented(api: Api) -> None:
    assert len(operations(api.url)) == 9
    for operation in operations(api.url).values():
        fuzz(operation, schemathesis.GenerationMode.POSITIVE)


def test_wrong_questions_are_refused_as_documented(api: Api) -> None:
    for operation in operations(api.url).values():
        if operation.query or operation.path_parameters:
            fuzz(operation, schemathesis.GenerationMode.NEGATIVE)


def fuzz(operation: Any, mode: schemathesis.GenerationMode) -> None:
    strategy = operation.as_strategy(generation_mode=mode)

    @settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=QUIET, database=None)
    @given(case=strategy)
    def one(case: Any) -> None:
        answer = case.call()
        case.validate_response(answer, checks=list(CHECKS))

    one()


def questions(api: Api) -> list[tuple[str, str]]:
    """Path and parameter of everything that takes text; the path's own part is called by it."""
    document = json.loads(urllib.request.urlopen(f"{api.url}/openapi.json").read())
    found = []
    for path, operation in document["paths"].items():
        for parameter in operation.get("get", {}).get("parameters", []):
            if parameter["in"] in {"query", "path"}:
                found.append((path, parameter["name"]))
    return found


def test_injections_are_words_like_any_other(api: Api) -> None:
    asked = questions(api)
    assert len(asked) > 20
    known = api.get("/segments?limit=1").json["items"][0]["segment_id"]
    for path, name in asked:
        for text in INJECTIONS:
            sent = urllib.parse.quote(text, safe="")
            at = path.replace(f"{{{name}}}", sent).replace("{segment_id}", known)
            address = at if f"{{{name}}}" in path else f"{at}?{name}={sent}"
            answer = api.get(address)
            assert answer.status in {200, 404, 422}, (address, answer)
            assert "X-Injected" not in answer.headers
            assert b"root:" not in answer.body
            if answer.status == 200 and name in {"after", "source"}:
                assert answer.json["items"] == [] or name == "after"


@given(text=st.text(max_size=300))
@settings(max_examples=60, suppress_health_check=QUIET)
def test_any_text_as_a_header_or_a_segment_is_refused_not_failed(api: Api, text: str) -> None:
    quoted = urllib.parse.quote(text, safe="")
    if quoted.strip("."):
        assert api.get(f"/segments/{quoted}/metrics").status in {404, 422}
    printable = "".join(character for character in text if " " <= character <= "~")
    assert api.get("/status", If_None_Match=printable, Authorization=printable).status == 200


@pytest.mark.parametrize("target", [
    b"/segments?after=\xff\xfe", b"/segments/\xff/metrics", b"/segments?after=\xc3\xbc",
    b"/segments?after=a b", b"/segments?after=\x01", b"/segments?" + b"after=x&" * 9000,
])  # fmt: skip
def test_bytes_that_are_no_address_are_refused_not_failed(api: Api, target: bytes) -> None:
    host, port = api.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=60) as connection:
        connection.sendall(
            b"GET " + target + b" HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"
        )
        status = connection.makefile("rb").readline().split()[1]
    assert status in {b"400", b"414", b"422"}
