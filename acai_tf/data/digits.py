"""scikit-learn's handwritten digits: real images without a download."""

import numpy as np

from acai_tf.config import Config
from acai_tf.data.dataset import ArrayDataset

TRAIN_IMAGES = 1437  # four fifths of 1,797


def load(config: Config) -> ArrayDataset:
    """8x8 digits of 17 grey levels, enlarged to --image_size; 1,437 for training, 360 for tests."""
    from PIL import Image
    from sklearn.datasets import load_digits  # takes seconds to import

    size = config.image_size
    digits = load_digits()
    grey = np.round(digits.images * (255 / 16)).astype(np.uint8)
    large = [Image.fromarray(g).resize((size, size), Image.Resampling.BILINEAR) for g in grey]
    images = np.stack(large)[..., None]
    labels = digits.target.astype(np.int64)
    # Digits are ordered by writer: the test images are of other writers.
    train, test = slice(TRAIN_IMAGES), slice(TRAIN_IMAGES, None)
    return ArrayDataset(
        name="digits",
        image_shape=(size, size, 1),
        class_names=tuple("0123456789"),
        test_images=images[test],
        test_labels=labels[test],
        train_images=images[train],
        train_labels=labels[train],
    )
