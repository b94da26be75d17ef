"""Reads an archive with DuckDB and pyarrow; prints each reader's rows as JSON: reader, then rows sorted by their place."""

import glob
import json
import sys

import duckdb
import pyarrow as pa
import pyarrow.dataset
import pyarrow.json

COLUMNS = ["partition", "offset", "record_time", "key", "user_id", "product_id", "event_type", "session_id", "raw"]


def text(value):
    return value.hex() if isinstance(value, (bytes, bytearray)) else value


def show(reader, rows):
    rows = sorted([[text(value) for value in row] for row in rows], key=lambda row: (row[0], row[1]))
    print(json.dumps({"reader": reader, "rows": rows}))


def main(directory, extension):
    files = f"{directory}/views/*/*/*.{extension}"
    quoted = ", ".join(f'"{column}"' for column in COLUMNS)
    if extension == "parquet":
        millis = quoted.replace('"record_time"', 'epoch_ms("record_time")')
        source = f"read_parquet('{files}', hive_partitioning = true)"
        # The hour of the directory is the hour of the record.
        wrong = duckdb.sql(f"select count(*) from {source} where hour(record_time at time zone 'UTC') <> hour").fetchall()
        assert wrong == [(0,)], wrong
        show("duckdb", duckdb.sql(f"select {millis} from {source}").fetchall())
        table = pyarrow.dataset.dataset(f"{directory}/views", partitioning="hive").to_table()
        assert {"date", "hour"} <= set(table.column_names), table.column_names
        table = table.set_column(
            table.column_names.index("record_time"), "record_time", table["record_time"].cast(pa.int64())
        )
        show("pyarrow", zip(*(table[column].to_pylist() for column in COLUMNS)))
        return
    names = "{" + ", ".join(f"'{c}': '{'BIGINT' if c in ('partition', 'offset', 'record_time') else 'VARCHAR'}'" for c in COLUMNS) + "}"
    source = f"read_json('{files}', format = 'newline_delimited', compression = 'zstd', columns = {names})"
    show("duckdb", duckdb.sql(f"select {quoted} from {source}").fetchall())
    tables = []
    for file in glob.glob(files):
        with pa.input_stream(file, compression="zstd") as stream:
            tables.append(pyarrow.json.read_json(stream))
    table = pa.concat_tables(tables, promote_options="permissive")
    show("pyarrow", zip(*(table[column].to_pylist() for column in COLUMNS)))


main(*sys.argv[1:])
