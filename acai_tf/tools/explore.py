"""Explore interpolations in a browser: acai-tf explore --run_dir=R

Serves a page to this machine only (--host=0.0.0.0: to others too): choose test images or upload
pictures, move between their codes, and draw new images. Needs Gradio:
pip install "acai_tf[explore]"
"""

import dataclasses
import functools
import importlib.util
import os
import signal
import tempfile
from collections.abc import Callable
from typing import Any

import numpy as np
from PIL import Image

from acai_tf import cli
from acai_tf.config import Config
from acai_tf.data.square import WHITE, middle
from acai_tf.errors import UsageError
from acai_tf.evaluation.pixels import to_float
from acai_tf.models import inference, samplers
from acai_tf.tools.render import add_model_options, closed_path, enlarged, open_model
from acai_tf.training import preemption

SIDE = 5  # rows and columns of the four-corner grid
NEW = 8  # rows and columns of new images
CLASS_STEPS = 6  # images from one class to the next
SHOWN = 200  # pixels of an image on the page
UPLOAD, PIXELS = "5mb", 40_000_000  # limits; a small file can decode to any number of pixels
CLEANED, KEPT = 3600, 86_400  # seconds: how often old pictures are deleted, and at which age
METHODS = (*inference.METHODS, "pixel blend")
CORNERS = ("top left", "top right", "bottom left", "bottom right")

NEW_TEXT = """\
Decoded from codes drawn at random: from the prior N(0, I), which codes of a VAE or an AAE follow,
or from a distribution fitted to codes of training images."""
FIRST_TEXT = " It is fitted when it is first chosen, which can take a minute."

Picture = Image.Image | str | None  # or the path of an upload


