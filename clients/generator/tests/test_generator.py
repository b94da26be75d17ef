"""The generator with a document that has what the API may have tomorrow."""

from __future__ import annotations

import contextlib
import importlib
import io
import json
import os
import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

HERE = Path(__file__).resolve().parent
GENERATOR = HERE.parent
CLIENTS = GENERATOR.parent
sys.path[:0] = [str(GENERATOR), str(CLIENTS / "python")]

from spec import Document  # noqa: E402
from tests.fake_server import Answer, FakeServer, Request, problem  # noqa: E402


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, str(GENERATOR), *arguments], capture_output=True, text=True, check=False)


class GeneratorTest(unittest.TestCase):
    def setUp(self) -> None:
        scratch = tempfile.TemporaryDirectory(prefix="vitrine-generator-")
        self.addCleanup(scratch.cleanup)
        self.out = Path(scratch.name)
        done = run(str(HERE / "tomorrow.json"), "--out", str(self.out))
        self.assertEqual(done.returncode, 0, done.stderr)

    def test_a_stale_file_is_named(self) -> None:
        document, out = str(HERE / "tomorrow.json"), str(self.out)
        self.assertEqual(run(document, "--out", out, "--check").returncode, 0)
        models = self.out / "clients/typescript/src/models.ts"
        models.write_text(models.read_text() + "// by hand\n")
        stale = run(document, "--out", out, "--check")
        self.assertEqual((stale.returncode, stale.stderr), (1, "clients/typescript/src/models.ts: is stale\n"))
        self.assertTrue(models.read_text().endswith("// by hand\n"), "a check changes nothing")

    def test_the_collection_names_every_operation_but_streams(self) -> None:
        text = (self.out / "docs/postman/vitrine.postman_collection.json").read_text()
        collection = json.loads(text)
        names = [request["name"] for folder in collection["item"] for request in folder["item"]]
        self.assertEqual(names, ["post_import", "post_things", "put_thing", "patch_thing", "get_things"])
        create = collection["item"][0]["item"][1]["request"]
        self.assertEqual(json.loads(create["body"]["raw"]), {"thing-id": "thing-1", "class": "big"})
        self.assertIn("{{url}}/v1/things/{{thing}}", text)

    def test_operations_call_what_the_document_says(self) -> None:
        with self.python_client() as package:
            pages = {"": "1", "1": None}

            def answer(request: Request) -> Answer:
                cursor = parse_qs(urlsplit(request.path).query).get("cursor", [""])[0]
                things = [{"thing-id": f"{cursor}a", "class": "big"}]
                return Answer(200, {"items": things, "next_cursor": pages[cursor]})

            with FakeServer(answer) as server, package.Client(server.url) as shop:
                found = [thing["thing-id"] for thing in shop.iterate_things(class_="big", limit=1)]
                paths = [request.path for request in server.requests]
            self.assertEqual(found, ["a", "1a"])
            self.assertEqual(paths, ["/v1/things?class=big&limit=1", "/v1/things?class=big&cursor=1&limit=1"])

            retry = package.RetryPolicy(sleep=lambda _: None)
            with FakeServer(problem(503, "busy"), Answer(201, {})) as server, package.Client(server.url, retry=retry) as shop:
                shop.post_things({"thing-id": "a", "class": "big"})
                keys = {request.headers["idempotency-key"] for request in server.requests}
                self.assertEqual((len(server.requests), len(keys)), (2, 1), "the same key goes with each attempt")

            with FakeServer(Answer(204)) as server, package.Client(server.url, retry=retry) as shop:
                shop.put_thing("a/b", {"thing-id": "a/b", "class": "big"}, if_match='"7"')
                shop.patch_thing("a", b'{"price-cents":1}')
                shop.post_import(b"a,b\n")
                put, patch, posted = server.requests
            self.assertEqual((put.path, put.headers["if-match"]), ("/v1/things/a%2Fb", '"7"'))
            self.assertEqual((patch.method, patch.headers["content-type"]), ("PATCH", "application/merge-patch+json"))
            self.assertEqual((posted.body, posted.headers["content-type"]), (b"a,b\n", "text/csv"))
            self.assertFalse(hasattr(shop, "get_page") or hasattr(shop, "get_things_2"))

    def test_python_is_typed(self) -> None:
        with self.python_client() as package:
            self.succeeds(sys.executable, "-m", "mypy", "--strict", "--cache-dir", os.environ.get("VITRINE_MYPY_CACHE", str(self.out / "mypy")), package.__path__[0])

    @unittest.skipUnless("VITRINE_TSC" in os.environ, "VITRINE_TSC names no compiler")
    def test_typescript_is_typed(self) -> None:
        directory = self.out / "typescript"
        shutil.copytree(CLIENTS / "typescript", directory, ignore=shutil.ignore_patterns("dist", "node_modules"))
        for path in (self.out / "clients/typescript/src").iterdir():
            shutil.copy(path, directory / "src" / path.name)
        self.succeeds(os.environ["VITRINE_TSC"], "-p", str(directory))
        compiled = (directory / "dist/operations.js").read_text()
        for method in ("iterateThings(", "postThings(", "putThing(", "getThingStream("):
            self.assertIn(method, compiled)

    def succeeds(self, *command: str) -> None:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def python_client(self) -> contextlib.AbstractContextManager[Any]:
        """The client with the operations of tomorrow, as a package of its own."""
        directory = self.out / "tomorrow"
        shutil.copytree(CLIENTS / "python/vitrine", directory / "vitrine_tomorrow")
        for path in (self.out / "clients/python/vitrine").iterdir():
            shutil.copy(path, directory / "vitrine_tomorrow" / path.name)

        @contextlib.contextmanager
        def imported() -> Any:
            sys.path.insert(0, str(directory))
            try:
                yield importlib.import_module("vitrine_tomorrow")
            finally:
                sys.path.remove(str(directory))
                for name in [name for name in sys.modules if name.startswith("vitrine_tomorrow")]:
                    del sys.modules[name]

        return imported()


class DocumentTest(unittest.TestCase):
    def test_a_call_is_repeated_only_where_it_has_its_effect_once(self) -> None:
        with (HERE / "tomorrow.json").open() as file:
            operations = Document(json.load(file)).operations()
        repeats = {operation.id: operation.repeat for operation in operations}
        self.assertEqual(
            repeats,
            {
                "post_import": "once", "get_thing_stream": "safe", "get_things": "safe", "post_things": "keyed",
                "patch_thing": "once", "put_thing": "idempotent",
            },
        )


if __name__ == "__main__":
    unittest.main()
