"""The baseline: an autoencoder with nothing added (section 2)."""

import keras

from acai_tf import losses
from acai_tf.models.base import Autoencoder


@keras.saving.register_keras_serializable("acai_tf")
class Baseline(Autoencoder):
    """min ||x - D(E(x))||^2 (eq. 1)."""

    def objectives(self, x, label, draws):
        latents = self.encoder(x)
        loss_ae = losses.reconstruction(x=x, x_hat=self.decoder(latents))
        loss_probe = self.probe_loss(latents, label)
        logs = {"loss_ae": loss_ae, "rmse": losses.rmse_255(loss_ae), "loss_probe": loss_probe}
        return {"autoencoder": loss_ae, "probe": loss_probe}, logs
