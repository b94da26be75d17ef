"""Which calls are sent again, and after how long."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime

from .errors import ApiError, ConnectionFailed, VitrineError

# Answers after which another attempt may succeed.
STATUSES = frozenset({429, 502, 503, 504})

# The caller has said how long to wait, or how old a list may be: another attempt would not be what was asked for.
NOT_REPEATED = ("not-visible-yet", "too-old")


@dataclass(frozen=True)
class RetryPolicy:
    """How often a call that may be repeated is sent, with longer and longer pauses between the attempts.

    The pause before attempt n + 1 is a random part of `base_s * 2**(n - 1)`, at most `pause_s_max`, and at least what the
    header `Retry-After` asks for. If that is more than `pause_s_max`, the call fails at once.
    """

    attempts: int = 4
    base_s: float = 0.1
    pause_s_max: float = 10.0
    sleep: Callable[[float], None] = time.sleep
    random: Callable[[], float] = random.random

    def pause_s(self, attempt: int, error: VitrineError) -> float | None:
        """The pause after attempt number `attempt`, from 1, has failed; None if there is no other attempt."""
        if attempt >= self.attempts or not is_passing(error):
            return None
        least = retry_after_s(error.headers.get("retry-after")) if isinstance(error, ApiError) else 0.0
        if least > self.pause_s_max:
            return None
        return max(least, self.random() * min(self.base_s * 2.0 ** (attempt - 1), self.pause_s_max))


def is_passing(error: VitrineError) -> bool:
    """Whether another attempt may succeed."""
    if isinstance(error, ApiError):
        return error.status in STATUSES and not error.slug.endswith(NOT_REPEATED)
    return isinstance(error, ConnectionFailed)


def retry_after_s(value: str | None) -> float:
    """The seconds of a header `Retry-After`, which holds seconds or a date; 0 if it is missing or neither."""
    if not value:
        return 0.0
    if value.isascii() and value.isdigit():
        return float(value)
    try:
        at = parsedate_to_datetime(value)
    except ValueError:
        return 0.0
    at = at if at.tzinfo else at.replace(tzinfo=timezone.utc)
    return max(0.0, (at - datetime.now(timezone.utc)).total_seconds())
