"""The autoencoder with dropout on its code (section 4; Srivastava et al. 2014)."""

import keras
from keras import ops

from acai_tf.models.base import Autoencoder


@keras.saving.register_keras_serializable("acai_tf")
class Dropout(Autoencoder):
    """min ||x - D(m * E(x) / keep)||^2, each value of m kept (1) with probability `dropout`.

    `dropout` is the probability to KEEP a value, as in the original. Values are dropped in
    training alone: encode, reconstruct and the probe see the whole code.
    """

    def draws(self, seed, batch):
        uniform = keras.random.uniform((batch, *self.latent_shape), seed=seed)
        return {"keep_mask": ops.cast(uniform < self.config.dropout, "float32")}

    def objectives(self, x, label, draws):
        latents = self.encoder(x)
        kept = latents * ops.reshape(draws["keep_mask"], ops.shape(latents)) / self.config.dropout
        return self.plain_objectives(x, self.decoder(kept), latents, label)
