"""Generates the models and operations of the clients, and the Postman collection, from the OpenAPI document.

    python3 clients/generator URL|FILE            writes the files
    python3 clients/generator URL|FILE --check    exits with 1 and names each file that is stale
    python3 clients/generator URL|FILE --out DIR  writes below DIR instead of the checkout
"""

from __future__ import annotations

import argparse
import json
import sys
import urllib.request
from pathlib import Path

import postman
import python
import typescript
from spec import Document

ROOT = Path(__file__).resolve().parents[2]


def generate(document: Document) -> dict[str, str]:
    """The text of every generated file, by its path from the root of the checkout."""
    return {
        "clients/python/vitrine/models.py": python.models(document),
        "clients/python/vitrine/operations.py": python.operations(document),
        "clients/typescript/src/models.ts": typescript.models(document),
        "clients/typescript/src/operations.ts": typescript.operations(document),
        "docs/postman/vitrine.postman_collection.json": postman.collection(document),
    }


def read(source: str) -> Document:
    if source.startswith(("http://", "https://")):
        with urllib.request.urlopen(source, timeout=30) as answer:
            return Document(json.load(answer))
    return Document(json.loads(Path(source).read_text(encoding="utf-8")))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", help="the OpenAPI document: a URL or a file")
    parser.add_argument("--check", action="store_true", help="change nothing; fail if a file is stale")
    parser.add_argument("--out", type=Path, default=ROOT, help="the directory to write below")
    options = parser.parse_args()
    stale = []
    for name, text in generate(read(options.source)).items():
        path = options.out / name
        if path.is_file() and path.read_text(encoding="utf-8") == text:
            continue
        stale.append(name)
        if not options.check:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
    for name in stale:
        print(f"{name}: {'is stale' if options.check else 'written'}", file=sys.stderr)
    return 1 if stale and options.check else 0


if __name__ == "__main__":
    sys.exit(main())
