"""The losses as pure functions of tensors, in keras.ops.

Means are over the batch and, for images, over every pixel and channel, as in the original
program. Equation numbers are those of arXiv 1807.07543.
"""

from keras import ops


def reconstruction(*, x, x_hat):
    """Mean squared error ||x - x_hat||^2 (eq. 1); images [B, H, W, C] -> scalar."""
    return ops.mean(ops.square(x - x_hat))


def rmse_255(mse):
    """Root of a mean squared error of [-1, 1] images, on the 0..255 scale of pixels."""
    return ops.sqrt(mse) * 127.5


def fold_alpha(uniform):
    """Mixing coefficients in [0, 0.5] from U(0, 1): alpha and 1 - alpha give the same mix."""
    return 0.5 - ops.abs(uniform - 0.5)


def critic_mixed(*, estimate, alpha):
    """||d(x_alpha) - alpha||^2, first term of the critic's loss (eq. 2); [B], [B] -> scalar.

    Maps [B, ...] are averaged over all their values, here and below.
    """
    return ops.mean(ops.square(estimate - alpha))


def critic_real(*, estimate):
    """||d(gamma x + (1 - gamma) x_hat)||^2, its second term (eq. 2); [B] -> scalar."""
    return ops.mean(ops.square(estimate))


def adversarial(*, estimate):
    """||d(x_alpha)||^2, which the autoencoder adds times lambda (eq. 3); [B] -> scalar."""
    return ops.mean(ops.square(estimate))


def squared_mmd(*, z, h, sigmas):
    """Squared maximum mean discrepancy of samples [n, d] and [m, d], without bias -> scalar.

    mean k(z, z') + mean k(h, h') - 2 mean k(z, h), where the first two leave out pairs of a sample
    with itself and k(a, b) is the sum over sigmas of exp(-|a - b|^2 / (2 sigma^2)) (Gretton et al.
    2012, eq. 3). Of a single sample the first two are 0.
    """

    def kernel(a, b):
        norms = ops.sum(ops.square(a), axis=1)[:, None] + ops.sum(ops.square(b), axis=1)
        distance = norms - 2 * ops.matmul(a, ops.transpose(b))  # squared
        return sum(ops.exp(distance / (-2.0 * sigma**2)) for sigma in sigmas)

    def within(k):
        n = ops.cast(ops.shape(k)[0], k.dtype)
        return (ops.sum(k) - ops.trace(k)) / ops.maximum(n * (n - 1), 1)

    return within(kernel(z, z)) + within(kernel(h, h)) - 2 * ops.mean(kernel(z, h))


def cross_entropy(*, logits, label):
    """Mean softmax cross-entropy in nats; [..., classes], class indices [...] -> scalar."""
    log_p = ops.log_softmax(logits, axis=-1)
    return -ops.mean(ops.take_along_axis(log_p, ops.expand_dims(label, -1), axis=-1))


def kl_to_unit_normal(*, mu, log_variance):
    """KL(N(mu, sigma^2) || N(0, I)), [B, d] each: sum over d, mean over the batch."""
    terms = ops.exp(log_variance) + ops.square(mu) - 1 - log_variance
    return 0.5 * ops.sum(terms) / ops.cast(ops.shape(mu)[0], mu.dtype)


def bernoulli_log_likelihood(*, logits, target):
    """log p(target) under Bernoulli(logits), [B, ...] in [0, 1]: sum over pixels, batch mean."""
    batch = ops.cast(ops.shape(logits)[0], logits.dtype)
    return -ops.sum(_sigmoid_cross_entropy(logits, target)) / batch


def categorical_log_likelihood(*, logits, target):
    """log p(target) under Categorical(logits), one-hot [B, ..., K]: sum over tokens, batch mean."""
    batch = ops.cast(ops.shape(logits)[0], logits.dtype)
    return ops.sum(target * ops.log_softmax(logits, axis=-1)) / batch


def binary_cross_entropy(*, logits, target: float):
    """Mean cross-entropy between sigmoid(logits) and a single target, 0 or 1."""
    return ops.mean(_sigmoid_cross_entropy(logits, target))


def discriminator_accuracy(*, of_prior, of_code):
    """Accuracy of the AAE's discriminator from its logits for prior samples and for codes."""
    right_prior = ops.mean(ops.cast(of_prior > 0, "float32"))
    right_code = ops.mean(ops.cast(of_code <= 0, "float32"))
    return (right_prior + right_code) / 2


def _sigmoid_cross_entropy(logits, target):
    """-target log s(l) - (1 - target) log(1 - s(l)), without overflow at large |l|."""
    return ops.maximum(logits, 0.0) - logits * target + ops.log1p(ops.exp(-ops.abs(logits)))
