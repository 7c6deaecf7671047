"""Picture sheets: reconstructions, interpolations and samples."""

from acai_tf.evaluation import figures
from acai_tf.evaluation.context import Context
from acai_tf.kinds import IMAGES, SIGNALS


def draw(context: Context) -> dict:
    """Test images next to their reconstructions; interpolations between test images, along a
    straight line of codes (lerp) and along a great arc (slerp), whose ends are reconstructions, not
    test images; and decoded samples of N(0, I)."""
    context.check_kind(IMAGES, SIGNALS)
    return figures.sheets(context.model, context.dataset.test_images)
