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
from acai_tf.training import rows
from acai_tf.training.checkpoints import weights
from acai_tf.training.watch import StopOnNonFinite


class LatentTransformer(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    """Trains an autoencoder in `fit` and gives codes in `transform`.

    Each row is a flattened image, a flattened signal, or tokens, as `image_shape` says. It is
    padded to the shortest sides that the networks can halve down to `latent_width`: images with
    black around them, signals and tokens with their last sample at the end.

    Args:
        model: the autoencoder (see acai_tf.models.MODELS).
        kimg: length of training in 1,024 rows; a whole number of batches.
        depth, latent, latent_width: of the networks; codes of images have latent * latent_width^2
            numbers, those of signals and tokens latent * latent_width.
        batch: rows per step; fewer if there are fewer.
        lr: learning rate.
        seed: of everything random.
        image_shape: (height, width, channels) of images; (length, channels) of signals, in any
            unit; (length,) of tokens, whole numbers from 0. None: square grey images, the last row
            padded.
        value_range: the values of black and white; of signals, those that networks see as -1 and
            1, numbers or lists with one for each channel; of tokens, 0 and the largest. None: the
            smallest and largest in `fit`, of signals in each channel.

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
        image_shape: tuple[int, ...] | None = None,
        value_range: tuple | None = None,
    ):
        self.model, self.kimg, self.depth, self.latent = model, kimg, depth, latent
        self.latent_width, self.batch, self.lr, self.seed = latent_width, batch, lr, seed
        self.image_shape, self.value_range = image_shape, value_range

    def fit(self, X, y=None):
        """Train on rows [N, features]; `y` is ignored.

        Raises:
            ValueError: not numbers [N, features], another number of features than `image_shape`
                has, tokens that are not whole numbers from 0, or a setting out of its range.
        """
        X = validate_data(self, X, dtype="numeric")
        self._shape = self.image_shape or (*[math.ceil(math.sqrt(X.shape[1]))] * 2, 1)
        if len(self._shape) not in rows.KINDS:
            raise ValueError(
                "image_shape is (height, width, channels), (length, channels) of signals or"
                f" (length,) of tokens; got {self.image_shape}"
            )
        if self.image_shape and math.prod(self.image_shape) != X.shape[1]:
            raise ValueError(f"image_shape={self.image_shape} is not that of {X.shape[1]} features")
        own = rows.KINDS[len(self._shape)].range_of(X, self._shape)
        given = own if self.value_range is None else self.value_range
        low, high = (np.asarray(end, float) for end in given)
        self.value_range_ = low.tolist(), high.tolist()
        if not (np.isfinite(low + high).all() and (low < high).all()):
            raise ValueError(f"value_range is (low, high), low < high; got {self.value_range_}")
        if not self.kimg > 0:
            raise ValueError(f"kimg must be greater than 0, got {self.kimg}")
        names = ("model", "depth", "latent", "latent_width", "lr", "seed")
        config = Config(
            batch=min(self.batch, len(X)), **{name: getattr(self, name) for name in names}
        )
        longest = max(self._shape[: max(1, len(self._shape) - 1)])  # side; tokens have one
        halvings = math.ceil(math.log2(longest / self.latent_width))
        elements = self._rows.elements(X, self.latent_width << max(1, halvings))
        labels = np.zeros(len(elements), np.int64)
        data = ArrayDataset("X", elements.shape[1:], (), elements, labels, elements, labels)
        self.model_ = self._build(config, data.image_shape)
        if self._rows.units:
            self.model_.units.set(*self._rows.units)
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
        """Rows [N, features] -> codes [N, d], float32."""
        check_is_fitted(self)
        X = validate_data(self, X, dtype="numeric", reset=False)
        elements = self._rows.elements(X, self.model_.image_shape[0])
        codes = self.model_.compiled_method("encode")(elements)
        return codes.reshape(len(codes), -1)

    def inverse_transform(self, Z):
        """Codes [N, d] -> rows [N, features]: images in `value_range_`, signals in their units,
        or the most likely tokens."""
        check_is_fitted(self)
        Z = np.asarray(Z, np.float32)
        if Z.ndim != 2 or Z.shape[1] != self._n_features_out:
            raise ValueError(f"codes are [N, {self._n_features_out}], these are {list(Z.shape)}")
        made = self.model_.compiled_method("decode")(Z.reshape(-1, *self.model_.latent_shape))
        return self._rows.rows(made)[:, : self.n_features_in_]

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = []  # codes are always float32
        return tags

    def __getstate__(self):
        """Pickles the weights as arrays: unpickling builds the model again."""
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

    @property
    def _rows(self) -> rows.Images | rows.Signals | rows.Tokens:
        return rows.KINDS[len(self._shape)](self._shape, *self.value_range_)

    def _build(self, config: Config, image_shape):
        states = random.getstate(), np.random.get_state()  # the caller's, which Keras would reseed
        seed_weights(config.seed)
        try:
            model = build_model(config, tuple(image_shape), 0, self._rows.vocabulary)
            model.compile(optimizer=adam(model, model.config.lr))
        finally:
            random.setstate(states[0])
            np.random.set_state(states[1])
        return model
