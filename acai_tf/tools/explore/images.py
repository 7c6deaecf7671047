"""The page of images: pictures in, pictures out."""

import dataclasses

import numpy as np
from PIL import Image

from acai_tf.data.square import WHITE, middle
from acai_tf.errors import UsageError
from acai_tf.evaluation.pixels import to_float
from acai_tf.models import inference
from acai_tf.tools.explore.page import Explorer, safely
from acai_tf.tools.render import closed_path, enlarged

SIDE = 5  # rows and columns of the four-corner grid
NEW = 8  # rows and columns of new images
CLASS_STEPS = 6  # images from one class to the next
SHOWN = 200  # pixels of an image on the page
PIXELS = 40_000_000  # of an upload: a small file can decode to any number of them
CORNERS = ("top left", "top right", "bottom left", "bottom right")

Picture = Image.Image | str | None  # or the path of an upload


@dataclasses.dataclass
class Images(Explorer):
    """Images, from the test set or uploaded.

    Attributes:
        background: (red, green, blue), 0..255, behind transparent uploads.
    """

    one = "image"
    uploads = True
    blend = "pixel blend"

    background: tuple[int, int, int] = WHITE

    def picture(self, number: int) -> Image.Image:
        """A test image, enlarged; numbers wrap around."""
        return self._picture(self.images[int(number or 0) % len(self.images)][None])

    def between(self, start: Picture, end: Picture, t: float) -> list:
        """The images at t, 0..1, on the paths from start to end: lerp, slerp and the pixel blend.

        Returns:
            For each of the three a picture and the critic's estimate as text.
        """
        pair, at = [self._image(chosen) for chosen in (start, end)], np.array([t], np.float32)
        made = [
            np.asarray(self.model.interpolate_at(*pair, at, method))[0]
            for method in inference.METHODS
        ]
        first, last = map(to_float, pair)
        made.append((1 - t) * first + t * last)
        return [
            shown for image in made for shown in (self._picture(image[None]), self.estimate(image))
        ]

    def corners(self, corners: list[Picture]) -> Image.Image:
        """A grid with four pictures' reconstructions in its corners, and decoded mixes between."""
        codes = np.concatenate([np.asarray(self.model.encode(self._image(c))) for c in corners])
        across, down = np.meshgrid(np.linspace(0, 1, SIDE), np.linspace(0, 1, SIDE))
        left, above = 1 - across, 1 - down
        weights = np.stack([left * above, across * above, left * down, across * down], axis=-1)
        mixes = np.tensordot(weights, codes, axes=1)  # [SIDE, SIDE, w, w, latent]
        images = self.model.decode(mixes.reshape(-1, *codes.shape[1:]).astype(np.float32))
        return self._picture(np.asarray(images).reshape(SIDE, SIDE, *self.model.image_shape), 3)

    def classes(self, number: int) -> Image.Image:
        """A closed path through one test image per class, the class's `number`-th: one row from
        each class to the next."""
        by_class = (np.flatnonzero(self.labels == c) for c in range(len(self.class_names)))
        visited = [self.images[own[int(number) % len(own)]] for own in by_class if len(own)]
        path = closed_path(self.model, np.stack(visited), CLASS_STEPS)
        return self._picture(path.reshape(-1, CLASS_STEPS, *path.shape[1:]), zoom=2)

    def new(self, sampler: str, seed: int) -> Image.Image:
        images = self.sample(NEW**2, sampler, seed)
        return self._picture(images.reshape(NEW, NEW, *images.shape[1:]), zoom=2)

    def sheet(self, label: str):
        import gradio  # an extra

        return gradio.Image(label=label)

    def tabs(self, show):
        import gradio  # an extra

        one, pair = self.one, self.first_pair()
        with gradio.Tab(f"Two {one}s"):
            with gradio.Row():
                start, end = self._chooser("start", pair[0]), self._chooser("end", pair[1])
            t = gradio.Slider(0, 1, 0.5, step=0.01, label="mix: 0 is the start, 1 the end")
            outputs = []
            with gradio.Row():
                for method in (*inference.METHODS, self.blend):
                    with gradio.Column(min_width=160):
                        outputs.append(gradio.Image(label=method, height=SHOWN + 40))
                        outputs.append(gradio.Markdown())
            show(self.between, [start, end, t], outputs)
        with gradio.Tab("Four corners"):
            with gradio.Row():
                corners = [self._chooser(name, n) for n, name in enumerate(CORNERS)]
            mixed = gradio.Image(label="mixes of the four codes")
            show(lambda *chosen: self.corners(list(chosen)), corners, mixed)
        if len(np.unique(self.labels)) > 1:
            with gradio.Tab("From class to class"):
                gradio.Markdown(" → ".join([*self.class_names, self.class_names[0]]))
                which = gradio.Slider(0, 30, 0, step=1, label=f"which {one} of each class")
                path = gradio.Image(label="one row from each class to the next")
                show(self.classes, [which], path)

    def _chooser(self, name: str, number: int):
        """A test image by its number, or an upload."""
        import gradio  # an extra

        with gradio.Column(min_width=160):
            label = f"{name}: test {self.one} number"
            which = gradio.Number(number, label=label, precision=0, minimum=0)
            picture = gradio.Image(
                self.picture(number),
                type="filepath",  # Gradio itself would decode any number of pixels
                image_mode=None,
                label=f"{name} (or upload one)" if self.uploads else name,
                sources=["upload", "clipboard"],
                interactive=self.uploads,
                height=SHOWN + 40,
            )
        which.change(safely(self.picture), which, picture)
        return picture if self.uploads else which

    def _image(self, picture: Picture) -> np.ndarray:
        """A picture as the model takes it: [1, H, W, C] uint8."""
        if picture is None:
            raise UsageError("there is no picture")
        shape = self.model.image_shape
        if isinstance(picture, Image.Image):
            return middle(picture, shape, self.background)[None]
        with Image.open(picture) as file:  # pixels are read later
            if file.width * file.height > PIXELS:
                size = f"{file.width} x {file.height} pixels"
                raise UsageError(f"the picture has {size}; the limit is {PIXELS:,}")
            file.draft(None, (4 * shape[1], 4 * shape[0]))  # JPEG can be read at a smaller scale
            return middle(file, shape, self.background)[None]

    def _picture(self, images: np.ndarray, zoom: int | None = None) -> Image.Image:
        """[rows, columns, H, W, C] or one row of them, uint8 or about [-1, 1], as one picture."""
        images = images[None] if images.ndim == 4 else images
        zoom = zoom or max(1, SHOWN // (images.shape[1] * images.shape[3]))
        return enlarged(to_float(images), zoom, Image.Resampling.NEAREST).convert("RGB")
