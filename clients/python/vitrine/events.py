"""Server-sent events, as the server's streams send them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class ServerSentEvent:
    """One event of a stream."""

    type: str
    data: str
    # The id of the last event that had one; a later call can go on from there.
    id: str

    def json(self) -> Any:
        """The data, read as JSON."""
        return json.loads(self.data)


def parse(lines: Iterable[bytes]) -> Iterator[ServerSentEvent]:
    """The events in the lines of a stream; comments and the field `retry` are passed over."""
    last_id, event_type, data = "", "message", list[str]()
    for raw in lines:
        line = raw.decode("utf-8", errors="replace").rstrip("\r\n")
        if not line:
            if data:
                yield ServerSentEvent(event_type, "\n".join(data), last_id)
            event_type, data = "message", []
            continue
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "data":
            data.append(value)
        elif name == "event":
            event_type = value
        elif name == "id" and "\0" not in value:
            last_id = value
