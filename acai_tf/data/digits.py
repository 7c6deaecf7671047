"""scikit-learn's handwritten digits: real images without a download."""

import numpy as np
from PIL import Image
from sklearn.datasets import load_digits

from acai_tf.config import Config
from acai_tf.data.dataset import ArrayDataset, from_arrays

TRAIN_IMAGES = 1437  # four fifths of 1,797


def load(config: Config) -> ArrayDataset:
    """8x8 digits of 17 grey levels, enlarged to --image_size; 1,437 for training, 360 for tests."""
    size = config.image_size
    digits = load_digits()
    grey = np.round(digits.images * (255 / 16)).astype(np.uint8)
    large = [Image.fromarray(g).resize((size, size), Image.Resampling.BILINEAR) for g in grey]
    images, labels, n = np.stack(large), digits.target, TRAIN_IMAGES
    # Digits are ordered by writer: the test images are of other writers.
    return from_arrays((images[:n], labels[:n], images[n:], labels[n:]), "digits")
