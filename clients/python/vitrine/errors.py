"""What a call can raise."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

PREFIX = "urn:vitrine:problem:"


class VitrineError(Exception):
    """A call failed."""


class ConnectionFailed(VitrineError):
    """The server could not be reached, or the connection ended before the answer did. `__cause__` says why."""


class ApiError(VitrineError):
    """The server answered with an error: a problem of RFC 9457."""

    def __init__(self, status: int, problem: Mapping[str, Any], headers: Mapping[str, str]) -> None:
        self.status = status
        # All members of the problem, those of this kind of problem among them.
        self.problem = problem
        # The header fields of the answer, by their names in lower case.
        self.headers = headers
        super().__init__(f"{status} {self.slug or self.title}: {self.detail}")

    @property
    def type(self) -> str:
        """`urn:vitrine:problem:` and a name that never changes."""
        return str(self.problem.get("type", "about:blank"))

    @property
    def slug(self) -> str:
        """The end of `type`, such as `unknown-category`; empty if the answer comes from something before the server."""
        return self.type[len(PREFIX) :] if self.type.startswith(PREFIX) else ""

    @property
    def title(self) -> str:
        """The kind of problem in words."""
        return str(self.problem.get("title", ""))

    @property
    def detail(self) -> str:
        """What is wrong with this request."""
        return str(self.problem.get("detail", ""))

    @property
    def field(self) -> str | None:
        """The field at fault, if there is one."""
        return self.problem.get("field")

    @property
    def index(self) -> int | None:
        """The index of the event or row at fault, if there is one."""
        return self.problem.get("index")


class BadRequest(ApiError):
    """400: the request is malformed."""


class Unauthorized(ApiError):
    """401: the key is missing or not valid."""


class Forbidden(ApiError):
    """403: the key does not allow this call."""


class NotFound(ApiError):
    """404: nothing is there."""


class Conflict(ApiError):
    """409: the state of the server does not allow this call."""


class PreconditionFailed(ApiError):
    """412: the resource has changed since it was read."""


class InvalidBody(ApiError):
    """422: the body cannot be used."""


class TooManyRequests(ApiError):
    """429: the key has made too many calls."""


class Unavailable(ApiError):
    """503: the server cannot answer now."""


BY_STATUS: dict[int, type[ApiError]] = {
    400: BadRequest,
    401: Unauthorized,
    403: Forbidden,
    404: NotFound,
    409: Conflict,
    412: PreconditionFailed,
    422: InvalidBody,
    429: TooManyRequests,
    503: Unavailable,
}


def error_of(status: int, reason: str, headers: Mapping[str, str], body: bytes) -> ApiError:
    """The exception for an answer. A proxy between client and server may answer without a problem."""
    problem: Mapping[str, Any] = {}
    if headers.get("content-type", "").startswith("application/problem+json"):
        try:
            problem = json.loads(body)
        except ValueError:
            problem = {}
    if not isinstance(problem, dict) or not problem:
        problem = {"type": "about:blank", "title": reason, "status": status, "detail": body[:200].decode(errors="replace")}
    return BY_STATUS.get(status, ApiError)(status, problem, headers)
