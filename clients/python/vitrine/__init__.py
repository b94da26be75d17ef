"""A client of Vitrine's HTTP API, with nothing but the standard library.

    Client ─ operations (generated) ─ transport ─ connections
                └ models (generated)     ├ retry: what is sent again, and when
                                         └ errors: problems as exceptions
"""

from . import models
from .client import Client
from .errors import (
    ApiError,
    BadRequest,
    Conflict,
    ConnectionFailed,
    Forbidden,
    InvalidBody,
    NotFound,
    PreconditionFailed,
    TooManyRequests,
    Unauthorized,
    Unavailable,
    VitrineError,
)
from .events import ServerSentEvent
from .retry import RetryPolicy
from .transport import Response

__all__ = [
    "ApiError",
    "BadRequest",
    "Client",
    "Conflict",
    "ConnectionFailed",
    "Forbidden",
    "InvalidBody",
    "NotFound",
    "PreconditionFailed",
    "Response",
    "RetryPolicy",
    "ServerSentEvent",
    "TooManyRequests",
    "Unauthorized",
    "Unavailable",
    "VitrineError",
    "models",
]
