"""Contrastive codes of two augmented views of an image (Chen et al. 2020)."""

import keras
import numpy as np
from keras import layers, ops

from acai_tf import backend
from acai_tf.errors import UsageError
from acai_tf.kinds import IMAGES
from acai_tf.models import losses, networks
from acai_tf.models.fused import Network
from acai_tf.models.regularizers import Regularizer, Terms

PADDING = 4  # pixels
JITTER = 0.4


@keras.saving.register_keras_serializable("acai_tf")
class TwoViews(Regularizer):
    """Makes codes of two views of an image agree, against the rest (SimCLR, Chen et al. 2020).

    Each view v_1, v_2 of x is shifted by up to 4 pixels with black beyond the border, in color
    images also jittered (brightness, contrast and saturation by up to 40%), and, only if asked,
    flipped at random. With p a projection of the view's code to length 1, and the 2B - 1 other
    views of the batch as k, the autoencoder adds lambda (NT-Xent + R):

        NT-Xent = mean_i -log [exp(p_i . p_j / T) / sum_{k != i} exp(p_i . p_k / T)]
        R       = (||v_1 - D(E(v_1))||^2 + ||v_2 - D(E(v_2))||^2) / 2

    where i and j are views of one image, and R, a mean over pixels, keeps each view's own place and
    colors in its code. The model's own reconstruction is of x as it is. The projector, d -> 256
    -> 128, belongs to the autoencoder's player; inference does not use it. Logs `loss_views`,
    NT-Xent, and `loss_views_ae`, R, without lambda.

    Args:
        weight: lambda >= 0, in units of the reconstruction loss per element.
        temperature: T > 0.
        flip: also mirror views, left to right. Not for images whose class this changes: digits.
        name: of the regularizer and the projector.
        options: as for `Regularizer`.

    Raises:
        UsageError: a negative weight; a temperature that is not positive; a model that does not
            take images [H, W, C], or whose decoded images its encoder does not take.

    Examples:
        >>> model = acai_tf.Baseline(encoder, decoder, regularizers=[acai_tf.TwoViews(weight=0.05)])
    """

    log_names = ("loss_views", "loss_views_ae")
    own_player = False

    def __init__(
        self,
        weight: float = 1.0,
        temperature: float = 0.5,
        flip: bool = False,
        name: str = "views",
        **options,
    ):
        super().__init__(weight, name=name, **options)
        if not 0 < temperature < np.inf:
            raise UsageError(f"{name}: temperature must be above 0, got {temperature}")
        self.temperature, self.flip = temperature, flip

    def attach(self, model):
        if model.kind != IMAGES:
            raise UsageError(f"{self.name}: views are of images [H, W, C], not {model.image_shape}")
        decoded = model.reconstruction.output_shape(model.image_shape)
        networks.check_shape(f"{self.name}: the decoded image", decoded, model.image_shape)
        stack = [keras.Input(model.latent_shape), layers.Flatten(name="flatten")]
        stack += [layers.Dense(256, activation="relu", name="hidden")]
        self.projector = Network([*stack, layers.Dense(128, name="out")], name=self.name)

    def noise(self, seed, batch):
        return {"uniform": keras.random.uniform((batch, 2, 6), seed=seed)}

    def terms(self, forward, noise):
        views = [augmented(forward.x, noise["uniform"][:, n], self.flip) for n in range(2)]
        codes = [forward.encode(view) for view in views]
        loss = nt_xent(*map(self.projector, codes), self.temperature)
        errors = [
            losses.reconstruction(x=view, x_hat=forward.decode(code))
            for view, code in zip(views, codes, strict=True)
        ]
        loss_ae = sum(errors) / 2
        return Terms(
            autoencoder=self.weight * forward.scale * (loss + loss_ae),
            logs={"loss_views": loss, "loss_views_ae": loss_ae},
        )

    def get_config(self):
        own = {"temperature": self.temperature, "flip": self.flip}
        return {**super().get_config(), **own}


def nt_xent(p_1, p_2, temperature: float):
    """NT-Xent in nats, a scalar, of two views' projections [n, d]; over all replicas' images."""
    gather = backend.gather_replicas
    p_1, p_2 = (gather(ops.normalize(ops.cast(p, "float32"), axis=1)) for p in (p_1, p_2))
    p = ops.concatenate([p_1, p_2])  # [2B, d]
    similarity = ops.matmul(p, ops.transpose(p)) / temperature
    place = ops.cumsum(ops.ones_like(similarity[0]))
    itself = place[:, None] == place[None]
    total = ops.logsumexp(ops.where(itself, -1e9, similarity), axis=1)
    return ops.mean(total) - ops.mean(ops.sum(p_1 * p_2, axis=1)) / temperature


def augmented(x, uniform, flip: bool):
    """A view of each image [B, H, W, C] in [-1, 1], from numbers in [0, 1) [B, 6]."""
    unit = (x + 1) / 2
    rows, columns = (_shift(uniform[:, n], x.shape[n + 1]) for n in range(2))
    unit = ops.einsum("bir,brwc->biwc", rows, unit)
    unit = ops.einsum("bjw,biwc->bijc", columns, unit)  # 0, black, where no pixel is
    if flip:
        mirrored = uniform[:, 2, None, None, None] < 0.5
        unit = ops.where(mirrored, ops.flip(unit, axis=2), unit)
    if x.shape[-1] == 3:
        brightness, contrast, saturation = (
            1 + JITTER * (2 * uniform[:, n, None, None, None] - 1) for n in (3, 4, 5)
        )
        unit = brightness * unit
        mean = ops.mean(unit, axis=(1, 2, 3), keepdims=True)
        unit = mean + contrast * (unit - mean)
        grey = ops.mean(unit, axis=-1, keepdims=True)
        unit = ops.clip(grey + saturation * (unit - grey), 0, 1)
    return 2 * unit - 1


def _shift(uniform, length: int):
    """Matrices [B, length, length] that shift by -PADDING to PADDING pixels."""
    by = ops.floor(uniform * (2 * PADDING + 1)) - PADDING
    place = np.arange(length, dtype=np.float32)
    return ops.cast(place[:, None] + by[:, None, None] == place, "float32")
