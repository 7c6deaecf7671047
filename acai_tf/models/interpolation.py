"""Interpolation between latents: mixing, lerp and slerp."""

import math

from keras import ops


def mix(z_a, z_b, alpha):
    """alpha * z_a + (1 - alpha) * z_b, the convex mix of section 2 of the paper.

    Args:
        z_a, z_b: latent maps [B, w, w, latent].
        alpha: [B, 1, 1, 1].
    """
    return alpha * z_a + (1 - alpha) * z_b


def lerp(z_0, z_1, steps: int):
    """Straight line from z_0 to z_1, both ends included.

    Returns:
        [steps, B, ...] for z_0, z_1 of shape [B, ...].

    Raises:
        ValueError: fewer than 2 steps.
    """
    _check(steps)
    return ops.stack([(z_0 * (steps - 1 - t) + z_1 * t) / (steps - 1) for t in range(steps)])


def lerp_at(z_0, z_1, t):
    """Points of the straight line from z_0 to z_1.

    Args:
        z_0, z_1: [B, ...].
        t: where, [K]; 0 is z_0, 1 is z_1.

    Returns:
        [K, B, ...].
    """
    t = _along(t, z_0)
    return (1 - t) * z_0 + t * z_1


def slerp(z_0, z_1, steps: int):
    """Great arc from z_0 to z_1, both ends included, at even angles; see `slerp_at`.

    Returns:
        [steps, B, ...] for z_0, z_1 of shape [B, ...].

    Raises:
        ValueError: fewer than 2 steps.
    """
    _check(steps)
    return slerp_at(z_0, z_1, [step / (steps - 1) for step in range(steps)])


def slerp_at(z_0, z_1, t):
    """Points of the great arc from z_0 to z_1 (Shoemake 1985).

    omega is the angle between the flattened codes. Where there is no one great arc
    (codes parallel, opposite or zero) this is the straight line.

    Args:
        z_0, z_1: [B, ...].
        t: where, as a share of the angle, [K]; 0 is z_0, 1 is z_1.

    Returns:
        [K, B, ...].
    """
    code = z_0.shape[1:]  # of any number of images: an exported model does not know it
    flat_0, flat_1 = (ops.reshape(z, (-1, math.prod(code))) for z in (z_0, z_1))
    norms = ops.norm(flat_0, axis=1) * ops.norm(flat_1, axis=1)
    cosine = ops.sum(flat_0 * flat_1, axis=1) / ops.maximum(norms, 1e-12)
    cosine = ops.clip(cosine, -1.0, 1.0)
    omega = ops.arctan2(ops.sqrt(1 - cosine * cosine), cosine)  # arccos, which LiteRT lacks
    omega, norms = (ops.reshape(x, (-1,) + (1,) * len(code)) for x in (omega, norms))
    sine = ops.sin(omega)
    straight = ops.logical_or(ops.abs(sine) < 1e-6, norms < 1e-12)
    safe = ops.where(straight, ops.ones_like(sine), sine)
    t = _along(t, z_0)
    weight_0 = ops.where(straight, 1 - t, ops.sin((1 - t) * omega) / safe)
    weight_1 = ops.where(straight, t, ops.sin(t * omega) / safe)
    return weight_0 * z_0 + weight_1 * z_1


def _along(t, z):
    """[K] -> [K, 1, ...] beside z [B, ...]."""
    return ops.reshape(ops.convert_to_tensor(t, "float32"), (-1,) + (1,) * len(z.shape))


def _check(steps: int) -> None:
    if steps < 2:
        raise ValueError(f"a path has both its ends: steps must be at least 2, got {steps}")


PATHS = {"lerp": lerp, "slerp": slerp}
POINTS = {"lerp": lerp_at, "slerp": slerp_at}
