"""An autoencoder as a scikit-learn transformer."""

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

    Each row is a flattened image [H * W * C]. It is centered in the smallest image that the
    networks can halve down to `latent_width`.

    Args:
        model: the autoencoder (see acai_tf.models.MODELS).
        kimg: length of training in 1,024 images; a whole number of batches.
        depth, latent, latent_width: of the networks; codes have latent * latent_width^2 numbers.
        batch: images per step; fewer if there are fewer.
        lr: learning rate.
        seed: of everything random.
        image_shape: (height, width, channels); None: square and grey, the last row padded.
        value_range: the values of black and white; None: the smallest and largest in `fit`.

    Attributes:
        model_: the trained `Autoencoder`.
        value_range_: the range in use.
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
        """Train on images [N, H * W * C]; `y` is ignored.

        Raises:
            ValueError: not numbers [N, features], another number of features than `image_shape`
                has, or a setting out of its range.
        """
        X = validate_data(self, X, dtype="numeric")
        low, high = self.value_range or (X.min(), X.max() if X.max() > X.min() else X.min() + 1)
        self.value_range_ = low, high = float(low), float(high)
        if not (math.isfinite(low) and math.isfinite(high) and low < high):
            raise ValueError(f"value_range is (black, white), black < white; got {(low, high)}")
        self._shape = self.image_shape or (*[math.ceil(math.sqrt(X.shape[1]))] * 2, 1)
        if self.image_shape and math.prod(self.image_shape) != X.shape[1]:
            raise ValueError(f"image_shape={self.image_shape} is not that of {X.shape[1]} features")
        if not self.kimg > 0:
            raise ValueError(f"kimg must be greater than 0, got {self.kimg}")
        names = ("model", "depth", "latent", "latent_width", "lr", "seed")
        config = Config(
            batch=min(self.batch, len(X)), **{name: getattr(self, name) for name in names}
        )
        halvings = math.ceil(math.log2(max(self._shape[:2]) / self.latent_width))
        images = self._images(X, self.latent_width << max(1, halvings))
        labels = np.zeros(len(images), np.int64)
        data = ArrayDataset("X", images.shape[1:], (), images, labels, images, labels)
        self.model_ = self._build(config, images.shape[1:])
        self.model_.fit(
            pipeline(data, config, 0),
            steps_per_epoch=max(1, round(self.kimg * KIMG / config.batch)),
            callbacks=[StopOnNonFinite()],
            shuffle=False,
            verbose=0,
        )
        self._n_features_out = self.model_.code_size
        return self

    def transform(self, X):
        """Images [N, H * W * C] -> codes [N, d], float32."""
        check_is_fitted(self)
        X = validate_data(self, X, dtype="numeric", reset=False)
        codes = self.model_.compiled_method("encode")(self._images(X, self.model_.image_shape[0]))
        return codes.reshape(len(codes), -1)

    def inverse_transform(self, Z):
        """Codes [N, d] -> images [N, H * W * C] in `value_range_`."""
        check_is_fitted(self)
        Z = np.asarray(Z, np.float32)
        if Z.ndim != 2 or Z.shape[1] != self._n_features_out:
            raise ValueError(f"codes are [N, {self._n_features_out}], these are {list(Z.shape)}")
        images = self.model_.compiled_method("decode")(Z.reshape(-1, *self.model_.latent_shape))
        rows, columns = self._window(images.shape[1])
        flat = images[:, rows, columns].reshape(len(images), -1)[:, : self.n_features_in_]
        low, high = self.value_range_
        return (np.clip(flat, -1, 1) + 1) / 2 * (high - low) + low

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = []  # codes are always float32
        return tags

    def __getstate__(self):
        """Pickles the weights as arrays: unpickling runs only this file's code."""
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
        states = random.getstate(), np.random.get_state()  # the caller's, which Keras would reseed
        seed_weights(config.seed)
        try:
            model = build_model(config, tuple(image_shape), 0)
            model.compile(optimizer=adam(model, model.config.lr))
        finally:
            random.setstate(states[0])
            np.random.set_state(states[1])
        return model

    def _images(self, X, side: int) -> np.ndarray:
        """Rows -> images float32 [N, side, side, C] in [-1, 1], with black margins."""
        low, high = self.value_range_
        height, width, channels = self._shape
        images = np.full((len(X), side, side, channels), -1, np.float32)
        flat = np.full((len(X), height * width * channels), -1, np.float32)
        flat[:, : X.shape[1]] = np.clip((X - low) / (high - low), 0, 1) * 2 - 1
        rows, columns = self._window(side)
        images[:, rows, columns] = flat.reshape(-1, *self._shape)
        return images

    def _window(self, side: int) -> tuple[slice, slice]:
        """The rows and columns of the original image within the padded one."""
        height, width, _ = self._shape
        top, left = (side - height) // 2, (side - width) // 2
        return slice(top, top + height), slice(left, left + width)
