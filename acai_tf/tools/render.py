"""Animated interpolations: acai-tf render --run_dir=R --out=digits.gif

Ways through the codes of test images, or of pictures of your own, there and back to the first: as
an animation (.gif, .webp), or each way as a row of images (.png).
"""

import pathlib

import numpy as np
from PIL import Image

from acai_tf import cli
from acai_tf.config import Config
from acai_tf.errors import UsageError
from acai_tf.files import expanded, new_file, replacing
from acai_tf.models.inference import METHODS

KINDS = (".gif", ".webp", ".png")
LARGEST = {".gif": 65_535, ".webp": 16_383}  # pixels a side


def tour(model, images: np.ndarray, steps: int, method: str = "lerp") -> np.ndarray:
    """Decoded images along the way from each image's code to the next one's, and to the first.

    Args:
        model: an `Autoencoder`, or what has its verbs.
        images: [n, H, W, C], two at least.
        steps: decoded images from one to the next, the latter left out.
        method: "lerp" or "slerp".

    Returns:
        [n * steps, H, W, C], about [-1, 1].

    Raises:
        UsageError: fewer than two images, or fewer than one step.
    """
    if len(images) < 2 or steps < 1:
        raise UsageError(f"a way needs two images and a step: {len(images)} images, {steps} steps")
    interpolate = model.compiled_method("interpolate", steps=steps + 1, method=method)
    path = interpolate(images, np.roll(images, -1, axis=0))[:-1]  # [steps, n, H, W, C]
    return path.swapaxes(0, 1).reshape(-1, *images.shape[1:])


def save(tours: np.ndarray, path: pathlib.Path, zoom: int = 1, milliseconds: int = 80) -> str:
    """Write tours as an animation without end, beside each other, or (.png) each as a row.

    Args:
        tours: [tours, n, H, W, C], about [-1, 1].
        path: the file; its ending says what it is.
        zoom: how much larger than the images.
        milliseconds: for each image of an animation.

    Returns:
        What was written, in words.
    """
    if path.suffix == ".png":
        picture = enlarged(tours, zoom)
        with replacing(path) as partial:
            picture.save(partial, format="png")
        return f"{picture.width}x{picture.height}"
    first, *rest = (enlarged(images[None], zoom) for images in tours.swapaxes(0, 1))
    if max(first.size) > LARGEST[path.suffix]:
        raise UsageError(
            f"{path.suffix} takes {LARGEST[path.suffix]} pixels a side at most, these are"
            f" {first.width}x{first.height}; give a smaller --zoom, or fewer --ways"
        )
    options = {"append_images": rest, "duration": milliseconds, "loop": 0}
    with replacing(path) as partial:
        first.save(partial, format=path.suffix[1:], save_all=True, **options)
    return f"{1 + len(rest)} images of {first.width}x{first.height}"


def enlarged(
    images: np.ndarray, zoom: int, resampling: Image.Resampling = Image.Resampling.BICUBIC
) -> Image.Image:
    """[rows, columns, H, W, C], about [-1, 1], as one picture, so many times as large."""
    from acai_tf.evaluation.figures import grid

    pixels = grid(images)
    picture = Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels)
    return picture.resize((picture.width * zoom, picture.height * zoom), resampling)


def pictures_of(
    paths: list[str],
    image_shape: tuple[int, int, int],
    background: tuple[int, int, int] = (255, 255, 255),
) -> np.ndarray:
    """Picture files as a model takes them: their middle, resized, in its colors.

    Args:
        paths: of the files.
        image_shape: (height, width, colors).
        background: (red, green, blue), 0..255, seen where a picture is transparent.

    Raises:
        UsageError: a file that cannot be read.
    """
    from acai_tf.data.square import middle

    images = []
    for path in paths:
        try:
            file = expanded(path)
            if not file.is_file():  # a pipe would be waited on for ever
                raise OSError("there is no such file")
            with Image.open(file) as picture:
                images.append(middle(picture, image_shape, background))
        except (OSError, ValueError, Image.DecompressionBombError) as error:
            raise UsageError(f"{path} cannot be read as a picture ({error})") from error
    return np.stack(images)


def main() -> None:
    """The command line.

    Raises:
        UsageError: no model, no such image, a file that is there already.
    """
    parser = cli.Parser("render", __doc__)
    parser.add_argument("--run_dir", required=True, help="a run, an export, or a pretrained model")
    parser.add_argument("--out", required=True, help=f"the file to write: {', '.join(KINDS)}")
    parser.add_argument("--files", nargs="+", help="pictures to visit; default: test images")
    parser.add_argument(
        "--background", help="seen where --files are transparent; default: as in training"
    )
    parser.add_argument(
        "--images", type=int, default=5, help="test images that a way visits (%(default)s)"
    )
    parser.add_argument("--ways", type=int, default=6, help="ways beside each other (%(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="which test images (%(default)s)")
    parser.add_argument(
        "--steps", type=int, default=12, help="from one image to the next (%(default)s)"
    )
    parser.add_argument("--method", choices=METHODS, default="lerp", help="(%(default)s)")
    parser.add_argument("--zoom", type=int, default=3, help="enlarged by (%(default)s)")
    parser.add_argument("--fps", type=int, default=12, help="images a second (%(default)s)")
    parser.add_argument("--dataset", help="whose test images; default: as in training")
    parser.add_argument("--data_dir", help="default: as in training")
    parser.add_argument("--cache_dir", help="default: as in training")
    arguments = parser.parse_args()
    out = new_file(arguments.out)
    if out.suffix not in KINDS:
        raise UsageError(f"{out} must end with {', '.join(KINDS)}")
    if arguments.seed < 0:
        raise UsageError(f"--seed must be at least 0, got {arguments.seed}")
    for name in ("images", "ways", "steps", "zoom", "fps"):
        if getattr(arguments, name) < 1:
            raise UsageError(f"--{name} must be at least 1")
    background = arguments.background and Config(background=arguments.background).background_rgb
    cli.load_backend()
    from acai_tf.evaluation.target import open_target
    from acai_tf.loading import load

    if arguments.files:
        model = load(arguments.run_dir)
        background = background or (model.config or Config()).background_rgb
        chosen = [pictures_of(arguments.files, model.image_shape, background)]
    else:
        named = ("dataset", "data_dir", "cache_dir")
        changes = {n: getattr(arguments, n) for n in named if getattr(arguments, n) is not None}
        context, _, _ = open_target(arguments.run_dir, changes, raw_pixels=False)
        model, test = context.model, context.dataset.test_images
        order = np.random.default_rng(arguments.seed).permutation(len(test))
        order = np.resize(order, (arguments.ways, arguments.images))  # few: over again
        chosen = [test[np.sort(way)] for way in order]
    tours = [tour(model, images, arguments.steps, arguments.method) for images in chosen]
    written = save(np.stack(tours), out, arguments.zoom, round(1000 / arguments.fps))
    print(f"{out}: {written}")
