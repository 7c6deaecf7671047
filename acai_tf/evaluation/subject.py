"""What is evaluated, and on what; codes are computed once and shared by all evaluators."""

import functools
from typing import TYPE_CHECKING

import numpy as np

from acai_tf.data.dataset import Dataset

if TYPE_CHECKING:
    from acai_tf.models.base import Autoencoder

TRAIN_CODES = 60_000  # of section 4.2; all of MNIST and CIFAR-10


class Subject:
    """A model at its present weights, and a dataset.

    Args:
        model: an `Autoencoder`.
        dataset: what its codes are taken of.
    """

    def __init__(self, model: "Autoencoder", dataset: Dataset):
        self.model, self.dataset = model, dataset

    @property
    def has_classes(self) -> bool:
        return self.dataset.classes > 1

    @functools.cached_property
    def train_codes(self) -> np.ndarray:
        """Codes of the first 60,000 training images, [N, d] float32."""
        return self._flat(self._train[0])

    @functools.cached_property
    def train_labels(self) -> np.ndarray:
        """Their labels, whole numbers [N]."""
        return self._train[1]

    @functools.cached_property
    def test_codes(self) -> np.ndarray:
        """Codes of all test images, [M, d] float32."""
        return self._flat(self.dataset.test_images)

    @functools.cached_property
    def _train(self):
        return self.dataset.train_once(TRAIN_CODES)

    def _flat(self, images) -> np.ndarray:
        codes = self.model.compiled_verb("encode")(images)
        return codes.reshape(len(codes), -1)
