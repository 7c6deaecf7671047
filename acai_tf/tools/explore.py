"""Look at interpolations in a browser: acai-tf explore --run_dir=R

Serves a page on this machine alone (--host=0.0.0.0 to others too): choose test images or upload
pictures, and move between their codes. Needs Gradio: pip install -e ".[explore]" in the clone.
"""

import functools
import importlib.util
import os
import signal
import tempfile

import numpy as np
from PIL import Image

from acai_tf import cli
from acai_tf.config import Config
from acai_tf.data.square import WHITE, middle
from acai_tf.errors import UsageError
from acai_tf.models import inference
from acai_tf.tools.render import enlarged, tour
from acai_tf.training import preemption

SIDE = 5  # images in a row of the four-corner grid, and rows
CLASS_STEPS = 6  # from one class to the next
SHOWN = 200  # pixels of an image on the page
UPLOAD, PIXELS = "5mb", 40_000_000  # at most; a small file can hold any number of pixels
CLEANED, KEPT = 3600, 86_400  # seconds: how often old pictures are deleted, and how old they get
METHODS = (*inference.METHODS, "pixel blend")
CORNERS = ("top left", "top right", "bottom left", "bottom right")


Picture = Image.Image | str | None  # or the path of one's file


class Explorer:
    """What the page shows; pictures in, pictures out.

    Args:
        model: an `Autoencoder`, or what has its verbs.
        images: test images [N, H, W, C] to choose from.
        labels: their classes, whole numbers [N].
        class_names: of the classes.
        background: (red, green, blue), 0..255, seen where an uploaded picture is transparent.
    """

    def __init__(
        self,
        model,
        images: np.ndarray,
        labels: np.ndarray,
        class_names: tuple[str, ...],
        background: tuple[int, int, int] = WHITE,
    ):
        self.model, self.images, self.labels = model, images, labels
        self.class_names, self.background = class_names, background

    def picture(self, number: int) -> Image.Image:
        """A test image, enlarged; numbers beyond the last begin again from the first."""
        return _picture(self.images[int(number or 0) % len(self.images)][None])

    def between(self, start: Picture, end: Picture, t: float) -> list:
        """The images at t on the three ways from start to end, and what the critic says of each.

        Args:
            start, end: pictures of any size; their middle is resized.
            t: 0..1.

        Returns:
            [picture, the estimate in words] for lerp, slerp and the pixel blend in turn.
        """
        pair = [self._image(picture) for picture in (start, end)]
        at = np.array([t], np.float32)
        made = [
            np.asarray(self.model.interpolate_at(*pair, at, method))[0]
            for method in inference.METHODS
        ]
        unit = [image.astype(np.float32) / 127.5 - 1 for image in pair]
        made.append((1 - t) * unit[0] + t * unit[1])
        return [shown for image in made for shown in (_picture(image[None]), self.estimate(image))]

    def corners(self, corners: list[Picture]) -> Image.Image:
        """Four pictures' reconstructions in the corners, and between them the decoded mixes."""
        codes = np.concatenate([np.asarray(self.model.encode(self._image(c))) for c in corners])
        along = np.linspace(0, 1, SIDE)
        across, down = np.meshgrid(along, along)
        left, above = 1 - across, 1 - down
        weights = np.stack([left * above, across * above, left * down, across * down], axis=-1)
        mixes = np.tensordot(weights, codes, axes=1)  # [SIDE, SIDE, w, w, latent]
        images = self.model.decode(mixes.reshape(-1, *codes.shape[1:]).astype(np.float32))
        return _picture(np.asarray(images).reshape(SIDE, SIDE, *self.model.image_shape), zoom=3)

    def classes(self, number: int) -> Image.Image:
        """A walk from class to class and back, each through its test image of that number: a row
        for each class, from it towards the next."""
        visited = []
        for label in range(len(self.class_names)):
            own = np.flatnonzero(self.labels == label)
            if len(own):
                visited.append(self.images[own[int(number) % len(own)]])
        images = np.stack(visited)
        path = tour(self.model, images, CLASS_STEPS)
        return _picture(path.reshape(len(images), CLASS_STEPS, *images.shape[1:]), zoom=2)

    def estimate(self, image: np.ndarray) -> str:
        """What the critic takes an image [1, H, W, C] for, in words; "" without a critic."""
        try:
            alpha = float(np.asarray(self.model.estimate(np.clip(image, -1, 1)))[0])
        except NotImplementedError:
            return ""
        return f"critic: alpha {alpha:.3f}"

    def _image(self, picture: Picture) -> np.ndarray:
        """A picture as the model takes it: [1, H, W, C] uint8."""
        if picture is None:
            raise UsageError("there is no picture")
        shape = self.model.image_shape
        if isinstance(picture, Image.Image):
            return middle(picture, shape, self.background)[None]
        with Image.open(picture) as file:  # its pixels are not read yet
            if file.width * file.height > PIXELS:
                raise UsageError(
                    f"the picture has {file.width} x {file.height} pixels;"
                    f" {PIXELS:,} at most can be shown"
                )
            file.draft(None, (4 * shape[1], 4 * shape[0]))  # a JPEG is read at a smaller scale
            return middle(file, shape, self.background)[None]


