"""The client and its example with the real program, whose address is in VITRINE_URL."""

from __future__ import annotations

import contextlib
import io
import os
import re
import unittest
from pathlib import Path

from vitrine import BadRequest, Client, InvalidBody, NotFound, Unauthorized, models

CHECKOUT = Path(__file__).resolve().parents[3]

URL = os.environ.get("VITRINE_URL", "")
KEY = os.environ.get("VITRINE_KEY")


def example(document: str) -> str:
    """The example in a document."""
    found = re.search(r"```python\n(.*?)```", (CHECKOUT / document).read_text(encoding="utf-8"), re.DOTALL)
    assert found is not None, f"{document} has no example in Python"
    return found.group(1)


class ExampleTest(unittest.TestCase):
    def test_the_documents_have_the_same_example_of_five_lines(self) -> None:
        self.assertEqual(example("clients/python/README.md"), example("docs/clients.md"))
        self.assertLessEqual(len(example("docs/clients.md").strip().split("\n")), 5)


@unittest.skipUnless(URL, "VITRINE_URL names no program")
class ProgramTest(unittest.TestCase):
    def setUp(self) -> None:
        self.shop = Client(URL, key=KEY)
        self.addCleanup(self.shop.close)

    def view(self, user: str, product: str) -> str:
        event: models.ClickstreamEvent = {"event_type": "view", "user_id": user, "product_id": product}
        return self.shop.post_events(event)["token"]

    def test_the_example_runs(self) -> None:
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(example("clients/python/README.md").replace('"http://127.0.0.1:8080"', f"{URL!r}, key={KEY!r}"), {})
        self.assertIn("product-1", printed.getvalue())

    def test_a_write_is_read_with_its_token_and_removed(self) -> None:
        for user, product in [("python", "p-1"), ("python/%2F é😀", "a/b?c#d%"), (".", ".."), ("a" * 256, "b")]:
            token = self.view(user, product)
            history = self.shop.get_history(user, after=token, limit=1, explain=True)
            self.assertEqual((history["user-id"], history["products"]), (user, [product]))
            self.shop.delete_history_product(user, product)
            self.assertEqual(self.shop.get_history(user)["products"], [])
            with self.assertRaises(NotFound) as raised:
                self.shop.delete_history_product(user, product)
            self.assertEqual(raised.exception.slug, "not-in-history")

    def test_ids_in_headers(self) -> None:
        token = self.view("é-header", "p-1")
        self.shop.get_history("é-header", after=token)
        self.assertEqual(self.shop.get_legacy_history(user_id="é-header")["products"], ["p-1"])

    def test_lists(self) -> None:
        sellers = self.shop.get_bestsellers(limit=3)
        self.assertEqual(len(sellers["products"]), 3)
        first = sellers["products"][0]["product"]
        category = self.shop.get_categories()["categories"][0]["category"]
        self.assertTrue(self.shop.get_category_bestsellers(category)["products"])
        self.assertIn("products", self.shop.get_recommendations("nobody"))
        asked = self.shop.post_visitor_recommendations({"viewed": [first], "context": "product", "limit": 2})
        self.assertLessEqual(len(asked["products"]), 2)

    def test_errors(self) -> None:
        with self.assertRaises(BadRequest) as wrong:
            self.shop.get_bestsellers(limit=0)
        self.assertEqual(wrong.exception.slug, "bad-parameter")
        with self.assertRaises(InvalidBody) as invalid:
            self.shop.post_events([{"event_type": "search", "user_id": "ada"}, {"event_type": "search", "user_id": ""}])
        self.assertEqual((invalid.exception.index, invalid.exception.field), (1, "user_id"))
        with self.assertRaises(NotFound) as unknown:
            self.shop.get_category_bestsellers("nope")
        self.assertEqual(unknown.exception.slug, "unknown-category")

    @unittest.skipUnless(KEY, "the program asks for no key")
    def test_a_key_that_is_missing_or_wrong(self) -> None:
        for key in (None, "vt_1_wrong"):
            with Client(URL, key=key) as shop:
                self.assertRaises(Unauthorized, shop.get_bestsellers)
                self.assertTrue(shop.get_livez()["live"])

    def test_operations(self) -> None:
        self.assertTrue(self.shop.get_livez()["live"] and self.shop.get_readyz()["ready"])
        self.assertIn("vitrine_ready", self.shop.get_metrics())
        stream = self.shop.get_stream()
        event = next(stream)
        stream.close()
        self.assertEqual((event.type, event.json()["version"]), ("status", self.shop.get_status()["version"]))


if __name__ == "__main__":
    unittest.main()
