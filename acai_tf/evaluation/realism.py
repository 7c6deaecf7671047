"""Realism: do interpolations look like images of the data, by a fixed feature?"""

import numpy as np

from acai_tf.errors import CannotEvaluate
from acai_tf.evaluation import plots
from acai_tf.evaluation.context import Context, shared, shrunk
from acai_tf.kinds import IMAGES

SCORES = {
    "realism_distance": ("distance of interpolations to test images", "lower"),
    "realism_distance_blend": ("distance of pixel blends", ""),
    "realism_distance_reconstruction": ("distance of reconstructions", "lower"),
    "realism_distance_real": ("distance of test images", ""),
    "realism": ("realism, 0 pixel blend, 1 test images", "higher"),
}
CELL, DIRECTIONS = 4, 9
OTHERS = 10_000  # test images that are searched, at most


def feature(images: np.ndarray) -> np.ndarray:
    """Histograms of oriented gradients (Dalal and Triggs 2005), normalized over the whole image.

    9 directions in cells of 4x4 pixels. (Normalised by block, as usual, faint noise on a flat
    ground would count as much as a stroke.) Two half-faded strokes are edges in two places, so a
    blend is far from any image. Images [N, H, W, C], float in [-1, 1] -> [N, cells * 9] float32.
    """
    from skimage.feature import hog  # takes seconds to import

    cells = tuple(side // CELL for side in images.shape[1:3])
    if 0 in cells:
        size = f"{images.shape[1]}x{images.shape[2]}"
        raise CannotEvaluate(f"an image of {size} is smaller than a cell of the feature")
    size = {"pixels_per_cell": (CELL, CELL), "cells_per_block": cells, "block_norm": "L2"}
    return np.stack(
        [
            hog(image, orientations=DIRECTIONS, channel_axis=-1, **size).astype(np.float32)
            for image in images
        ]
    )


def distance_to_nearest(features: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Euclidean distance of each feature to the nearest of others: [N, f], [M, f] -> [N]."""
    from sklearn.metrics import pairwise_distances_argmin_min  # takes seconds to import

    return pairwise_distances_argmin_min(features, others)[1]


@shared
def distances(context: Context) -> dict[str, np.ndarray]:
    """Of "path" and "blend" [pairs, 16]; of the ends, "reconstruction" and "real" [2 pairs]."""
    context.check_kind(IMAGES)
    images, pairs = context.dataset.test_images, context.pairs
    others = feature(shrunk(images[2 * pairs : 2 * pairs + OTHERS]))
    ends = images[: 2 * pairs]
    reconstruction = context.model.compiled_method("reconstruct")(ends)

    def nearest(images):
        flat = np.clip(images.reshape(-1, *images.shape[-3:]), -1, 1)
        return distance_to_nearest(feature(flat), others)

    return {
        "path": nearest(context.paths).reshape(pairs, -1),
        "blend": nearest(context.blends).reshape(pairs, -1),
        "reconstruction": nearest(shrunk(reconstruction)),
        "real": nearest(shrunk(ends)),
    }


def evaluate(context: Context) -> dict[str, float]:
    """The mean distance, 0..1.42, to the nearest test image in the space of `feature`.

    Of 256 interpolations of 16 images between test images (fewer where there are few), without the
    ends; up to 10,000 other test images are searched. For comparison: pixel blends, the ends'
    reconstructions, and the ends themselves.

    Realism is (blend - model) / (blend - real): 0 is as far as the blend, 1 as near as test images.
    It is not bounded: it is negative, -3 say, where interpolations are farther than the blend, as
    those of an untrained model are, and above 1 where they are smoother than test images. It is
    undefined where the blend is not clearly (two standard errors) farther than test images.
    """
    found = distances(context)
    path, blend = (float(np.mean(found[name][:, 1:-1])) for name in ("path", "blend"))
    reconstruction, real = (float(np.mean(found[name])) for name in ("reconstruction", "real"))
    groups = found["blend"][:, 1:-1].mean(1), found["real"]
    error = np.sqrt(sum(np.var(values) / len(values) for values in groups))
    return {
        "realism_distance": path,
        "realism_distance_blend": blend,
        "realism_distance_reconstruction": reconstruction,
        "realism_distance_real": real,
        "realism": (blend - path) / (blend - real) if blend - real > 2 * error else float("nan"),
    }


def draw(context: Context) -> dict:
    """Distance along interpolations, with that of pixel blends and that of test images."""
    found = distances(context)
    figure, (ax,) = plots.panels("distance to the nearest test image", width=4.6)
    t = np.linspace(0, 1, found["path"].shape[1])
    ax.plot(t, found["blend"].mean(0), color=plots.BLEND, label="pixel blend")
    ax.plot(t, found["path"].mean(0), color=plots.MODEL, label="interpolation")
    ax.axhline(found["real"].mean(), color=plots.REAL, linestyle=":", label="test images")
    ax.set(xlabel="along the interpolation", ylabel="in the space of oriented gradients")
    ax.margins(y=0.3)  # room for the legend
    ax.legend(loc="upper center", ncols=3, fontsize="small", frameon=False)
    return {"realism": figure}
