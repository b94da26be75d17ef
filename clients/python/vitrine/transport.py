"""Requests over connections that are kept open: one for each thread."""

from __future__ import annotations

import json
import selectors
import ssl
import threading
import uuid
from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from . import events
from .errors import ConnectionFailed, VitrineError, error_of
from .retry import RetryPolicy

Values = Mapping[str, Any]

# The field of an answer that holds the token of a write of rows.
TOKEN = "vitrine-token"


@dataclass(frozen=True)
class Response:
    """An answer that is not an error."""

    status: int
    # By their names in lower case.
    headers: Mapping[str, str]
    body: bytes

    def value(self) -> Any:
        """The body: JSON as Python's values, another text as it is, and None if there is none."""
        if not self.body:
            return None
        if self.headers.get("content-type", "").split(";")[0] == "application/json":
            return json.loads(self.body)
        return self.body.decode("utf-8")


class Transport:
    """Sends requests, repeats those that may be repeated, and turns errors into exceptions."""

    def __init__(
        self,
        url: str,
        key: str | None,
        timeout_s: float,
        retry: RetryPolicy,
        tls: ssl.SSLContext | None,
    ) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"the URL must begin with http:// or https:// and name a host: {url}")
        self._secure = parts.scheme == "https"
        self._host, self._port = parts.hostname, parts.port
        self._prefix = parts.path.rstrip("/")
        self._key, self._timeout_s, self._retry = key, timeout_s, retry
        self._tls = tls or (ssl.create_default_context() if self._secure else None)
        self._of_thread = threading.local()

    def request(
        self,
        method: str,
        path: str,
        repeat: str = "once",
        *,
        in_path: Values = {},
        in_query: Values = {},
        in_header: Values = {},
        body: Any = None,
        media_type: str = "application/json",
    ) -> Response:
        """Sends one request, as the operations do, and returns the whole answer with its header.

        `repeat` says whether the call may be sent again when its answer is not known: "safe" and "idempotent" may,
        "keyed" may because an idempotency key is sent with it, and "once" may not.
        """
        target = self._target(path, in_path, in_query)
        payload = _payload(body, media_type)
        headers = self._headers(in_header, None if payload is None else media_type)
        if repeat == "keyed":
            headers.setdefault("idempotency-key", str(uuid.uuid4()).encode())
        attempt = 1
        while True:
            try:
                return self._send(method, target, headers, payload)
            except VitrineError as error:
                pause_s = self._retry.pause_s(attempt, error) if repeat != "once" else None
                if pause_s is None:
                    raise
            self._retry.sleep(pause_s)
            attempt += 1

    @property
    def token(self) -> str | None:
        """The token of the last write of this thread, for `after`; None if there was none."""
        token: str | None = getattr(self._of_thread, "token", None)
        return token

    def close(self) -> None:
        """Closes the connection of this thread. The next call opens another one."""
        connection = self._of_thread.__dict__.pop("connection", None)
        if connection is not None:
            connection.close()

    def _call(self, method: str, path: str, repeat: str, **request: Any) -> Any:
        return self.request(method, path, repeat, **request).value()

    def _pages(self, page: Callable[[str | None], Any], items: str) -> Iterator[Any]:
        """The items of all pages. Each page names the cursor of the next one, and the last page names none."""
        cursor: str | None = None
        while True:
            answer = page(cursor)
            yield from answer[items]
            following = answer.get("next_cursor")
            if not following:
                return
            if following == cursor:
                raise VitrineError("the server named the same page as the next one")
            cursor = following

    def _stream(
        self, method: str, path: str, repeat: str, *, in_path: Values = {}, in_query: Values = {}, in_header: Values = {}
    ) -> Generator[events.ServerSentEvent, None, None]:
        """The events of a stream, over a connection of its own, until the server or the reader ends it."""
        connection = self._connect()
        headers = {"accept": b"text/event-stream", **self._headers(in_header, None)}
        try:
            answer = _exchange(connection, method, self._target(path, in_path, in_query), headers, None)
            if answer.status >= 400:
                raise error_of(answer.status, answer.reason, _fields(answer), answer.read())
            yield from events.parse(answer)
        except (OSError, HTTPException) as error:
            raise ConnectionFailed(f"the stream of {self._host} ended: {error}") from error
        finally:
            connection.close()

    def _send(self, method: str, target: str, headers: Mapping[str, bytes], payload: bytes | None) -> Response:
        try:
            connection = self._connection()
            answer = _exchange(connection, method, target, headers, payload)
            body = answer.read()
        except (OSError, HTTPException) as error:
            self.close()
            raise ConnectionFailed(f"{method} to {self._host} failed: {error}") from error
        if answer.status >= 400:
            raise error_of(answer.status, answer.reason, _fields(answer), body)
        response = Response(answer.status, _fields(answer), body)
        if method != "GET":
            self._of_thread.token = _token(response) or self.token
        return response

    def _connection(self) -> HTTPConnection:
        """The open connection of this thread, or a new one. A server closes connections that rest for long."""
        connection: HTTPConnection | None = getattr(self._of_thread, "connection", None)
        if connection is not None and connection.sock is not None and not _is_closed(connection):
            return connection
        self.close()
        self._of_thread.connection = connection = self._connect()
        return connection

    def _connect(self) -> HTTPConnection:
        if self._secure:
            return HTTPSConnection(self._host, self._port, timeout=self._timeout_s, context=self._tls)
        return HTTPConnection(self._host, self._port, timeout=self._timeout_s)

    def _headers(self, given: Values, media_type: str | None) -> dict[str, bytes]:
        headers = {name.lower(): str(value).encode() for name, value in given.items() if value is not None}
        if self._key is not None:
            headers["x-api-key"] = self._key.encode()
        if media_type is not None:
            headers["content-type"] = media_type.encode()
        return headers

    def _target(self, path: str, in_path: Values, in_query: Values) -> str:
        for name, value in in_path.items():
            path = path.replace("{" + name + "}", quote(str(value), safe=""))
        query = urlencode({name: _text(value) for name, value in in_query.items() if value is not None})
        return self._prefix + path + ("?" + query if query else "")


def _exchange(
    connection: HTTPConnection, method: str, target: str, headers: Mapping[str, bytes], payload: bytes | None
) -> HTTPResponse:
    connection.putrequest(method, target, skip_accept_encoding=True)
    for name, value in headers.items():
        connection.putheader(name, value)
    if payload is not None:
        connection.putheader("content-length", str(len(payload)))
    connection.endheaders(payload)
    return connection.getresponse()


def _is_closed(connection: HTTPConnection) -> bool:
    """Whether the server has closed a connection that rests, or has sent what nobody asked for."""
    with selectors.DefaultSelector() as selector:
        selector.register(connection.sock, selectors.EVENT_READ)
        return bool(selector.select(0))


def _fields(answer: HTTPResponse) -> dict[str, str]:
    return {name.lower(): value for name, value in answer.getheaders()}


def _token(response: Response) -> str | None:
    """The token of a write: in the header, or in the answer itself."""
    if TOKEN in response.headers:
        return response.headers[TOKEN]
    answer = response.value()
    token = answer.get("token") if isinstance(answer, dict) else None
    return token if isinstance(token, str) else None


def _payload(body: Any, media_type: str) -> bytes | None:
    if body is None or isinstance(body, bytes):
        return body
    if media_type != "application/json":
        raise TypeError(f"a body of the type {media_type} must be bytes")
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
