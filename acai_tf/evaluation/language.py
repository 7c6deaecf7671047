"""Language: are sentences between two sentences likely ones, and evenly apart?"""

import collections

import numpy as np

from acai_tf.data.vocabulary import Vocabulary
from acai_tf.evaluation.context import STEPS, Context
from acai_tf.kinds import TOKENS

SCORES = {
    "text_perplexity": ("perplexity of test sentences", ""),
    "perplexity": ("perplexity of interpolated sentences", "lower"),
    "splice_perplexity": ("perplexity of spliced sentences", ""),
    "reverse_perplexity": ("perplexity of test sentences by interpolated ones", "lower"),
    "edit_smoothness": ("edit smoothness, 0 even", "lower"),
}
ORDERS = {True: 3, False: 5}  # of n-grams, by whether tokens are words
END = -1
EDITS = 256 * 32**2  # pairs of tokens compared in a step, at most, for edit distances


class NGrams:
    """An n-gram model with the smoothing of Witten and Bell (1991).

    p(w | h) = (c(hw) + n(h) p(w | h')) / (c(h) + n(h)), where n(h) is the number of different
    tokens seen after h, and h' is h without its first token; before the shortest, p is uniform.

    Args:
        sentences: lists of tokens.
        order: n.
        levels: number of tokens.
    """

    def __init__(self, sentences: list[list[int]], order: int, levels: int):
        self.order, self.levels = order, levels
        self.counts = collections.defaultdict(collections.Counter)
        for sentence in sentences:
            for history, token in self._grams(sentence):
                for start in range(len(history) + 1):
                    self.counts[history[start:]][token] += 1
        self.totals = {history: own.total() for history, own in self.counts.items()}

    def perplexity(self, sentences: list[list[int]]) -> float:
        """exp of the mean negative log-likelihood per token, a sentence's end included."""
        grams = collections.Counter(g for sentence in sentences for g in self._grams(sentence))
        log = sum(count * np.log(self._probability(*gram)) for gram, count in grams.items())
        return float(np.exp(-log / grams.total()))

    def _grams(self, sentence):
        tokens = (*[END] * (self.order - 1), *sentence, END)
        n = self.order - 1
        return [(tokens[i - n : i], tokens[i]) for i in range(n, len(tokens))]

    def _probability(self, history, token) -> float:
        p = 1 / (self.levels + 1)  # the end is a token too
        for start in range(len(history), -1, -1):
            if own := self.counts.get(history[start:]):
                p = (own[token] + len(own) * p) / (self.totals[history[start:]] + len(own))
        return p


def sentences(tokens: np.ndarray, vocabulary: Vocabulary) -> list[list[int]]:
    """Tokens [N, T] as lists without padding."""
    shown = vocabulary.not_padding(tokens)
    return [list(row[keep]) for row, keep in zip(tokens, shown, strict=True)]


def edit_distance(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Levenshtein distances of sentences [N, T] and [N, T], padding included, [N]."""
    count, length = a.shape
    above = np.tile(np.arange(length + 1), (count, 1))
    for i in range(length):
        row = np.empty_like(above)
        row[:, 0] = i + 1
        for j in range(length):
            replaced = above[:, j] + (a[:, i] != b[:, j])
            row[:, j + 1] = np.minimum(replaced, 1 + np.minimum(above[:, j + 1], row[:, j]))
        above = row
    return above[:, -1]


def edit_smoothness(paths: np.ndarray) -> float:
    """The largest step's share of all steps' edit distances, less an even share; [N, n, T] -> mean
    over the interpolations that change at all, NaN if none does."""
    steps = paths.shape[1] - 1
    ends = (part.reshape(-1, paths.shape[2]) for part in (paths[:, :-1], paths[:, 1:]))
    distance = edit_distance(*ends).reshape(-1, steps)
    total = distance.sum(axis=1)
    changed = total > 0
    share = distance[changed].max(axis=1) / total[changed]
    return float(np.mean(share)) - 1 / steps if changed.any() else float("nan")


def spliced(context: Context) -> np.ndarray:
    """Paths [pairs, 16, T] between test sentences in which a share t of the tokens, at random
    places, are those of the other end."""
    images, pairs = context.dataset.test_images, context.pairs
    first, last = images[:pairs, None], images[pairs : 2 * pairs, None]
    length = images.shape[1]
    order = np.random.default_rng(0).permuted(np.tile(np.arange(length), (pairs, 1)), axis=1)
    share = np.linspace(0, 1, STEPS)[:, None] * length
    return np.where(order[:, None] < share, last, first)


def evaluate(context: Context) -> dict[str, float]:
    """Perplexities of sentences, padding left out, under n-grams (5 characters, 3 words; Witten and
    Bell's smoothing) of up to 60,000 training sentences: of the test sentences, of the inner 14 of
    16 interpolated sentences between 256 pairs of them, and of splices, in which more and more
    tokens, at random places, are those of the other end.

    The reverse perplexity is of the test sentences, under n-grams of the interpolated ones: it is
    high where these are likely, but always the same. Edit smoothness: how far the largest edit
    distance from one sentence of an interpolation to the next is above an even one, as a share of
    their sum; of fewer interpolations where sentences are longer than 32 tokens.
    """
    context.check_kind(TOKENS)
    vocabulary, paths = context.dataset.vocabulary, context.paths
    order, levels = ORDERS[vocabulary.words], len(vocabulary)

    def inner(paths):
        return sentences(paths[:, 1:-1].reshape(-1, paths.shape[-1]), vocabulary)

    model = NGrams(sentences(context.train_images, vocabulary), order, levels)
    between, test = inner(paths), sentences(context.dataset.test_images, vocabulary)
    return {
        "text_perplexity": model.perplexity(test),
        "perplexity": model.perplexity(between),
        "splice_perplexity": model.perplexity(inner(spliced(context))),
        "reverse_perplexity": NGrams(between, order, levels).perplexity(test),
        "edit_smoothness": edit_smoothness(paths[: max(8, EDITS // paths.shape[2] ** 2)]),
    }
