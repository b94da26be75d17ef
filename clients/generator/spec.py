"""What the clients need of an OpenAPI document: its operations and its named schemas.

    /openapi.json -> Document -> python.py, typescript.py, postman.py -> generated files
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

Schema = dict[str, Any]

# The answer of an operation, by the media type of its body.
JSON, TEXT, EVENTS, NOTHING = "json", "text", "events", "nothing"

# Whether a call may be sent again when its answer is not known.
SAFE, IDEMPOTENT, KEYED, ONCE = "safe", "idempotent", "keyed", "once"

# The types of every value.
ANY = frozenset({"null", "boolean", "number", "string", "array", "object"})

IDEMPOTENCY_KEY = "Idempotency-Key"


@dataclass(frozen=True)
class Parameter:
    """A parameter of a path, a query or a header."""

    name: str
    schema: Schema
    required: bool
    description: str


@dataclass(frozen=True)
class Body:
    """The body that an operation takes. A body that is not JSON is sent as the bytes that are given."""

    media_type: str
    schema: Schema
    required: bool

    @property
    def is_json(self) -> bool:
        return self.media_type == "application/json"


@dataclass(frozen=True)
class Operation:
    """One method at one path."""

    id: str
    method: str
    path: str
    tag: str
    summary: str
    in_path: list[Parameter]
    in_query: list[Parameter]
    in_header: list[Parameter]
    body: Body | None
    answer: str
    answer_schema: Schema
    # Every status that it can answer with.
    statuses: list[int]
    repeat: str
    # The property of the answer that holds the items of a page, where the operation takes a cursor.
    items: str | None = None
    items_schema: Schema = field(default_factory=dict)


class Document:
    """An OpenAPI document."""

    def __init__(self, document: dict[str, Any]) -> None:
        self._document = document
        self.schemas: dict[str, Schema] = dict(sorted(document.get("components", {}).get("schemas", {}).items()))

    def operations(self) -> list[Operation]:
        """The operations of the API, by path. Those that hand out pages for browsers are left out, and so are further
        paths to the same operation, whose ids end in a number."""
        found = [
            (path, method, operation)
            for path, methods in sorted(self._document["paths"].items())
            for method, operation in sorted(methods.items())
        ]
        ids = {operation["operationId"] for _, _, operation in found}
        kept = [self._operation(*one) for one in found if not _is_repeated(one[2]["operationId"], ids)]
        return [operation for operation in kept if operation is not None]

    def resolve(self, schema: Schema) -> Schema:
        """The schema itself, where it is a reference."""
        while "$ref" in schema:
            schema = self.schemas[name_of(schema["$ref"])]
        return schema

    def _operation(self, path: str, method: str, declared: dict[str, Any]) -> Operation | None:
        answer, answer_schema = _answer(declared["responses"])
        if answer is None:
            return None
        places: dict[str, list[Parameter]] = {"path": [], "query": [], "header": []}
        for parameter in declared.get("parameters", []):
            places[parameter["in"]].append(
                Parameter(
                    parameter["name"],
                    parameter.get("schema", {}),
                    parameter.get("required", False),
                    parameter.get("description", ""),
                )
            )
        items, items_schema = self._items(places["query"], answer_schema)
        return Operation(
            id=declared["operationId"],
            method=method.upper(),
            path=path,
            tag=(declared.get("tags") or ["other"])[0],
            summary=declared.get("summary", declared["operationId"]),
            in_path=places["path"],
            in_query=places["query"],
            in_header=places["header"],
            body=_body(declared.get("requestBody")),
            answer=answer,
            answer_schema=answer_schema,
            statuses=sorted(int(status) for status in declared["responses"] if status.isdigit()),
            repeat=_repeat(method, declared.get("x-scope"), places["header"]),
            items=items,
            items_schema=items_schema,
        )

    def _items(self, query: list[Parameter], answer: Schema) -> tuple[str | None, Schema]:
        properties = self.resolve(answer).get("properties", {}) if answer else {}
        if "next_cursor" not in properties or all(parameter.name != "cursor" for parameter in query):
            return None, {}
        lists = [(name, schema["items"]) for name, schema in properties.items() if "items" in schema]
        return lists[0] if len(lists) == 1 else (None, {})


def name_of(reference: str) -> str:
    """The name of the schema that a reference leads to."""
    return reference.rsplit("/", 1)[1]


def words(name: str) -> list[str]:
    """The words of a name, for another way of writing it: `user-id` and `userId` are both user, id."""
    return [word.lower() for word in re.findall(r"[A-Z]?[a-z0-9]+|[A-Z0-9]+", name)]


def _is_repeated(operation_id: str, ids: set[str]) -> bool:
    numbered = re.fullmatch(r"(.+)_\d+", operation_id)
    return numbered is not None and numbered.group(1) in ids


def _answer(responses: dict[str, Any]) -> tuple[str | None, Schema]:
    """The kind and the schema of the answer to a call that succeeds."""
    good = [response for status, response in sorted(responses.items()) if status.startswith("2")]
    content = {kind.split(";")[0]: body for response in good for kind, body in response.get("content", {}).items()}
    if "application/json" in content:
        return JSON, content["application/json"].get("schema", {})
    if "text/event-stream" in content:
        return EVENTS, {}
    if "text/html" in content:
        return None, {}
    return (TEXT if content else NOTHING), {}


def _body(declared: dict[str, Any] | None) -> Body | None:
    """The body, as JSON where the operation takes JSON."""
    if not declared:
        return None
    content = declared["content"]
    media_type = "application/json" if "application/json" in content else next(iter(content))
    return Body(media_type, content[media_type].get("schema", {}), declared.get("required", False))


def _repeat(method: str, scope: str | None, headers: list[Parameter]) -> str:
    """A POST that only reads is as safe as a GET. One that takes an idempotency key has its effect once."""
    if method in ("get", "head") or (method == "post" and scope == "read"):
        return SAFE
    if method in ("put", "delete"):
        return IDEMPOTENT
    takes_key = any(parameter.name.lower() == IDEMPOTENCY_KEY.lower() for parameter in headers)
    return KEYED if takes_key else ONCE
