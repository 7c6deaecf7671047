"""Two maps of the codes."""

import numpy as np

from acai_tf.errors import CannotEvaluate
from acai_tf.evaluation.context import Context
from acai_tf.evaluation.linear import standardise

CODES = 2000  # test codes that are drawn, at most
PERPLEXITY = 30
SEED = 0


def draw(context: Context) -> dict:
    """Codes of up to 2,000 test images, coloured by class: their two principal components, and
    t-SNE (van der Maaten and Hinton 2008), which keeps neighbours together. Each dimension is
    first scaled to a standard deviation of 1.

    Raises:
        CannotEvaluate: a code is not finite, or there are fewer than 3 test images.
    """
    from sklearn.decomposition import PCA
    from sklearn.manifold import TSNE

    from acai_tf.evaluation import plots

    codes, labels = context.test_codes[:CODES], context.dataset.test_labels[:CODES]
    if len(codes) < 3:
        raise CannotEvaluate("a map needs 3 test images at least")
    codes, _ = standardise(codes, codes)
    if not np.any(codes):
        raise CannotEvaluate("all codes are the same")
    pca = PCA(2, random_state=SEED) if codes.shape[1] > 1 else None
    places = pca.fit_transform(codes) if pca else np.repeat(codes, 2, axis=1)
    perplexity = min(PERPLEXITY, (len(codes) - 1) / 3)
    tsne = TSNE(
        perplexity=perplexity, init=places / places[:, 0].std() * 1e-4, random_state=SEED
    ).fit_transform(codes)
    share = f" ({pca.explained_variance_ratio_.sum():.0%} of the variance)" if pca else ""
    figure, axes = plots.panels(f"principal components{share}", "t-SNE", width=4.6, height=4.6)
    names = context.dataset.class_names
    for ax, place in zip(axes, (places, tsne), strict=True):
        if 1 < len(names) <= plots.FEW:
            for label, name in enumerate(names):
                x, y = place[labels == label].T
                ax.scatter(x, y, s=5, color=plots.class_color(label), label=plots.plain(name))
        else:
            ax.scatter(*place.T, s=5, c=labels, cmap="viridis")
        ax.set(xticks=[], yticks=[])
    if 1 < len(names) <= plots.FEW:
        axes[-1].legend(markerscale=3, loc="center left", bbox_to_anchor=(1, 0.5), frameon=False)
    return {"map": figure}
