"""The baseline: an autoencoder with nothing added (section 2)."""

import keras

from acai_tf.models.base import Autoencoder


@keras.saving.register_keras_serializable("acai_tf")
class Baseline(Autoencoder):
    """min ||x - D(E(x))||^2 (eq. 1)."""

    def objectives(self, x, label, draws):
        latents = self.encoder(x)
        return self.plain_objectives(x, self.decoder(latents), latents, label)
