"""Interpolation between codes: mixing, lerp and slerp."""

import math

from keras import ops


def mix(z_a, z_b, alpha):
    """alpha z_a + (1 - alpha) z_b (section 2 of the paper); codes [B, ...], alpha [B, 1, ...]."""
    return alpha * z_a + (1 - alpha) * z_b


def mix_pairs(z, alpha):
    """`mix` of the codes of a batch [B, ...] with the same codes in reverse order."""
    return mix(z, ops.flip(z, axis=0), alpha)


def lerp(z_0, z_1, t):
    """(1 - t) z_0 + t z_1 at positions t [K] between codes [B, ...]; returns [K, B, ...]."""
    t = _column(t, z_0)
    return (1 - t) * z_0 + t * z_1


def slerp(z_0, z_1, t):
    """Spherical linear interpolation along the great arc from z_0 to z_1 (Shoemake 1985).

    Positions t [K] are fractions of the angle between the flattened codes, [B, ...] -> [K, B, ...].
    Codes that are parallel, opposite or zero define no unique arc; they are interpolated linearly.
    """
    code = z_0.shape[1:]  # exported models do not know the batch size
    flat_0, flat_1 = (ops.reshape(z, (-1, math.prod(code))) for z in (z_0, z_1))
    norms = ops.norm(flat_0, axis=1) * ops.norm(flat_1, axis=1)
    cosine = ops.sum(flat_0 * flat_1, axis=1) / ops.maximum(norms, 1e-12)
    cosine = ops.clip(cosine, -1.0, 1.0)
    angle = ops.arctan2(ops.sqrt(1 - cosine * cosine), cosine)  # LiteRT has no arccos
    angle, norms = (ops.reshape(x, (-1,) + (1,) * len(code)) for x in (angle, norms))
    sine = ops.sin(angle)
    straight = ops.logical_or(ops.abs(sine) < 1e-6, norms < 1e-12)
    safe = ops.where(straight, ops.ones_like(sine), sine)
    t = _column(t, z_0)
    weight_0 = ops.where(straight, 1 - t, ops.sin((1 - t) * angle) / safe)
    weight_1 = ops.where(straight, t, ops.sin(t * angle) / safe)
    return weight_0 * z_0 + weight_1 * z_1


def _column(t, z):
    """t [K] -> [K, 1, ...], which broadcasts against z [B, ...]."""
    return ops.reshape(ops.convert_to_tensor(t, "float32"), (-1,) + (1,) * len(z.shape))


PATHS = {"lerp": lerp, "slerp": slerp}