@dataclasses.dataclass
class Explorer:
    """The model behind the page: pictures in, pictures out.

    Attributes:
        model: an `Autoencoder`, or a class with its inference methods.
        images: test images [N, H, W, C] to choose from.
        labels: their classes, int [N].
        class_names: names of the classes.
        background: (red, green, blue), 0..255, behind transparent uploads.
        train_images: returns training images, for a model that has no sampler.
    """

    model: Any
    images: np.ndarray
    labels: np.ndarray
    class_names: tuple[str, ...]
    background: tuple[int, int, int] = WHITE
    train_images: Callable[[], np.ndarray] | None = None

    def first_pair(self) -> tuple[int, int]:
        """The first test image, and one of a class a third of all classes further.

        The classes of lines are angles, so these two are about a third of a turn apart.
        """
        shift = max(1, len(self.class_names) // 3)
        wanted = (self.labels[0] + shift) % max(2, len(self.class_names))
        others = np.flatnonzero(self.labels == wanted)
        return 0, int(others[0]) if len(others) else 1

    def picture(self, number: int) -> Image.Image:
        """A test image, enlarged; numbers wrap around."""
        return _picture(self.images[int(number or 0) % len(self.images)][None])

    def between(self, start: Picture, end: Picture, t: float) -> list:
        """The images at t, 0..1, on the paths from start to end: lerp, slerp and the pixel blend.

        Returns:
            For each of the three a picture and the critic's estimate as text.
        """
        pair, at = [self._image(picture) for picture in (start, end)], np.array([t], np.float32)
        made = [
            np.asarray(self.model.interpolate_at(*pair, at, method))[0]
            for method in inference.METHODS
        ]
        first, last = map(to_float, pair)
        made.append((1 - t) * first + t * last)
        return [shown for image in made for shown in (_picture(image[None]), self.estimate(image))]

    def corners(self, corners: list[Picture]) -> Image.Image:
        """A grid with four pictures' reconstructions in its corners, and decoded mixes between."""
        codes = np.concatenate([np.asarray(self.model.encode(self._image(c))) for c in corners])
        across, down = np.meshgrid(np.linspace(0, 1, SIDE), np.linspace(0, 1, SIDE))
        left, above = 1 - across, 1 - down
        weights = np.stack([left * above, across * above, left * down, across * down], axis=-1)
        mixes = np.tensordot(weights, codes, axes=1)  # [SIDE, SIDE, w, w, latent]
        images = self.model.decode(mixes.reshape(-1, *codes.shape[1:]).astype(np.float32))
        return _picture(np.asarray(images).reshape(SIDE, SIDE, *self.model.image_shape), zoom=3)

    def classes(self, number: int) -> Image.Image:
        """A closed path through one test image per class, the class's `number`-th: one row from
        each class to the next."""
        by_class = (np.flatnonzero(self.labels == c) for c in range(len(self.class_names)))
        visited = [self.images[own[int(number) % len(own)]] for own in by_class if len(own)]
        path = closed_path(self.model, np.stack(visited), CLASS_STEPS)
        return _picture(path.reshape(-1, CLASS_STEPS, *path.shape[1:]), zoom=2)

    def new(self, sampler: str, seed: int) -> Image.Image:
        """A sheet of new images; for "fitted", the first call fits a sampler if there is none."""
        if sampler == "fitted" and self.model.sampler is None:
            self.model.fit_sampler(self.train_images())
        images = self.model.sample(NEW**2, sampler, int(seed or 0))
        return _picture(images.reshape(NEW, NEW, *images.shape[1:]), zoom=2)

    def estimate(self, image: np.ndarray) -> str:
        """The critic's estimate for an image [1, H, W, C], as text; "" without a critic."""
        if not self.model.critic:
            return ""
        alpha = float(np.asarray(self.model.estimate(np.clip(image, -1, 1)))[0])
        return f"critic: alpha {alpha:.3f}"

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


def page(explorer: Explorer, title: str):
    """The page, a `gradio.Blocks`."""
    import gradio  # an extra

    def safely(function):
        """Show errors about a picture on the page."""

        @functools.wraps(function)
        def wrapped(*arguments):
            try:
                return function(*arguments)
            except (UsageError, ValueError, TypeError, OSError) as error:
                raise gradio.Error(str(error)) from error

        return wrapped

    def chooser(name: str, number: int):
        """A picture: a test image by its number, or an upload."""
        with gradio.Column(min_width=160):
            label = f"{name}: test image number"
            which = gradio.Number(number, label=label, precision=0, minimum=0)
            picture = gradio.Image(
                explorer.picture(number),
                type="filepath",  # Gradio itself would decode any number of pixels
                image_mode=None,
                label=f"{name} (or upload one)",
                sources=["upload", "clipboard"],
                height=SHOWN + 40,
            )
        which.change(safely(explorer.picture), which, picture)
        return picture

    def show(function, inputs, outputs):
        """Call a function now and whenever an input changes."""
        for source in inputs:
            source.change(safely(function), inputs, outputs, show_progress="hidden")
        blocks.load(safely(function), inputs, outputs)

    cleaning = (CLEANED, KEPT)
    with gradio.Blocks(title=title, analytics_enabled=False, delete_cache=cleaning) as blocks:
        gradio.Markdown(f"# {title}")
        pair = explorer.first_pair()
        with gradio.Tab("Two images"):
            with gradio.Row():
                start, end = chooser("start", pair[0]), chooser("end", pair[1])
            t = gradio.Slider(0, 1, 0.5, step=0.01, label="mix: 0 is the start, 1 the end")
            outputs = []
            with gradio.Row():
                for method in METHODS:
                    with gradio.Column(min_width=160):
                        outputs.append(gradio.Image(label=method, height=SHOWN + 40))
                        outputs.append(gradio.Markdown())
            show(explorer.between, [start, end, t], outputs)
        with gradio.Tab("Four corners"):
            with gradio.Row():
                corners = [chooser(name, n) for n, name in enumerate(CORNERS)]
            mixed = gradio.Image(label="mixes of the four codes")
            show(lambda *pictures: explorer.corners(list(pictures)), corners, mixed)
        if len(np.unique(explorer.labels)) > 1:
            with gradio.Tab("From class to class"):
                gradio.Markdown(" → ".join([*explorer.class_names, explorer.class_names[0]]))
                which = gradio.Slider(0, 30, 0, step=1, label="which image of each class")
                path = gradio.Image(label="one row from each class to the next")
                show(explorer.classes, [which], path)
        with gradio.Tab("New images") as tab:
            fitted = explorer.model.sampler is not None
            gradio.Markdown(NEW_TEXT + ("" if fitted else FIRST_TEXT))
            with gradio.Row():
                start = samplers.NAMES[fitted]
                sampler = gradio.Radio(
                    list(samplers.NAMES), value=start, label="distribution of codes"
                )
                seed = gradio.Number(0, label="seed", precision=0, minimum=0)
                more = gradio.Button("Others")
            sheet = gradio.Image(label="new images")
            more.click(lambda number: int(number or 0) + 1, seed, seed, show_progress="hidden")
            for changes in (tab.select, sampler.change, seed.change):
                changes(safely(explorer.new), [sampler, seed], sheet)
    return blocks


def _picture(images: np.ndarray, zoom: int | None = None) -> Image.Image:
    """[rows, columns, H, W, C] or one row of them, uint8 or about [-1, 1], as one picture."""
    images = images[None] if images.ndim == 4 else images
    zoom = zoom or max(1, SHOWN // (images.shape[1] * images.shape[3]))
    return enlarged(to_float(images), zoom, Image.Resampling.NEAREST).convert("RGB")


def main() -> None:
    """The command line.

    Raises:
        UsageError: no model, missing data, a port that cannot be used, or Gradio is not installed.
    """
    parser = cli.Parser("explore", __doc__)
    add_model_options(parser)
    parser.add_argument("--host", default="127.0.0.1", help="address to serve (%(default)s)")
    parser.add_argument("--port", type=int, help="default: the first free one from 7860")
    arguments = parser.parse_args()
    if not importlib.util.find_spec("gradio"):
        raise UsageError('explore needs Gradio: pip install "acai_tf[explore]"')
    background = arguments.background and Config(background=arguments.background).background_rgb
    cli.load_backend()
    context, about, _ = open_model(arguments)
    data, config = context.dataset, context.model.config or Config()
    if len(data.image_shape) != 3:
        raise UsageError(f"explore shows images; {data.name} are signals")
    background = background or config.background_rgb
    explorer = Explorer(
        context.model,
        data.test_images,
        data.test_labels,
        data.class_names,
        background,
        lambda: data.train_once(samplers.CODES)[0],
    )
    import gradio  # an extra

    # Fonts of the system: nothing is fetched from other servers.
    theme = gradio.themes.Default(font=["system-ui", "sans-serif"], font_mono=["monospace"])
    preemption.handle(signal.default_int_handler)  # Gradio then closes the server and returns
    with tempfile.TemporaryDirectory(dir=os.environ.get("GRADIO_TEMP_DIR")) as folder:
        os.environ["GRADIO_TEMP_DIR"] = folder  # for uploads and pictures shown
        blocks = page(explorer, f"{about['model']} on {about['dataset']}")
        try:
            blocks.launch(
                server_name=arguments.host,
                server_port=arguments.port,
                max_file_size=UPLOAD,
                show_error=True,
                share=False,
                footer_links=[],
                theme=theme,
            )
        except (OSError, OverflowError) as error:
            raise UsageError(f"cannot serve there ({error}); try another --port") from error
