"""Prints the files of an archive that count, as the Python module and as the SQL of the documentation find them."""

import json
import re
import sys
from pathlib import Path

import duckdb

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "notebooks"))
sys.dont_write_bytecode = True

import archive_files  # noqa: E402


def by_sql(directory):
    text = (ROOT / "docs/archive.md").read_text(encoding="utf-8")
    sql = re.search(r"set variable files = .*?;", text, re.DOTALL)[0].replace("archive/*/", f"{directory}/*/")
    duckdb.execute(sql)
    return sorted(duckdb.sql("select unnest(getvariable('files'))").fetchall())


def main(directory):
    relative = lambda files: sorted(file.removeprefix(directory + "/") for file in files)
    print(json.dumps(relative(archive_files.of_directory(directory))))
    print(json.dumps(relative(file for (file,) in by_sql(directory))))


main(*sys.argv[1:])
