"""Text: sentences as tokens, from a file with one a line, or the names of Unicode characters."""

import hashlib
import pathlib
import sys
import unicodedata

import numpy as np

from acai_tf.config import Config
from acai_tf.data.dataset import ArrayDataset
from acai_tf.data.vocabulary import PADDING, UNKNOWN, Vocabulary, split
from acai_tf.errors import UsageError

MIN_SENTENCES = 10
TEST_SHARE, MAX_TEST = 0.1, 5000  # of the sentences
# The first letters of general categories.
CATEGORIES = {
    "L": "letter",
    "M": "mark",
    "N": "number",
    "P": "punctuation",
    "S": "symbol",
    "Z": "separator",
    "C": "control",
}
# Characters whose names are only numbered begin with one of these.
_NUMBERED = ("CJK UNIFIED", "CJK COMPATIBILITY", "HANGUL SYLLABLE", "TANGUT", "NUSHU", "KHITAN")


def load(config: Config, vocabulary: Vocabulary | None = None) -> ArrayDataset:
    """The file named by `config.dataset`, text:<file>: UTF-8, one sentence a line.

    `vocabulary`: of a model that exists; None: that of the file.

    Raises:
        UsageError: it cannot be read, or has fewer than 10 different sentences.
    """
    path = pathlib.Path(config.dataset.partition(":")[2])
    try:
        if not path.is_file():  # reading a pipe would block
            raise FileNotFoundError("no such file")
        lines = path.read_text("utf-8-sig").split("\n")
    except (OSError, ValueError) as error:
        raise UsageError(f"{path} cannot be read as UTF-8 text ({error})") from error
    words = config.tokens == "words"
    return from_sentences(lines, config.dataset, words, config.length, str(path), None, vocabulary)


def names(config: Config, vocabulary: Vocabulary | None = None) -> ArrayDataset:
    """The names of Unicode characters that this Python knows; a class is a character's category."""
    named = {}
    for character in map(chr, range(sys.maxunicode + 1)):
        name = unicodedata.name(character, "")
        if name and not name.startswith(_NUMBERED):
            named[name] = list(CATEGORIES).index(unicodedata.category(character)[0])
    words = config.tokens == "words"
    source = f"Unicode {unicodedata.unidata_version}"
    return from_sentences(list(named), "names", words, config.length, source, named, vocabulary)


def from_sentences(
    sentences: list[str],
    name: str,
    words: bool,
    length: int,
    source: str,
    categories: dict[str, int] | None = None,
    vocabulary: Vocabulary | None = None,
) -> ArrayDataset:
    """A dataset of sentences; those for testing are the tenth with the smallest hashes.

    Args:
        sentences: repeated and empty ones are left out.
        name: of the dataset.
        words: split them into words, rather than characters.
        length: tokens of a sentence; longer ones are cut.
        source: where they are from, for messages.
        categories: sentence -> its class, if there are classes.
        vocabulary: None: that of the training sentences.

    Raises:
        UsageError: fewer than 10 different sentences.
    """
    kept = {}  # by their tokens: none is for training and for testing
    for sentence in sentences:
        whole = " ".join(sentence.split())
        kept.setdefault(tuple(split(whole, words)[:length]), whole)
    kept.pop((), None)
    if len(kept) < MIN_SENTENCES:
        raise UsageError(
            f"{source} has {len(kept)} different sentences; {MIN_SENTENCES} are needed"
        )
    ordered = sorted(kept.values(), key=lambda one: hashlib.sha256(one.encode()).digest())
    tests = min(MAX_TEST, max(1, int(TEST_SHARE * len(ordered))))
    splits = {"test": ordered[:tests], "train": ordered[tests:]}
    if vocabulary is None:
        vocabulary = Vocabulary.of(splits["train"], words, length)
    if cut := sum(len(split(whole, words)) > length for whole in kept.values()):
        many = f"{cut:,} of {len(kept):,} sentences"
        print(f"{source}: {many} are cut to {length} {vocabulary.unit} (--length)")
    arrays = {}
    for part, own in splits.items():
        arrays[f"{part}_images"] = vocabulary.encode(own, length)
        labels = [categories[one] if categories else 0 for one in own]
        arrays[f"{part}_labels"] = np.array(labels, np.int64)
    class_names = tuple(CATEGORIES.values()) if categories else ()
    known = len({*vocabulary.tokens} - {PADDING, UNKNOWN})
    where = f"{known:,} different {vocabulary.unit}"
    return ArrayDataset(name, (length,), class_names, **arrays, where=where, vocabulary=vocabulary)
