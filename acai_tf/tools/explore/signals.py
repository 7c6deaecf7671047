"""The page of signals: that of images, with curves of test signals."""

import numpy as np

from acai_tf.evaluation.figures import curves, normalized
from acai_tf.tools.explore.images import Images


class Signals(Images):
    """Signals of the test set, chosen by their numbers."""

    one = "signal"
    uploads = False
    blend = "blend"

    def _image(self, number: int) -> np.ndarray:
        """A test signal as the model takes it: [1, T, C]."""
        return self.images[int(number or 0) % len(self.images)][None]

    def _picture(self, signals: np.ndarray, zoom: int | None = None):
        """[rows, columns, T, C] or one row of them as one picture of their curves."""
        return super()._picture(curves(normalized(signals, self.images)), zoom)
