"""The picture sheets of a report, at the weights that are evaluated."""

from acai_tf.evaluation.context import Subject


def draw(subject: Subject) -> dict:
    """Test images beside their reconstructions, interpolations between test images (lerp: along a
    straight line of codes; slerp: along a great arc), and decoded draws from N(0, I)."""
    from acai_tf.evaluation import figures

    return figures.sheets(subject.model, subject.dataset.test_images)
