"""What elements are: images [H, W, C], signals [T, C] or tokens [T]."""

IMAGES, SIGNALS, TOKENS = "images", "signals", "tokens"


def kind_of(shape: tuple[int, ...], vocabulary=None) -> str:
    """The kind of elements of a shape, without the batch; tokens are those with a vocabulary."""
    if vocabulary is not None:
        return TOKENS
    return IMAGES if len(shape) == 3 else SIGNALS


def network_shape(shape: tuple[int, ...], vocabulary=None) -> tuple[int, ...]:
    """The shape that networks see such elements in; tokens are one-hot vectors there."""
    return shape if vocabulary is None else (*shape, len(vocabulary))
