"""Codes for scikit-learn: an autoencoder as a transformer, for its pipelines."""

import math
import random

import numpy as np
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from acai_tf.config import KIMG, Config
from acai_tf.data.dataset import ArrayDataset
from acai_tf.data.pipeline import pipeline
from acai_tf.models import build_model
from acai_tf.models.noise import seed_weights
from acai_tf.models.optimizer import adam
from acai_tf.training.checkpoints import weights
from acai_tf.training.watch import StopOnNonFinite


class LatentTransformer(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    """Trains an autoencoder in `fit` and gives codes in `transform`.

    Each row is an image, flat: [N, H * W * C]. It is put into the middle of the smallest image
    that the networks can halve down to `latent_width`.

    Args:
        model: the autoencoder (see acai_tf.models.MODELS).
        kimg: how long to train, in 1,024 images; a whole number of batches.
        depth, latent, latent_width: of the networks; codes have latent * latent_width^2 numbers.
        batch: images per step; fewer where there are fewer.
        lr: learning rate.
        seed: of everything random.
        image_shape: (height, width, colors); None: square and grey, the last row filled up.
        value_range: the numbers that are black and white; None: the smallest and the largest that
            `fit` sees.

    Attributes:
        model_: the trained `Autoencoder`.
        value_range_: as in use.
    """

    def __init__(
        self,
        model: str = "acai",
        kimg: float = 64,
        depth: int = 16,
        latent: int = 2,
        latent_width: int = 4,
        batch: int = 64,
        lr: float = 1e-3,
        seed: int = 0,
        image_shape: tuple[int, int, int] | None = None,
        value_range: tuple[float, float] | None = None,
    ):
        self.model, self.kimg, self.depth, self.latent = model, kimg, depth, latent
        self.latent_width, self.batch, self.lr, self.seed = latent_width, batch, lr, seed
        self.image_shape, self.value_range = image_shape, value_range

    def fit(self, X, y=None):
        """Train on images [N, H * W * C]; `y` is not looked at.

        Raises:
            ValueError: not numbers [N, features], too few features for `image_shape`, or a setting
                out of its range.
        """
        X = validate_data(self, X, dtype="numeric")
        self.value_range_ = self._range(X)
        self._shape = self.image_shape or (*[math.ceil(math.sqrt(X.shape[1]))] * 2, 1)
        if self.image_shape and math.prod(self.image_shape) != X.shape[1]:
            raise ValueError(f"image_shape={self.image_shape} is not that of {X.shape[1]} features")
        if not self.kimg > 0:
            raise ValueError(f"kimg must be greater than 0, got {self.kimg}")
        batch = min(self.batch, len(X))
        config = Config(
            model=self.model,
            depth=self.depth,
            latent=self.latent,
            latent_width=self.latent_width,
            batch=batch,
            lr=self.lr,
            seed=self.seed,
        )
        side = 2 * self.latent_width
        while side < max(self._shape[:2]):
            side *= 2
        images = self._images(X, side)
        none = np.zeros(len(images), np.int64)
        data = ArrayDataset("X", images.shape[1:], (), images, none, images, none)
        self.model_ = self._build(config, images.shape[1:])
        steps = max(1, round(self.kimg * KIMG / batch))
        self.model_.fit(
            pipeline(data, config, 0),
            steps_per_epoch=steps,
            callbacks=[StopOnNonFinite(0)],
            shuffle=False,
            verbose=0,
        )
        self._n_features_out = self.model_.code_size
        return self

    def transform(self, X):
        """Images [N, H * W * C] -> codes [N, d], float32."""
        check_is_fitted(self)
        X = validate_data(self, X, dtype="numeric", reset=False)
        images = self._images(X, self.model_.image_shape[0])
        codes = self.model_.compiled_method("encode")(images)
        return codes.reshape(len(codes), -1)

    def inverse_transform(self, Z):
        """Codes [N, d] -> images [N, H * W * C] in the range of `value_range_`."""
        check_is_fitted(self)
        Z = np.asarray(Z, np.float32)
        if Z.ndim != 2 or Z.shape[1] != self._n_features_out:
            raise ValueError(f"codes are [N, {self._n_features_out}], these are {list(Z.shape)}")
        Z = Z.reshape(-1, *self.model_.latent_shape)
        images = self.model_.compiled_method("decode")(Z)
        top, left, height, width = self._place(images.shape[1])
        images = images[:, top : top + height, left : left + width]
        low, high = self.value_range_
        flat = images.reshape(len(images), -1)[:, : self.n_features_in_]
        return (np.clip(flat, -1, 1) + 1) / 2 * (high - low) + low

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = []  # codes are float32 whatever images are
        return tags

    def __getstate__(self):
        """The weights as arrays: to unpickle, no code but this file's is run."""
        state = super().__getstate__().copy()
        if model := state.pop("model_", None):
            arrays = {name: np.asarray(v) for name, v in weights(model).items()}
            state["_saved"] = model.config.to_dict(), model.image_shape, arrays
        return state

    def __setstate__(self, state):
        state = state.copy()
        saved = state.pop("_saved", None)
        super().__setstate__(state)
        if saved:
            settings, image_shape, arrays = saved
            self.model_ = self._build(Config.from_dict(settings), image_shape)
            for name, variable in weights(self.model_).items():
                variable.assign(arrays[name])

    def _build(self, config: Config, image_shape):
        kept = random.getstate(), np.random.get_state()  # the caller's, which are not ours to set
        seed_weights(config.seed)
        try:
            model = build_model(config, tuple(image_shape), 0)
            model.compile(optimizer=adam(model, model.config.lr))
        finally:
            random.setstate(kept[0])
            np.random.set_state(kept[1])
        return model

    def _range(self, X) -> tuple[float, float]:
        """What is black and white, checked."""
        if self.value_range is None:
            low, high = float(X.min()), float(X.max())
            return low, high if high > low else low + 1.0
        low, high = (float(value) for value in self.value_range)
        if not (math.isfinite(low) and math.isfinite(high) and low < high):
            raise ValueError(f"value_range is (black, white), black < white; got {(low, high)}")
        return low, high

    def _images(self, X, side: int) -> np.ndarray:
        """Rows -> images as the networks take them, float32 [N, side, side, C]; black around."""
        low, high = self.value_range_
        height, width, colors = self._shape
        images = np.full((len(X), side, side, colors), -1, np.float32)
        flat = np.full((len(X), height * width * colors), -1, np.float32)
        flat[:, : X.shape[1]] = np.clip((X - low) / (high - low), 0, 1) * 2 - 1
        top, left, height, width = self._place(side)
        images[:, top : top + height, left : left + width] = flat.reshape(-1, *self._shape)
        return images

    def _place(self, side: int) -> tuple[int, int, int, int]:
        """Where the picture lies in the image: top, left, height, width."""
        height, width, _ = self._shape
        return (side - height) // 2, (side - width) // 2, height, width
