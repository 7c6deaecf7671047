"""The VQ-VAE (section 4; van den Oord et al. 2017), with the original's EMA codebook."""

import functools

import keras
from keras import layers, ops

from acai_tf import backend, losses
from acai_tf.models import sizes
from acai_tf.models.base import Autoencoder
from acai_tf.verbs import check_latents

DECAY = 0.999  # of the codebook's moving averages
EPSILON = 1e-5  # keeps the counts of unused codes above 0
FILTER_SIZE = 512  # width of the hidden layer between quantised code and decoder


class Codebook(layers.Layer):
    """K codes of d values, each the moving average of the vectors that were nearest to it.

    Args:
        size: K.
        width: d.
        zero_debias: start the averages as averages of nothing and correct their bias towards it
            (as Adam does); a code that no vector has been near yet stays where it began.
            Otherwise they start as in the original, with counts of 0 but sums at the codes
            themselves: the first updates multiply codes by up to a thousand, and for some ten
            thousand steps, until that has decayed, few codes are near any vector.
    """

    def __init__(self, size: int, width: int, zero_debias: bool = False, **kwargs):
        super().__init__(**kwargs)
        self.size = size
        self.zero_debias = zero_debias
        edge = (3 / size) ** 0.5  # TF1's uniform unit scaling takes K for the fan-in
        uniform = keras.initializers.RandomUniform(-edge, edge)
        # All replicas compute the same update.
        own = functools.partial(
            self.add_weight, trainable=False, aggregation="only_first_replica", dtype="float32"
        )
        self.means = own((size, width), uniform, name="means")
        self.ema_count = own((size,), "zeros", name="ema_count")
        self.ema_sums = own((size, width), "zeros", name="ema_sums")
        if not zero_debias:
            self.ema_sums.assign(ops.copy(self.means.value))  # JAX gives a buffer away once
        self.built = True

    def nearest(self, x):
        """Index of the code nearest to each vector: [N, d] -> [N]."""
        squares = ops.sum(ops.square(self.means), axis=1)  # |x|^2 is the same for all codes
        return ops.argmin(squares - 2 * ops.matmul(x, ops.transpose(self.means)), axis=1)

    def update(self, x, index):
        """Move the averages towards vectors [N, d] and their nearest codes [N], then the codes.

        zero_debias takes N to be the same at every step.
        """
        used = ops.segment_sum(ops.ones_like(index, "float32"), index, self.size)
        self.ema_count.assign(DECAY * self.ema_count + (1 - DECAY) * used)
        sums = ops.segment_sum(x, index, self.size)
        self.ema_sums.assign(DECAY * self.ema_sums + (1 - DECAY) * sums)
        count, sums = self.ema_count.value, self.ema_sums.value
        if self.zero_debias:
            # After t steps the counts add up to (1 - DECAY^t) N, of N vectors a step.
            unbias = ops.cast(ops.shape(index)[0], count.dtype) / ops.sum(count)
            count, sums = count * unbias, sums * unbias
        total = ops.sum(count)
        smoothed = (count + EPSILON) / (total + self.size * EPSILON) * total
        means = sums / ops.expand_dims(smoothed, 1)
        if self.zero_debias:
            means = ops.where(ops.expand_dims(count, 1) > 0, means, self.means.value)
        self.means.assign(means)


@keras.saving.register_keras_serializable("acai_tf")
class VQVAE(Autoencoder):
    """||x - x_hat||^2 + beta ||v - sg(e)||^2, where e is the code nearest to v.

    The flattened encoder output is projected to `num_latents` vectors v, each replaced by the
    nearest of 2**z_log_size codes (straight through for the gradient); two dense layers bring them
    back to the shape of the latent map, which the decoder and the probe read.

    encode is the encoder output, as in the original; decode quantises. The codebook is no
    player's: a training step moves it by its moving averages, in the forward pass.
    """

    log_names = (*Autoencoder.log_names, "loss_commitment")

    def __init__(self, config, image_shape, classes, **kwargs):
        super().__init__(config, image_shape, classes, **kwargs)
        self.beta = 10.0 if self.config.beta is None else self.config.beta
        size, vectors = self.code_size, self.config.num_latents
        self.codebook = Codebook(
            2**self.config.z_log_size, size, self.config.zero_debias, name="codebook"
        )
        self.project = layers.Dense(size * vectors, name="project")
        self.hidden = layers.Dense(FILTER_SIZE, activation="relu", name="hidden")
        self.restore = layers.Dense(size, name="restore")
        self.project.build((None, size))
        self.hidden.build((None, size * vectors))
        self.restore.build((None, FILTER_SIZE))

    @staticmethod
    def own_weights(config, image_shape):
        size = config.code_size
        vectors = size * config.num_latents
        codes = (2 * size + 1) * 2**config.z_log_size  # and their moving averages
        bottleneck = [(size, vectors), (vectors, FILTER_SIZE), (FILTER_SIZE, size)]
        return codes + sum(sizes.dense(*pair) for pair in bottleneck)

    def players(self):
        players = super().players()
        bottleneck = [self.project, self.hidden, self.restore]
        own = [variable for layer in bottleneck for variable in layer.trainable_variables]
        return {**players, "autoencoder": players["autoencoder"] + own}

    def quantise(self, latents):
        """Latent maps [B, w, w, latent] -> what the decoder reads of them, of the same shape.

        Returns:
            (that, the vectors v [B * num_latents, d], the indices of their codes [same], and the
            codes e themselves).
        """
        v = self.project(ops.reshape(latents, (-1, self.code_size)))  # [B, num_latents * d]
        vectors = ops.reshape(v, (-1, self.code_size))
        index = self.codebook.nearest(vectors)
        codes = ops.take(self.codebook.means.value, index, axis=0)
        straight_through = v + ops.stop_gradient(ops.reshape(codes, ops.shape(v)) - v)
        restored = self.restore(self.hidden(ops.relu(straight_through)))
        return ops.reshape(restored, (-1, *self.latent_shape)), vectors, index, codes

    def decode(self, latents):
        check_latents(latents, self.latent_shape)
        return self.decoder(self.quantise(latents)[0])

    def classify(self, images):
        return self.probe(self.quantise(self.encode(images))[0])

    def objectives(self, x, label, draws):
        quantised, vectors, index, codes = self.quantise(self.encoder(x))
        everyones = backend.of_all_replicas
        self.codebook.update(everyones(ops.stop_gradient(vectors)), everyones(index))
        loss_commitment = self.beta * losses.reconstruction(
            x=ops.stop_gradient(codes), x_hat=vectors
        )
        players, logs = self.plain_objectives(x, self.decoder(quantised), quantised, label)
        players["autoencoder"] += loss_commitment
        logs["loss_commitment"] = loss_commitment
        return players, logs
