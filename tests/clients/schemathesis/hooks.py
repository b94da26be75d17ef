"""What JSON Schema cannot say about valid requests: a case that should be valid is changed where it breaks such a rule.

Cases that should be refused are left as they are.
"""

from __future__ import annotations

import functools
import json
import os
import urllib.error
import urllib.request
from typing import Any

import schemathesis

URL = os.environ["VITRINE_URL"]
KEY = os.environ["VITRINE_KEY"]

# Ids have at most so many bytes, where the schema counts characters.
ID_BYTES_MAX = 256

# An older list than this is answered with 503. Lists in the tests are fresh.
STALENESS_MS = 60_000


@schemathesis.hook
def before_call(context: schemathesis.HookContext, case: schemathesis.Case, kwargs: Any) -> None:
    if case.meta is None or case.meta.generation.mode.is_negative:
        return
    query = case.query or {}
    if "after" in query:
        try:
            query["after"] = token()
        except urllib.error.HTTPError:
            # The program has no log of events.
            del query["after"]
            query.pop("wait_ms", None)
    else:
        # It says how long to wait for `after`.
        query.pop("wait_ms", None)
    if "max_staleness_ms" in query:
        query["max_staleness_ms"] = max(int(query["max_staleness_ms"]), STALENESS_MS)
    if "users" in query:
        query["users"] = "ada,b\\,c"
    if isinstance(query.get("category"), str):
        query["category"] = cut(query["category"])
    for name, value in (case.path_parameters or {}).items():
        case.path_parameters[name] = cut(value) if isinstance(value, str) else value
    for name in ("user-id", "product-id"):
        if name in (case.headers or {}):
            # Headers are sent as Latin-1, a character for each byte.
            case.headers[name] = cut(case.headers[name]).encode().decode("latin-1")
    if "features" in query:
        query["features"] = ",".join(dict.fromkeys(query["features"].split(",")))
    if case.path == "/v1/events":
        case.body = events(case)
    if case.path == "/v1/features" and isinstance(case.body, dict):
        case.body = features(case.body)
    if case.path == "/v1/recommendations":
        case.body = plainer(case.body)


def features(body: dict[str, Any]) -> dict[str, Any]:
    """A question with ids of at most 256 bytes, as many products as users, and no more entries than are allowed."""
    body = plainer(body)
    if "products" in body:
        products = body["products"]
        body["products"] = [products[n % len(products)] for n in range(len(body["users"]))]
    if "limit" in body:
        body["limit"] = min(int(body["limit"]), 10_000 // len(body["users"]))
    return body


@functools.cache
def token() -> str:
    """The token of a write."""
    event = json.dumps({"event_type": "search", "user_id": "schemathesis"}).encode()
    request = urllib.request.Request(f"{URL}/v1/events", event, {"content-type": "application/json", "x-api-key": KEY})
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)["token"]


def cut(text: str) -> str:
    """An id of at most 256 bytes."""
    return text.encode()[:ID_BYTES_MAX].decode(errors="ignore")


def events(case: schemathesis.Case) -> Any:
    """Events without a time, which must be near the present."""
    if case.media_type == "application/x-ndjson":
        return '{"event_type":"search","user_id":"a"}\n{"event_type":"search","user_id":"b"}\n'
    return plainer(case.body)


def plainer(value: Any) -> Any:
    """A body without times and with ids that are short enough. 1.0 is an integer in JSON Schema, and none in the API."""
    if isinstance(value, dict):
        return {key: plainer(member) for key, member in value.items() if key != "timestamp"}
    if isinstance(value, list):
        return [plainer(item) for item in value]
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return cut(value) if isinstance(value, str) else value


@schemathesis.serializer("application/x-ndjson")
def lines(context: schemathesis.SerializationContext, value: Any) -> bytes:
    return value.encode() if isinstance(value, str) else json.dumps(value).encode()
