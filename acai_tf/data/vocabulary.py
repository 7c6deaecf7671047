"""Vocabularies: sentences as tokens, and tokens as sentences."""

import collections
import dataclasses
from collections.abc import Iterable, Sequence

import numpy as np

PADDING, UNKNOWN = "", "\N{REPLACEMENT CHARACTER}"  # tokens 0 and 1
LARGEST = 4096  # tokens; rarer ones are unknown


@dataclasses.dataclass(frozen=True)
class Vocabulary:
    """The texts of tokens 0, 1, ...

    Args:
        tokens: a word or a character each, or "" for none.
        words: whether sentences are split into words, rather than characters.

    Examples:
        >>> vocabulary = acai_tf.Vocabulary.of(["a cat", "a dog"], words=True)
        >>> tokens = vocabulary.encode(["a dog", "a bird"], length=4)
        >>> tokens.tolist()
        [[2, 4, 0, 0], [2, 1, 0, 0]]
        >>> vocabulary.text(tokens)
        ['a dog', 'a �']
    """

    tokens: tuple[str, ...]
    words: bool = False

    def __post_init__(self):
        object.__setattr__(self, "tokens", tuple(self.tokens))  # from JSON

    def __len__(self):
        return len(self.tokens)

    @classmethod
    def of(cls, sentences: Iterable[str], words: bool = False) -> "Vocabulary":
        """That of some sentences: their most frequent tokens, after one for padding and one for
        what is not among them."""
        counts = collections.Counter(t for one in sentences for t in split(one, words))
        ordered = sorted(counts, key=lambda token: (-counts[token], token))
        return cls((PADDING, UNKNOWN, *ordered[: LARGEST - 2]), words)

    @classmethod
    def numbers(cls, levels: int) -> "Vocabulary":
        """Tokens without texts: they are shown as numbers."""
        return cls(tuple(map(str, range(levels))), words=True)

    def encode(self, sentences: Sequence[str], length: int) -> np.ndarray:
        """Sentences as tokens [N, length] int32; longer ones are cut, shorter ones padded."""
        number = {token: n for n, token in enumerate(self.tokens)}
        unknown = number.get(UNKNOWN, 0)
        encoded = np.zeros((len(sentences), length), np.int32)
        for row, sentence in zip(encoded, sentences, strict=True):
            found = [number.get(t, unknown) for t in split(sentence, self.words)[:length]]
            row[: len(found)] = found
        return encoded

    def text(self, tokens: np.ndarray):
        """Tokens [..., T], or probabilities [..., T, V], as sentences: a string, or lists of them.

        Of probabilities, the most likely token is shown.
        """
        tokens = most_likely(tokens)
        if tokens.ndim > 1:
            return [self.text(one) for one in tokens]
        texts = (self.tokens[token] for token in tokens)
        return " ".join(filter(None, texts)) if self.words else "".join(texts)

    def to_dict(self) -> dict:
        """What JSON can hold of it."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, saved: dict | None) -> "Vocabulary | None":
        """What `to_dict` returned; None for None. Raises TypeError or KeyError for others."""
        if saved is None:
            return None
        return cls(tuple(map(str, saved["tokens"])), bool(saved["words"]))


def most_likely(tokens: np.ndarray) -> np.ndarray:
    """The most likely tokens [..., T] of probabilities [..., T, V]; integers as they are."""
    tokens = np.asarray(tokens)
    return np.argmax(tokens, -1) if np.issubdtype(tokens.dtype, np.floating) else tokens


def split(sentence: str, words: bool) -> list[str]:
    """A sentence's words, or its characters."""
    return sentence.split() if words else list(sentence)
