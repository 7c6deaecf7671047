"""Vocabularies: sentences as tokens, and tokens as sentences."""

import collections
import dataclasses
from collections.abc import Iterable, Sequence

import numpy as np

PADDING, UNKNOWN = "", "\N{REPLACEMENT CHARACTER}"  # tokens 0 and 1
MAX_SIZE = 4096  # tokens; rarer ones are unknown


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
    def of(
        cls, sentences: Iterable[str], words: bool = False, length: int | None = None
    ) -> "Vocabulary":
        """The most frequent tokens of sentences, or of their first `length` tokens, after one for
        padding and one for unknown tokens."""
        counts = collections.Counter(t for one in sentences for t in split(one, words)[:length])
        ordered = sorted(counts, key=lambda token: (-counts[token], token))
        return cls((PADDING, UNKNOWN, *ordered[: MAX_SIZE - 2]), words)

    @classmethod
    def numbers(cls, levels: int) -> "Vocabulary":
        """Tokens without texts: they are shown as numbers."""
        return cls(tuple(map(str, range(levels))), words=True)

    def encode(self, sentences: Sequence[str], length: int) -> np.ndarray:
        """Sentences as tokens [N, length] int32; longer ones are cut, shorter ones padded.

        Where a vocabulary has no token for padding, or for unknown ones, its first token is used.
        """
        number = {token: n for n, token in enumerate(self.tokens)}
        padding = number.get(PADDING, 0)
        unknown = number.get(UNKNOWN, padding)
        encoded = np.full((len(sentences), length), padding, np.int32)
        for row, sentence in zip(encoded, sentences, strict=True):
            found = [number.get(t, unknown) for t in split(sentence, self.words)[:length]]
            row[: len(found)] = found
        return encoded

    @property
    def unit(self) -> str:
        """What sentences are split into: "words" or "characters"."""
        return "words" if self.words else "characters"

    def not_padding(self, tokens: np.ndarray) -> np.ndarray:
        """Which of tokens [...] are not padding, bool [...]."""
        return np.array([token != PADDING for token in self.tokens])[tokens]

    def one_hot(self, tokens: np.ndarray) -> np.ndarray:
        """Tokens [...] as vectors [..., V] float32."""
        return np.eye(len(self), dtype=np.float32)[tokens]

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
