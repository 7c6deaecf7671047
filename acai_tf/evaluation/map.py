"""Map of the codes: test images in two dimensions."""

import importlib.util
import warnings

import numpy as np

from acai_tf.errors import CannotEvaluate
from acai_tf.evaluation import plots
from acai_tf.evaluation.context import Context
from acai_tf.evaluation.linear import standardise

CODES = 2000  # test codes, at most
PERPLEXITY = 30
NEIGHBORS = 15  # of UMAP, its default
SEED = 0


def draw(context: Context, tsne: bool = True, umap: bool = True) -> dict:
    """Codes of up to 2,000 test images, colored by class: their first two principal components,
    t-SNE (van der Maaten and Hinton 2008), which keeps neighbours together, and, where umap-learn
    is installed, UMAP (McInnes et al. 2018), which also keeps some of the distances between
    groups. Each dimension is first scaled to a standard deviation of 1.
    """
    from sklearn.decomposition import PCA  # takes seconds to import
    from sklearn.manifold import TSNE

    codes, labels = context.test_codes[:CODES], context.dataset.test_labels[:CODES]
    if len(codes) < 3:
        raise CannotEvaluate("a map needs at least 3 test images")
    codes, _ = standardise(codes, codes)
    if not np.any(codes):
        raise CannotEvaluate("all codes are the same")
    if codes.shape[1] == 1:
        codes = np.repeat(codes, 2, axis=1)
    pca = PCA(2, random_state=SEED)
    points = pca.fit_transform(codes)
    share = f"{pca.explained_variance_ratio_.sum():.0%}"
    maps = {f"principal components ({share} of the variance)": points}
    if tsne:
        perplexity = min(PERPLEXITY, (len(codes) - 1) / 3)
        start = points / points[:, 0].std() * 1e-4
        tsne = TSNE(perplexity=perplexity, init=start, random_state=SEED)
        maps["t-SNE"] = tsne.fit_transform(codes)
        if umap and importlib.util.find_spec("umap") and len(codes) > NEIGHBORS:
            maps["UMAP"] = _umap(codes)
    figure, axes = plots.panels(*maps, width=4.6, height=4.6)
    names = context.dataset.class_names
    for ax, points in zip(axes, maps.values(), strict=True):
        ax.set(xticks=[], yticks=[])
        if not 1 < len(names) <= plots.FEW:
            ax.scatter(*points.T, s=5, c=labels, cmap="viridis")
            continue
        for label, name in enumerate(names):
            x, y = points[labels == label].T
            ax.scatter(x, y, s=5, color=plots.class_color(label), label=plots.plain(name))
    if 1 < len(names) <= plots.FEW:
        axes[-1].legend(markerscale=3, loc="center left", bbox_to_anchor=(1, 0.5), frameon=False)
    return {"map": figure}


def _umap(codes: np.ndarray) -> np.ndarray:
    from umap import UMAP  # optional

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "n_jobs")  # one thread, as a fixed seed requires
        return UMAP(random_state=SEED).fit_transform(codes)
