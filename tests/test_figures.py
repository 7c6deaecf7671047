"""Picture sheets."""

import keras
import numpy as np
import pytest

from acai_tf.evaluation import figures


class Flat:
    """A model whose codes are the images' means."""

    latent_shape = (1, 1, 1)

    def __init__(self, width):
        self.width = width

    def compiled_method(self, verb, steps=None, method=None):
        def flat(means):
            return np.broadcast_to(means, (*means.shape[:-3], self.width, self.width, 1))

        def interpolate(starts, ends):
            weight = np.linspace(0, 1, steps).reshape(-1, 1, 1, 1, 1)
            starts, ends = (x.mean((1, 2, 3), keepdims=True) for x in (starts, ends))
            return flat((1 - weight) * starts + weight * ends)

        return {
            "reconstruct": lambda images: flat(images.mean((1, 2, 3), keepdims=True)),
            "interpolate": interpolate,
            "decode": lambda codes: flat(keras.ops.convert_to_numpy(codes)),
        }[verb]


@pytest.mark.parametrize(
    ("width", "rows", "columns"),
    [(16, 16, 16), (32, 16, 16), (64, 10, 16), (128, 5, 8), (224, 2, 8), (256, 2, 8)],
)
def test_sheets_of_every_width(width, rows, columns):
    levels = np.linspace(-1, 1, 130, dtype=np.float32)
    images = np.broadcast_to(levels[:, None, None, None], (130, width, width, 1))
    sheets = figures.sheets(Flat(width), images)
    assert set(sheets) == {"reconstruction", "lerp", "slerp", "prior"}
    height = rows * width + figures.CAPTION
    assert all(sheet.shape == (height, columns * width, 1) for sheet in sheets.values())
    captions = {sheet[rows * width :].tobytes() for sheet in sheets.values()}
    assert len(captions) == 3  # lerp and slerp have the same
    sheets = {name: sheet[: rows * width] for name, sheet in sheets.items()}
    tiles = sheets["reconstruction"][width // 2 :: width, width // 2 :: width, 0]
    np.testing.assert_array_equal(tiles[:, ::2], tiles[:, 1::2])  # each beside its reconstruction
    path = sheets["lerp"][width // 2 :: width, width // 2 :: width, 0]
    np.testing.assert_allclose(path[0, [0, -1]], figures.to_uint8(levels[[0, rows]]), atol=1)


def test_sheets_of_images_that_are_not_square():
    assert figures.layout((16, 24, 1)) == (16, 16)
    assert figures.layout((256, 64, 3)) == (2, 16)
    assert figures.layout((64, 256, 1)) == (5, 8)


def test_every_width_has_rows_that_pairs_fill_and_few_pixels():
    for width in range(1, 257):
        rows, columns = figures.layout((width, width, 1))
        assert columns % 2 == 0
        assert 8 <= columns <= 16
        assert 2 <= rows <= 16
        assert rows * columns * width**2 <= 2**20
        assert width > 48 or rows == columns == 16
