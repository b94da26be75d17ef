"""The client: the operations of the API with the settings of one server."""

from __future__ import annotations

import ssl

from .operations import Operations
from .retry import RetryPolicy


class Client(Operations):
    """A client of one server. Threads may share it; each has a connection of its own.

    url: where the server is, such as `http://127.0.0.1:8080`, with the path below which a proxy shows it, if any.
    key: the key of the API, sent as `X-API-Key`.
    timeout_s: how long one attempt may wait for bytes. It must be more than the longest `wait_ms`.
    retry: which attempts follow one that failed.
    tls: how the server's certificate is checked; Python's default if it is absent.
    """

    def __init__(
        self,
        url: str = "http://127.0.0.1:8080",
        *,
        key: str | None = None,
        timeout_s: float = 15.0,
        retry: RetryPolicy = RetryPolicy(),
        tls: ssl.SSLContext | None = None,
    ) -> None:
        super().__init__(url, key, timeout_s, retry, tls)

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
