"""Do interpolants look like images of the data? Measured with a fixed feature, nothing learned."""

import numpy as np

from acai_tf.errors import CannotEvaluate
from acai_tf.evaluation.context import Context, shared, shrunk

SCORES = {
    "realism_distance": ("interpolants to the nearest test image, in a fixed feature", "lower"),
    "realism_distance_blend": ("the same of pixel blends", ""),
    "realism_distance_reconstruction": ("the same of reconstructed test images", "lower"),
    "realism_distance_real": ("the same of test images: as near as images are", ""),
    "realism": ("0: as far as the pixel blend, 1: as near as test images; not bounded", "higher"),
}
CELL, DIRECTIONS = 4, 9
OTHERS = 10_000  # test images among which the nearest is looked for, at most


def feature(images: np.ndarray) -> np.ndarray:
    """Which way edges run, and where: a histogram of oriented gradients (Dalal and Triggs 2005).

    9 directions in cells of 4x4 pixels of an image of 32x32 at most, all scaled to unit length
    together.
    (Not block by block, as usual: that would make faint noise in a flat ground as strong as a
    stroke.) Two half-faded strokes are edges in two places, so a blend is far from any image.

    Args:
        images: [N, H, W, C], float in [-1, 1].

    Returns:
        [N, cells * 9] float32.
    """
    from skimage.feature import hog

    cells = tuple(side // CELL for side in images.shape[1:3])
    if 0 in cells:
        raise CannotEvaluate(f"an image of {images.shape[1]}x{images.shape[2]} holds no cell")
    return np.stack(
        [
            hog(
                image,
                orientations=DIRECTIONS,
                pixels_per_cell=(CELL, CELL),
                cells_per_block=cells,
                block_norm="L2",
                channel_axis=-1,
            ).astype(np.float32)
            for image in images
        ]
    )


def distance_to_nearest(features: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Euclidean distance of each feature to the nearest of others: [N, f], [M, f] -> [N]."""
    from sklearn.metrics import pairwise_distances_argmin_min

    return pairwise_distances_argmin_min(features, others)[1]


@shared
def distances(context: Context) -> dict[str, np.ndarray]:
    """Of "path" and "blend" [pairs, 16]; "reconstruction" and "real": of the ends, [2 pairs]."""
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
    """The distance of interpolants to the nearest test image, in the space of `feature`.

    256 interpolations of 16 images between test images (fewer where there are few), the ends left
    out; the nearest is looked for among up to 10,000 test images that are no ends. Beside it the
    same for the pixel blend, for the ends' reconstructions and for the ends themselves.

    Returns:
        {"realism_distance", "..._blend", "..._reconstruction", "..._real": means, 0..1.42,
         "realism": (blend - model) / (blend - real). 0 is as far as the blend, 1 as near as test
            images. It has no bounds: it is negative, -3 say, where interpolants are farther than
            the blend, as those of an untrained model are, and above 1 where they are smoother than
            test images. Undefined where the blend is not clearly (two standard errors) farther
            than test images}.
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
    """Distance along the way, between that of the blend and that of test images."""
    from acai_tf.evaluation import plots

    found = distances(context)
    figure, (axes,) = plots.panels("distance to the nearest test image", width=4.6)
    along = np.linspace(0, 1, found["path"].shape[1])
    axes.plot(along, found["blend"].mean(0), color=plots.BLEND, label="pixel blend")
    axes.plot(along, found["path"].mean(0), color=plots.MODEL, label="interpolation")
    axes.axhline(found["real"].mean(), color=plots.REAL, linestyle=":", label="test images")
    axes.set(xlabel="along the interpolation", ylabel="in the space of oriented gradients")
    axes.margins(y=0.3)  # room for the legend
    axes.legend(loc="upper center", ncols=3, fontsize="small", frameon=False)
    return {"realism": figure}
