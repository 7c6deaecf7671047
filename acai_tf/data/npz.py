"""Images, signals or tokens in one .npz file: your own, or any dataset's, for a machine without
TensorFlow.

train_images, test_images  [N, H, W, C] or [N, H, W] uint8, C = 1 or 3; signals [N, T, C] or [N, T],
                           floats in any unit; tokens [N, T], integers
train_labels, test_labels  integers [N]; absent where there are no classes
vocabulary, words          of tokens: texts [V], and whether they are words; absent for numbers

`acai-tf data mnist --npz=mnist.npz` writes such a file.
"""

import contextlib
import os
import pathlib

import numpy as np

from acai_tf.config import Config
from acai_tf.data.cache import free_memory
from acai_tf.data.dataset import SPLITS, ArrayDataset, are_sequences, from_arrays
from acai_tf.errors import UsageError
from acai_tf.files import read_npz, replacing


def load(config: Config) -> ArrayDataset:
    """The file named by `config.dataset`, npz:<file>.

    Raises:
        UsageError: it cannot be read, or an array in it is missing or wrong.
    """
    path = pathlib.Path(config.dataset.partition(":")[2])
    if not os.path.isfile(path):  # reading a pipe would block
        raise UsageError(
            f"there is no file {path}; acai-tf data <dataset> --npz={path.name} writes one"
        )
    try:
        arrays = read_npz(path, most=free_memory())
    except Exception as error:  # zipfile and numpy raise many kinds
        raise UsageError(f"{path} is not a readable .npz ({error})") from error
    return from_arrays(arrays, config.dataset, str(path), config.scale_signals)


def holds_sequences(path: str) -> bool:
    """Whether a file holds signals or tokens, from its header; False if unreadable."""
    with (
        contextlib.suppress(Exception),
        np.load(path) as file,
        file.zip.open("train_images.npy") as member,
    ):
        version = np.lib.format.read_magic(member)
        reads = np.lib.format.read_array_header_1_0, np.lib.format.read_array_header_2_0
        shape, _, dtype = reads[version[0] - 1](member)
        return are_sequences(dtype, shape)
    return False


def save(dataset: ArrayDataset, path: pathlib.Path) -> None:
    """Write a dataset as such a file, atomically."""
    names = [f"{split}_{what}" for split in SPLITS for what in ("images", "labels")]
    with replacing(path) as partial, open(partial, "wb") as file:
        arrays = {name: getattr(dataset, name) for name in names}
        if dataset.vocabulary is not None:
            arrays |= {"vocabulary": dataset.vocabulary.tokens, "words": dataset.vocabulary.words}
        np.savez_compressed(file, **arrays)
