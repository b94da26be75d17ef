"""The files of an archive that count, from their names alone.

While `vitrine archive compact` runs, or after it was killed, records are in small files and in merged ones. The names say which
files count: docs/archive.md, "The names are the position". Works with any list of names, of a directory or of a bucket.
"""

import re
from collections import defaultdict
from pathlib import Path

NAME = re.compile(
    r"(?:.*/)?(?P<topic>[^/]+)/date=[^/]+/hour=[^/]+/"
    r"(?P<partition>\d+)-(?P<first>\d+)-(?P<last>\d+)(?P<part>\.part)?\.(?P<format>parquet|jsonl\.zst)"
)


def of_directory(directory, format="parquet"):
    """The paths of the files of one format that count in a directory."""
    names = (path.as_posix() for path in Path(directory).glob(f"*/*/*/*.{format}"))
    return counting(names)


def counting(names):
    """Those of these names that count, sorted. Names of another form are left out."""
    partitions = defaultdict(lambda: defaultdict(list))
    for name in names:
        if found := NAME.fullmatch(name):
            segment = (int(found["first"]), int(found["last"]), found["format"])
            partitions[found["topic"], found["partition"]][segment].append((found["part"] is None, name))
    return sorted(name for segments in partitions.values() for name in _of_partition(segments))


def _of_partition(segments):
    # A segment without its closing file is not complete.
    complete = {segment: files for segment, files in segments.items() if any(closing for closing, _ in files)}
    # The longest of several segments with the same first offset comes first.
    ordered = sorted(complete, key=lambda segment: (segment[0], -segment[1], segment[2] != "parquet"))
    chosen = _chain(ordered)
    # What is not in the chain counts only if the chain does not hold its offsets: two archivers may have written it.
    held = [(first, last) for first, last, _ in chosen]
    chosen += [segment for segment in ordered if segment not in chosen and not _holds(held, segment)]
    return [name for segment in chosen for _, name in complete[segment]]


def _chain(ordered):
    """The segments that follow each other and reach furthest, from each first offset that is not in the chain before."""
    best = {}
    for segment in reversed(ordered):
        first, last, _ = segment
        end = best[last + 1][0] if last + 1 in best else last
        if first not in best or end >= best[first][0]:
            best[first] = (end, segment)
    chain, after = [], -1
    for first in sorted(best):
        if first > after:
            segment = best[first][1]
            chain.append(segment)
            after = segment[1]
    return chain


def _holds(ranges, segment):
    offset = segment[0]
    while offset <= segment[1]:
        end = next((last for first, last in ranges if first <= offset <= last), None)
        if end is None:
            return False
        offset = end + 1
    return True
