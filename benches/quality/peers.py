"""The methods that Vitrine is compared with. Each has `learn(user, item, at)` and `ask(user, at)`, which returns ten items."""

from collections import Counter, defaultdict, deque

import numpy as np
import scipy.sparse as sparse
from implicit.als import AlternatingLeastSquares

SIZE = 10
DAY = 24 * 60 * 60


class Histories:
    """The items of each user, newest first, each once."""

    def __init__(self):
        self.items = defaultdict(list)

    def learn(self, user, item):
        items = self.items[user]
        if item in items:
            items.remove(item)
        items.insert(0, item)


class Popular:
    """The items with most clicks so far, without those of the user."""

    name = "popular"

    def __init__(self):
        self.clicks = Counter()
        self.histories = Histories()

    def learn(self, user, item, at):
        self.clicks[item] += 1
        self.histories.learn(user, item)

    def ask(self, user, at):
        seen = set(self.histories.items[user])
        best = self.clicks.most_common(SIZE + len(seen))
        return [item for item, _ in best if item not in seen][:SIZE]


class SessionKnn:
    """Nearest sessions (V-SKNN: Ludewig, Jannach 2018), kept up to date with each click.

    Neighbours: of the latest 1,000 sessions that share an item with the present one, the 100 with the largest sum of weights of
    the shared items; the newest item weighs most. An item scores the similarity of each neighbour that has it, by how recent the
    newest shared item is.
    """

    name = "session-kNN"
    sample, neighbours = 1000, 100

    def __init__(self):
        self.sessions_of = defaultdict(lambda: deque(maxlen=self.sample))
        self.histories = Histories()
        self.touched = {}
        self.clock = 0

    def learn(self, user, item, at):
        if item not in self.histories.items[user]:
            self.sessions_of[item].append(user)
        self.histories.learn(user, item)
        self.clock += 1
        self.touched[user] = self.clock

    def ask(self, user, at):
        own = self.histories.items[user]
        if not own:
            return []
        weight = {item: (len(own) - place) / len(own) for place, item in enumerate(own)}
        candidates = {other for item in own for other in self.sessions_of[item]}
        candidates.discard(user)
        latest = sorted(candidates, key=self.touched.__getitem__, reverse=True)[: self.sample]
        items = self.histories.items
        near = []
        for other in latest:
            shared = [item for item in items[other] if item in weight]
            near.append((sum(weight[item] for item in shared), max(weight[item] for item in shared), other))
        near.sort(key=lambda row: row[0], reverse=True)
        scores = Counter()
        for similarity, newest, other in near[: self.neighbours]:
            for item in items[other]:
                if item not in weight:
                    scores[item] += similarity * newest
        return [item for item, _ in scores.most_common(SIZE)]


class ImplicitAls:
    """implicit's ALS, trained at the first ask and daily; the user's factors follow from the present history by recency."""

    name = "implicit ALS"

    def __init__(self, factors=64, regularization=0.1, alpha=10.0, iterations=15, half_life=3.0, newest=30):
        self.parameters = dict(factors=factors, regularization=regularization, alpha=alpha, iterations=iterations)
        self.half_life, self.newest = half_life, newest
        self.histories = Histories()
        self.numbers, self.items = {}, []
        self.model, self.trained_on = None, None

    def learn(self, user, item, at):
        self.histories.learn(user, item)
        if item not in self.numbers:
            self.numbers[item] = len(self.items)
            self.items.append(item)

    def train(self):
        histories = [history for history in self.histories.items.values() if history]
        rows = np.repeat(np.arange(len(histories)), [len(history) for history in histories])
        columns = np.array([self.numbers[item] for history in histories for item in history])
        pairs = sparse.csr_matrix((np.ones(len(rows), np.float32), (rows, columns)), (len(histories), len(self.items)))
        # 1 is the confidence of all other pairs; implicit takes alpha times the value as the confidence.
        parameters = dict(self.parameters)
        pairs.data[:] = 1.0 + 1.0 / parameters["alpha"]
        self.model = AlternatingLeastSquares(random_state=1, num_threads=2, **parameters)
        self.model.fit(pairs, show_progress=False)

    def ask(self, user, at):
        if self.trained_on != at // DAY:
            self.train()
            self.trained_on = at // DAY
        known = self.model.item_factors.shape[0]
        history = self.histories.items[user]
        entries = [(self.numbers[item], place) for place, item in enumerate(history[: self.newest])]
        entries = [(number, 2.0 ** (-place / self.half_life)) for number, place in entries if number < known]
        if not entries:
            return []
        numbers, weights = zip(*entries)
        alpha = self.parameters["alpha"]
        values = np.array(weights, np.float32) + 1.0 / alpha
        row = sparse.csr_matrix((values, (np.zeros(len(numbers), int), numbers)), (1, known))
        seen = {self.numbers[item] for item in history}
        best, _ = self.model.recommend(0, row, N=SIZE + len(seen), recalculate_user=True, filter_already_liked_items=False)
        return [self.items[number] for number in best if number not in seen][:SIZE]