def page(explorer: Explorer, title: str):
    """The page, as a `gradio.Blocks`."""
    import gradio

    def safely(function):
        """What is wrong with a picture is said on the page."""

        @functools.wraps(function)
        def wrapped(*arguments):
            try:
                return function(*arguments)
            except (UsageError, ValueError, TypeError, OSError) as error:
                raise gradio.Error(str(error)) from error

        return wrapped

    def chooser(name: str, number: int):
        """A picture, and the number of the test image that it is."""
        with gradio.Column(min_width=160):
            which = gradio.Number(
                number, label=f"{name}: test image number", precision=0, minimum=0
            )
            picture = gradio.Image(
                explorer.picture(number),
                type="filepath",  # Gradio itself would read any number of pixels
                image_mode=None,
                label=f"{name} (or upload one)",
                sources=["upload", "clipboard"],
                height=SHOWN + 40,
            )
        which.change(safely(explorer.picture), which, picture)
        return picture

    with gradio.Blocks(
        title=title,
        analytics_enabled=False,  # nothing leaves
        delete_cache=(CLEANED, KEPT),
    ) as blocks:
        gradio.Markdown(f"# {title}")
        with gradio.Tab("Two images"):
            with gradio.Row():
                start, end = chooser("start", 0), chooser("end", 1)
            t = gradio.Slider(0, 1, 0.5, step=0.01, label="mix: 0 is the start, 1 the end")
            outputs = []
            with gradio.Row():
                for method in METHODS:
                    with gradio.Column(min_width=160):
                        outputs.append(gradio.Image(label=method, height=SHOWN + 40))
                        outputs.append(gradio.Markdown())
            between = safely(explorer.between)
            for source in (start, end, t):
                source.change(between, [start, end, t], outputs, show_progress="hidden")
            blocks.load(between, [start, end, t], outputs)
        with gradio.Tab("Four corners"):
            with gradio.Row():
                corners = [chooser(name, n) for n, name in enumerate(CORNERS)]
            mixed = gradio.Image(label="mixes of the four codes")
            grid_of = safely(lambda *pictures: explorer.corners(list(pictures)))
            for corner in corners:
                corner.change(grid_of, corners, mixed, show_progress="hidden")
            blocks.load(grid_of, corners, mixed)
        if len(np.unique(explorer.labels)) > 1:
            with gradio.Tab("From class to class"):
                gradio.Markdown(" → ".join([*explorer.class_names, explorer.class_names[0]]))
                which = gradio.Slider(0, 30, 0, step=1, label="which image of each class")
                walk = gradio.Image(label="a row for each class, towards the next")
                classes = safely(explorer.classes)
                which.change(classes, which, walk, show_progress="hidden")
                blocks.load(classes, which, walk)
    return blocks


def theme():
    """Gradio's own, with fonts that are on every machine: no others' servers are asked."""
    import gradio

    return gradio.themes.Default(font=["system-ui", "sans-serif"], font_mono=["monospace"])


def _picture(images: np.ndarray, zoom: int | None = None) -> Image.Image:
    """[rows, columns, H, W, C], uint8 or about [-1, 1], as one picture, enlarged."""
    if images.ndim == 4:
        images = images[None]
    if images.dtype == np.uint8:
        images = images / 127.5 - 1
    zoom = zoom or max(1, SHOWN // (images.shape[1] * images.shape[3]))
    return enlarged(images, zoom, Image.Resampling.NEAREST).convert("RGB")


def check_gradio() -> None:
    """Raises UsageError where Gradio is not installed."""
    if not importlib.util.find_spec("gradio"):
        raise UsageError('exploring needs Gradio: pip install -e ".[explore]" in the clone')


def main() -> None:
    """The command line.

    Raises:
        UsageError: no model, missing data, Gradio is not installed.
    """
    parser = cli.Parser("explore", __doc__)
    parser.add_argument("--run_dir", required=True, help="a run, an export, or a pretrained model")
    parser.add_argument("--dataset", help="whose test images; default: as in training")
    parser.add_argument("--data_dir", help="default: as in training")
    parser.add_argument("--cache_dir", help="default: as in training")
    parser.add_argument(
        "--background", help="seen where uploads are transparent; default: as in training"
    )
    parser.add_argument("--host", default="127.0.0.1", help="whom to serve; default: this machine")
    parser.add_argument("--port", type=int, help="default: the first that is free from 7860 on")
    arguments = parser.parse_args()
    check_gradio()
    background = arguments.background and Config(background=arguments.background).background_rgb
    cli.load_backend()
    from acai_tf.evaluation.target import open_target

    named = ("dataset", "data_dir", "cache_dir")
    changes = {n: getattr(arguments, n) for n in named if getattr(arguments, n) is not None}
    context, about, _ = open_target(arguments.run_dir, changes, raw_pixels=False)
    data = context.dataset
    explorer = Explorer(
        context.model,
        data.test_images,
        data.test_labels,
        data.class_names,
        background or (context.model.config or Config()).background_rgb,
    )
    preemption.handle(signal.default_int_handler)  # with which Gradio closes the server and returns
    with tempfile.TemporaryDirectory(dir=os.environ.get("GRADIO_TEMP_DIR")) as folder:
        os.environ["GRADIO_TEMP_DIR"] = folder  # what is uploaded and shown
        blocks = page(explorer, f"{about['model']} on {about['dataset']}")
        try:
            blocks.launch(
                server_name=arguments.host,
                server_port=arguments.port,
                max_file_size=UPLOAD,
                show_error=True,
                share=False,
                footer_links=[],
                theme=theme(),
            )
        except (OSError, OverflowError) as error:
            raise UsageError(
                f"cannot serve there ({error}); give another --port or --host"
            ) from error
