"""Retries, errors, keys and connections, with a server of scripted answers."""

from __future__ import annotations

import json
import unittest
from typing import Any

from tests.fake_server import Answer, FakeServer, Request, problem
from vitrine import ApiError, Client, ConnectionFailed, NotFound, RetryPolicy, TooManyRequests, Unavailable, VitrineError
from vitrine.events import parse
from vitrine.retry import retry_after_s

HISTORY = Answer(200, {"user-id": "ada", "products": ["tea"], "type": "personalized", "as_of": "2026-11-20T10:15:00Z"})
BUSY = problem(503, "busy")


class TransportTest(unittest.TestCase):
    def setUp(self) -> None:
        self.pauses: list[float] = []

    def client(self, server: FakeServer, **settings: Any) -> Client:
        retry = RetryPolicy(attempts=4, base_s=0.1, pause_s_max=2.0, sleep=self.pauses.append, random=lambda: 1.0)
        return Client(server.url, retry=retry, **settings)

    def test_a_read_is_repeated_with_longer_pauses(self) -> None:
        with FakeServer(BUSY, Answer(0), BUSY, HISTORY) as server, self.client(server) as shop:
            self.assertEqual(shop.get_history("ada")["products"], ["tea"])
            self.assertEqual(len(server.requests), 4)
        self.assertEqual(self.pauses, [0.1, 0.2, 0.4])

    def test_attempts_are_bounded_and_the_last_error_is_raised(self) -> None:
        with FakeServer(BUSY) as server, self.client(server) as shop:
            with self.assertRaises(Unavailable) as raised:
                shop.get_history("ada")
            self.assertEqual((raised.exception.slug, len(server.requests)), ("busy", 4))

    def test_retry_after_is_the_least_pause_and_a_long_one_is_not_waited_for(self) -> None:
        limited = problem(429, "too-many-requests")
        limited.headers["Retry-After"] = "1"
        with FakeServer(limited, HISTORY) as server, self.client(server) as shop:
            shop.get_history("ada")
        self.assertEqual(self.pauses, [1.0])
        limited.headers["Retry-After"] = "3"
        with FakeServer(limited) as server, self.client(server) as shop:
            self.assertRaises(TooManyRequests, shop.get_history, "ada")
            self.assertEqual(len(server.requests), 1)

    def test_retry_after_holds_seconds_or_a_date(self) -> None:
        for value, least, most in [("7", 7, 7), (None, 0, 0), ("soon", 0, 0), ("-1", 0, 0)]:
            self.assertTrue(least <= retry_after_s(value) <= most, value)
        self.assertEqual(retry_after_s("Fri, 20 Nov 2015 10:15:00 GMT"), 0)
        self.assertGreater(retry_after_s("Fri, 20 Nov 2099 10:15:00 GMT"), 1e9)

    def test_a_write_is_sent_once(self) -> None:
        for answer in (BUSY, Answer(0)):
            with FakeServer(answer) as server, self.client(server) as shop:
                self.assertRaises(VitrineError, shop.post_events, {"event_type": "search", "user_id": "ada"})
                self.assertEqual(len(server.requests), 1)

    def test_removals_and_questions_are_repeated(self) -> None:
        with FakeServer(BUSY, Answer(204)) as server, self.client(server) as shop:
            shop.delete_history_product("ada", "tea")
            self.assertEqual([request.method for request in server.requests], ["DELETE", "DELETE"])
        with FakeServer(BUSY, Answer(200, {"products": []})) as server, self.client(server) as shop:
            shop.post_visitor_recommendations({"viewed": ["tea"]})
            self.assertEqual(json.loads(server.requests[1].body), {"viewed": ["tea"]})

    def test_a_bound_of_the_caller_is_not_waited_for_twice(self) -> None:
        with FakeServer(problem(503, "not-visible-yet")) as server, self.client(server) as shop:
            with self.assertRaises(Unavailable):
                shop.get_history("ada", after="t", wait_ms=5)
            self.assertEqual(server.requests[0].path, "/v1/users/ada/history?after=t&wait_ms=5")
            self.assertEqual(len(server.requests), 1)

    def test_problems_are_exceptions_with_their_members(self) -> None:
        with FakeServer(problem(422, "malformed-event", index=3, field="userid")) as server, self.client(server) as shop:
            with self.assertRaises(ApiError) as raised:
                shop.post_events([])
        error = raised.exception
        self.assertEqual((error.status, error.slug, error.index, error.field), (422, "malformed-event", 3, "userid"))
        self.assertIn("a detail", str(error))

    def test_an_error_that_is_no_problem_has_its_status_and_text(self) -> None:
        html = Answer(404, b"<h1>no</h1>", {"content-type": "text/html"})
        broken = Answer(404, b"{", {"content-type": "application/problem+json"})
        for answer, text in [(html, "<h1>no</h1>"), (broken, "{")]:
            with FakeServer(answer) as server, self.client(server) as shop:
                with self.assertRaises(NotFound) as raised:
                    shop.get_history("ada")
            self.assertEqual((raised.exception.slug, raised.exception.detail), ("", text))

    def test_nobody_listens(self) -> None:
        with FakeServer(HISTORY) as server:
            url = server.url
        with Client(url, retry=RetryPolicy(attempts=2, sleep=self.pauses.append)) as shop:
            self.assertRaises(ConnectionFailed, shop.get_history, "ada")
        self.assertEqual(len(self.pauses), 1)

    def test_ids_are_encoded_once(self) -> None:
        with FakeServer(HISTORY) as server, self.client(server) as shop:
            for user, path in [("a/b%?#é", "a%2Fb%25%3F%23%C3%A9"), ("..", ".."), (" ", "%20")]:
                shop.get_history(user)
                self.assertEqual(server.requests[-1].path, f"/v1/users/{path}/history")
            shop.get_legacy_history(user_id="é")
            self.assertEqual(server.requests[-1].headers["user-id"].encode("latin-1").decode(), "é")
            self.assertRaises(ValueError, shop.get_legacy_history, user_id="a\r\nx-api-key: b")

    def test_parameters_are_sent_only_when_they_are_given(self) -> None:
        with FakeServer(HISTORY) as server, self.client(server) as shop:
            shop.get_history("ada", limit=3, explain=True, max_staleness_ms=0)
            self.assertEqual(server.requests[-1].path, "/v1/users/ada/history?limit=3&explain=true&max_staleness_ms=0")

    def test_the_key_is_sent_with_every_request(self) -> None:
        with FakeServer(HISTORY) as server:
            with self.client(server, key="vt_1_secret") as shop:
                shop.get_history("ada")
            with self.client(server) as shop:
                shop.get_history("ada")
            self.assertEqual([one.headers.get("x-api-key") for one in server.requests], ["vt_1_secret", None])

    def test_a_path_before_the_api_is_kept(self) -> None:
        with FakeServer(HISTORY) as server, Client(server.url + "/shop/") as shop:
            shop.get_history("ada")
            self.assertEqual(server.requests[0].path, "/shop/v1/users/ada/history")
        for url in ("127.0.0.1:8080", "ftp://127.0.0.1", "http://"):
            self.assertRaises(ValueError, Client, url)

    def test_a_connection_is_kept_and_replaced_when_the_server_has_closed_it(self) -> None:
        accepted = Answer(202, {"accepted": 1, "token": "t"})
        with FakeServer(accepted) as server, self.client(server) as shop:
            for _ in range(3):
                shop.post_events({"event_type": "search", "user_id": "ada"})
            self.assertEqual(server.connections, 1)
        closed = Answer(202, {"accepted": 1, "token": "t"}, closes=True)
        with FakeServer(closed) as server, self.client(server) as shop:
            for _ in range(3):
                shop.post_events({"event_type": "search", "user_id": "ada"})
                connection = shop._of_thread.connection
                # The server closes after its answer: wait until that has arrived.
                connection.sock.settimeout(10)
                self.assertEqual(connection.sock.recv(1), b"")
            self.assertEqual((server.connections, len(server.requests)), (3, 3))

    def test_the_token_of_the_last_write_is_kept(self) -> None:
        row = Answer(201, {"product_id": "tea"}, {"vitrine-token": "of-a-row"})
        with FakeServer(HISTORY, Answer(202, {"accepted": 1, "token": "t"}), HISTORY, row) as server:
            with self.client(server) as shop:
                shop.get_history("ada")
                self.assertIsNone(shop.token)
                shop.post_events({"event_type": "search", "user_id": "ada"})
                shop.get_history("ada", after=shop.token)
                self.assertEqual((shop.token, server.requests[-1].path), ("t", "/v1/users/ada/history?after=t"))
                shop.request("POST", "/v1/products", body={"product_id": "tea"})
                self.assertEqual(shop.token, "of-a-row")

    def test_pages_are_followed_to_the_last_one(self) -> None:
        def page(request: Request) -> Answer:
            cursor = request.path.partition("cursor=")[2]
            following = {"": "1", "1": "2", "2": None}[cursor]
            return Answer(200, {"items": [f"{cursor}a", f"{cursor}b"], "next_cursor": following})

        with FakeServer(page) as server, self.client(server) as shop:
            def get(cursor: str | None) -> Any:
                return shop.request("GET", "/v1/things", "safe", in_query={"cursor": cursor}).value()

            self.assertEqual(list(shop._pages(get, "items")), ["a", "b", "1a", "1b", "2a", "2b"])
        with FakeServer(Answer(200, {"items": [], "next_cursor": "same"})) as server, self.client(server) as shop:
            self.assertRaises(VitrineError, list, shop._pages(get, "items"))

    def test_events_of_a_stream(self) -> None:
        text = b": hello\nretry: 5\n\nevent: status\nid: 7\ndata: {\"a\":\ndata: 1}\n\ndata:x\n\ndata: cut"
        with FakeServer(Answer(200, text, {"content-type": "text/event-stream"})) as server, self.client(server) as shop:
            first, second = shop.get_stream()
        self.assertEqual((first.type, first.id, first.json()), ("status", "7", {"a": 1}))
        self.assertEqual((second.type, second.id, second.data), ("message", "7", "x"))
        self.assertEqual(list(parse([b"data: a\r\n", b"\r\n"]))[0].data, "a")
        with FakeServer(BUSY) as server, self.client(server) as shop:
            self.assertRaises(Unavailable, list, shop.get_stream())


if __name__ == "__main__":
    unittest.main()
