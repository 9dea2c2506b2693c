"""A consumer of a topic that knows its contract (ODCS) and its JSON Schema, and nothing else."""

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

import jsonschema_rs
import yaml

from lakehouse.artifacts import ROOT

CONTRACTS = ROOT / "contracts"
BITS = {"i32": 32, "i64": 64}


class Broken(AssertionError):
    """A message is not what the contract promises."""


def _typed(kind: type, *others: type) -> Callable[[Any], Any]:
    def read(value: Any) -> Any:
        if type(value) not in {kind, *others}:
            raise Broken(f"{value!r} is no {kind.__name__}")
        return kind(value)

    return read


def _timestamp(value: Any) -> datetime:
    read = datetime.fromisoformat(_typed(str)(value))
    if read.utcoffset() != timedelta(0):
        raise Broken(f"{value!r} is not in UTC")
    return read


READ: dict[str, Callable[[Any], Any]] = {
    "string": _typed(str), "integer": _typed(int), "number": _typed(float, int),
    "boolean": _typed(bool), "timestamp": _timestamp,
    "date": lambda value: date.fromisoformat(_typed(str)(value)),
}  # fmt: skip
"""What a program makes of each of the standard's logical types, as a message carries it."""


def value_of(promised: dict[str, Any], value: Any) -> Any:
    """A field of a message as a program holds it, refused where the contract promises another."""
    if value is None:
        if promised["required"]:
            raise Broken("it is required")
        return None
    if promised["logicalType"] == "array":
        return [value_of(promised["items"] | {"required": True}, one) for one in value]
    read, options = READ[promised["logicalType"]](value), promised.get("logicalTypeOptions", {})
    bits = BITS.get(options.get("format", ""))
    if bits is not None and not -(2 ** (bits - 1)) <= read < 2 ** (bits - 1):
        raise Broken(f"{read} needs more than {bits} bits")
    if "minimum" in options and read < options["minimum"]:
        raise Broken(f"{read} is below {options['minimum']}")
    if "maximum" in options and read > options["maximum"]:
        raise Broken(f"{read} is above {options['maximum']}")
    return read


@dataclass(frozen=True)
class ContractReader:
    """Reads the one version of a topic's messages that its contract has."""

    promised: dict[str, Any]
    schema: Any

    @classmethod
    def of(cls, topic: str) -> "ContractReader":
        contract = yaml.safe_load((CONTRACTS / f"{topic}.odcs.yaml").read_text())
        (promised,) = contract["schema"]
        version = contract["version"].split(".")[0]
        schema = json.loads((CONTRACTS / "topics" / f"{topic}.v{version}.schema.json").read_text())
        return cls(promised, jsonschema_rs.validator_for(schema, validate_formats=True))

    def _said(self, name: str) -> Any:
        """What the contract says under a name of ours."""
        return next(
            one["value"] for one in self.promised["customProperties"] if one["property"] == name
        )

    def row(self, key: bytes | None, value: bytes | None) -> dict[str, Any]:
        """A message as a row of typed values.

        Raises:
            Broken: it is not what contract or schema promise.
        """
        if value is None or len(value) > self._said("maxValueBytes"):
            raise Broken("no value, or one that is too large")
        sent = json.loads(value)
        for error in self.schema.iter_errors(sent):
            raise Broken(error.message)
        columns = {one["name"]: one for one in self.promised["properties"]}
        if set(sent) != set(columns):
            raise Broken(f"fields {sorted(set(sent) ^ set(columns))} are missing or unknown")
        if key is None or key.decode() != sent[self._said("key")]:
            raise Broken(f"the key {key!r} is not the message's {self._said('key')}")
        row = {}
        for name, one in columns.items():
            try:
                row[name] = value_of(one, sent[name])
            except (Broken, ValueError) as error:
                raise Broken(f"{name}: {error}") from error
        return row

    def newest(self, rows: Iterable[dict[str, Any]]) -> dict[tuple[Any, ...], dict[str, Any]]:
        """The table that the rows, in the topic's order, make: by key the newest revision wins."""
        keys = [one["name"] for one in self.promised["properties"] if one.get("primaryKey")]
        found: dict[tuple[Any, ...], dict[str, Any]] = {}
        for row in rows:
            key = tuple(row[name] for name in keys)
            if key not in found or row["revision"] >= found[key]["revision"]:
                found[key] = row
        return found
