"""Recall, NDCG and time of Vitrine and of other programs on the same clicks, in one run. See `run`."""

import argparse
import csv
import json
import math
import resource
import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np
import scipy.sparse as sparse
from implicit.als import AlternatingLeastSquares

from peers import ImplicitAls, Popular, SessionKnn

CHAINS = ["co_views", "als"]


def read(files):
    clicks = []
    for file in files:
        with open(file, newline="") as text:
            rows = csv.reader(text, delimiter="\t")
            next(rows)
            clicks.extend((float(at), user, item) for user, item, at in rows)
    clicks.sort(key=lambda click: click[0])
    return clicks


def asks_before(clicks, start):
    """Each click, and whether it asks: from `start` on, an item that is new to a user who has clicked before."""
    seen = {}
    for at, user, item in clicks:
        items = seen.setdefault(user, set())
        yield at, user, item, at >= start and bool(items) and item not in items
        items.add(item)


def cpu_seconds():
    """CPU time of this process and of those that it has run to their end."""
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def scored(name, lists, wanted, seconds):
    hits = [items.index(item) + 1 for items, item in zip(lists, wanted) if item in items]
    recall, ndcg = len(hits) / len(wanted), sum(1 / math.log2(place + 1) for place in hits) / len(wanted)
    print(f"{name:24} {recall:9.4f} {ndcg:9.4f} {seconds:9.1f} {1e6 * seconds / len(wanted):12.0f}", flush=True)


def peer(method, clicks, start):
    lists, began = [], cpu_seconds()
    for at, user, item, asks in asks_before(clicks, start):
        if asks:
            lists.append(method.ask(user, at))
        method.learn(user, item, at)
    return lists, cpu_seconds() - began


def ours(vitrine, chain, directory, stream):
    out = directory / f"{chain}.jsonl"
    began = cpu_seconds()
    settings = ["--set", "models.als.threads=2"]
    subprocess.run([vitrine, "evaluate", "--stream", stream, "--out", out, "--chain", chain, *settings], check=True, stdout=subprocess.DEVNULL)
    seconds = cpu_seconds() - began
    with open(out) as lines:
        return [json.loads(line)["list"] for line in lines], seconds


def lists_of_all(vitrine, clicks, start):
    wanted = [item for _, _, item, asks in asks_before(clicks, start) if asks]
    print(f"{len(clicks)} clicks, {len(wanted)} asks\n")
    print(f"{'method':24} {'recall@10':>9} {'NDCG@10':>9} {'CPU s':>9} {'CPU us/ask':>12}")
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        stream = directory / "stream.jsonl"
        with open(stream, "w") as lines:
            for number, (at, user, item, asks) in enumerate(asks_before(clicks, start)):
                if asks:
                    lines.write(json.dumps({"ask": number, "user": user}) + "\n")
                lines.write(json.dumps({"view": [user, item, int(at * 1000)]}) + "\n")
        for chain in CHAINS:
            lists, seconds = ours(vitrine, chain, directory, stream)
            scored(f"Vitrine {chain}", lists, wanted, seconds)
    for method in [ImplicitAls(), SessionKnn(), Popular()]:
        lists, seconds = peer(method, clicks, start)
        scored(method.name, lists, wanted, seconds)


def pairs(users, items, count):
    """Pairs of a seed: popular items are common, and each user prefers items of one of a hundred groups."""
    random = np.random.default_rng(1)
    user = np.repeat(np.arange(users), count // users)
    popular = (items ** random.random(len(user))).astype(np.int64) - 1
    group = (user * 7919) % 100
    grouped = (popular // 100) * 100 + group
    item = np.where(random.random(len(user)) < 0.5, np.minimum(grouped, items - 1), popular)
    return sparse.csr_matrix((np.ones(len(user), np.float32), (user, item)), (users, items))


def iteration(train, few=1, many=4):
    """CPU seconds and seconds of an iteration: many iterations against few, so that reading and the start do not count."""
    used = []
    for iterations in (few, many):
        cpu, began = cpu_seconds(), time.monotonic()
        train(iterations)
        used.append((cpu_seconds() - cpu, time.monotonic() - began))
    return [(large - small) / (many - few) for small, large in zip(*used)]


def trainings(vitrine, count):
    """The time of an iteration with 64 factors on 50,000 users and 10,000 items, two threads each."""
    matrix = pairs(50_000, 10_000, count)
    matrix.data[:] = 1.0
    print(f"\n{matrix.nnz} pairs, 64 factors, two threads\n{'an iteration':24} {'CPU s':>9} {'seconds':>9}")

    def printed(name, train):
        cpu, seconds = iteration(train)
        print(f"{name:24} {cpu:9.2f} {seconds:9.2f}", flush=True)

    def implicit(use_cg):
        def train(iterations):
            model = AlternatingLeastSquares(factors=64, alpha=11.0, iterations=iterations, use_cg=use_cg, num_threads=2, random_state=1)
            model.fit(matrix, show_progress=False)
        return train

    printed("implicit, exact", implicit(False))
    printed("implicit, 3 steps of CG", implicit(True))
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        coordinates = matrix.tocoo()
        with open(directory / "views.jsonl", "w") as views:
            for user, item in zip(coordinates.row, coordinates.col):
                event = {"event_type": "view", "user_id": f"u{user}", "product_id": f"p{item}", "timestamp": "2026-11-19T12:00:00Z"}
                views.write(json.dumps(event) + "\n")

        def ours(iterations):
            settings = [f"files.dir={directory}", "models.als.threads=2", f"models.als.iterations={iterations}"]
            flags = [flag for setting in settings for flag in ("--set", setting)]
            train = [vitrine, "train", "--dir", directory / "models", "--until", "2026-11-20", *flags]
            subprocess.run(train, check=True, stdout=subprocess.DEVNULL)

        printed("Vitrine", ours)


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--vitrine", required=True)
    arguments.add_argument("--clicks", nargs="+", default=[])
    arguments.add_argument("--from", dest="start", type=float)
    arguments.add_argument("--pairs", type=int, default=1_900_000)
    given = arguments.parse_args()
    if given.clicks:
        clicks = read(given.clicks)
        start = given.start if given.start is not None else clicks[len(clicks) * 4 // 5][0]
        lists_of_all(given.vitrine, clicks, start)
    if given.pairs:
        trainings(given.vitrine, given.pairs)


main()
