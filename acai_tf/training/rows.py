"""Rows of a table as elements: flattened images or signals, or tokens."""

import math

import numpy as np

from acai_tf.data.dataset import MAX_TOKENS
from acai_tf.data.vocabulary import Vocabulary, most_likely


class Images:
    """Rows [N, H * W * C], which networks see in [-1, 1], in the middle of black squares.

    Args:
        shape: (height, width, channels).
        low, high: the values of black and white.
    """

    units = vocabulary = None  # of the model

    def __init__(self, shape: tuple[int, ...], low, high):
        self.shape, self.low, self.high = shape, low, high

    @staticmethod
    def range_of(X: np.ndarray, shape: tuple[int, ...]) -> tuple:
        """The range of the values of all rows."""
        low, high = float(X.min()), float(X.max())
        return low, high if high > low else low + 1

    def elements(self, X: np.ndarray, side: int) -> np.ndarray:
        """Rows [N, features] as elements [N, side, side, C]; missing pixels are black."""
        images = np.full((len(X), side, side, self.shape[-1]), -1, np.float32)
        flat = np.full((len(X), math.prod(self.shape)), -1, np.float32)
        flat[:, : X.shape[1]] = np.clip((X - self.low) / (self.high - self.low), 0, 1) * 2 - 1
        rows, columns = self._window(side)
        images[:, rows, columns] = flat.reshape(-1, *self.shape)
        return images

    def rows(self, images: np.ndarray) -> np.ndarray:
        """What a model makes, as rows."""
        rows, columns = self._window(images.shape[1])
        flat = images[:, rows, columns].reshape(len(images), -1)
        return (np.clip(flat, -1, 1) + 1) / 2 * (self.high - self.low) + self.low

    def _window(self, side: int) -> tuple[slice, slice]:
        """The rows and columns of the original image within the padded one."""
        height, width, _ = self.shape
        top, left = (side - height) // 2, (side - width) // 2
        return slice(top, top + height), slice(left, left + width)


class Signals:
    """Rows [N, T * C], which networks see in [-1, 1]; the last sample is repeated.

    Args:
        shape: (length, channels).
        low, high: the values that are -1 and 1, of each channel [C] or of all.
    """

    vocabulary = None

    def __init__(self, shape: tuple[int, ...], low, high):
        self.shape = shape
        low, high = (np.broadcast_to(end, shape[-1:]) for end in (low, high))
        self.units = (low + high) / 2, (high - low) / 2

    @staticmethod
    def range_of(X: np.ndarray, shape: tuple[int, ...]) -> tuple:
        """The range of each channel; that of a constant one is 2 wide."""
        channels = X.reshape(-1, shape[-1])
        low, high = channels.min(0).astype(float), channels.max(0).astype(float)
        constant = low == high
        return low - constant, high + constant

    def elements(self, X: np.ndarray, side: int) -> np.ndarray:
        """Rows as signals [N, side, C], in their own units."""
        signals = X.reshape(-1, *self.shape).astype(np.float32)
        return np.pad(signals, ((0, 0), (0, side - self.shape[0]), (0, 0)), "edge")

    def rows(self, signals: np.ndarray) -> np.ndarray:
        """What a model makes, as rows."""
        return signals[:, : self.shape[0]].reshape(len(signals), -1)


class Tokens:
    """Rows [N, T] of whole numbers from 0; the last token is repeated.

    Args:
        shape: (length,).
        low, high: 0 and the largest token.
    """

    units = None

    def __init__(self, shape: tuple[int, ...], low, high):
        if low != 0 or high != int(high) or high >= MAX_TOKENS:
            raise ValueError(
                "tokens are whole numbers from 0 on, and value_range is (0, the largest, at most"
                f" {MAX_TOKENS - 1}); got {(low, high)}"
            )
        self.shape, self.vocabulary = shape, Vocabulary.numbers(int(high) + 1)

    @staticmethod
    def range_of(X: np.ndarray, shape: tuple[int, ...]) -> tuple:
        """Zero and the largest token."""
        return 0, max(1, X.max())

    def elements(self, X: np.ndarray, side: int) -> np.ndarray:
        """Rows as tokens [N, side]."""
        tokens = X.astype(np.int32)
        if (tokens != X).any() or tokens.min() < 0 or tokens.max() >= len(self.vocabulary):
            raise ValueError(f"tokens are whole numbers from 0 to {len(self.vocabulary) - 1}")
        return np.pad(tokens, ((0, 0), (0, side - self.shape[0])), "edge")

    def rows(self, probabilities: np.ndarray) -> np.ndarray:
        """The most likely tokens of what a model makes, as rows."""
        return most_likely(probabilities)[:, : self.shape[0]]


KINDS = {3: Images, 2: Signals, 1: Tokens}  # by the length of their shapes
