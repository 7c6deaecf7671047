"""The picture sheets of a report, at the weights that are evaluated."""

from acai_tf.evaluation.context import Context


def draw(context: Context) -> dict:
    """Test images beside their reconstructions, interpolations between test images (lerp: along a
    straight line of codes; slerp: along a great arc), and decoded draws from N(0, I)."""
    from acai_tf.evaluation import figures

    return figures.sheets(context.model, context.dataset.test_images)
