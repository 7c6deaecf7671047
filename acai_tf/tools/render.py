"""Animated interpolations: acai-tf render --run_dir=R --out=digits.gif

Closed paths through the codes of test images, of new images (--sampler), or of your own pictures
(--files), as an animation (.gif, .webp), or as one row of images per path (.png). Signals are drawn
as curves; sentences are written as text (.txt), one a line.
"""

import argparse
import pathlib
import sys

import numpy as np
from PIL import Image

from acai_tf import cli
from acai_tf.config import Config
from acai_tf.data.square import middle
from acai_tf.data.vocabulary import most_likely
from acai_tf.errors import UsageError
from acai_tf.evaluation.figures import grid, normalized
from acai_tf.evaluation.target import open_target
from acai_tf.files import expanded, new_file, replacing, write_atomically
from acai_tf.kinds import IMAGES, SIGNALS, TOKENS
from acai_tf.loading import load
from acai_tf.models import samplers
from acai_tf.models.inference import METHODS

PICTURES, TEXT = (".gif", ".webp", ".png"), ".txt"
WRITTEN = {IMAGES: PICTURES, SIGNALS: PICTURES, TOKENS: (TEXT,)}
UNREAD = {SIGNALS: ("files", "background"), TOKENS: ("files", "background", "zoom", "fps")}
LARGEST = {".gif": 65_535, ".webp": 16_383}  # pixels a side


def closed_path(model, images: np.ndarray, steps: int, method: str = "lerp") -> np.ndarray:
    """Decoded images on the path from each image's code to the next one's, and back to the first.

    Args:
        model: an `Autoencoder`, or a class with its inference methods.
        images: [n, H, W, C], at least two; or signals, or tokens.
        steps: decoded images per image of the path.
        method: "lerp" or "slerp".

    Returns:
        [n * steps, H, W, C], about [-1, 1]; probabilities of tokens [n * steps, T, V].

    Raises:
        UsageError: fewer than two images, or fewer than one step.
    """
    if len(images) < 2 or steps < 1:
        raise UsageError(f"a path needs two images and a step, got {len(images)} and {steps}")
    interpolate = model.compiled_method("interpolate", steps=steps + 1, method=method)
    path = interpolate(images, np.roll(images, -1, axis=0))[:-1]  # [steps, n, H, W, C]
    return path.swapaxes(0, 1).reshape(-1, *path.shape[2:])


def save(paths: np.ndarray, file: pathlib.Path, zoom: int = 1, milliseconds: int = 80) -> str:
    """Write paths side by side as an endless animation, or (.png) each as a row of images.

    Args:
        paths: [paths, n, H, W, C], about [-1, 1].
        file: .gif, .webp or .png.
        zoom: magnification.
        milliseconds: per frame.

    Returns:
        A description of what was written.
    """
    if file.suffix == ".png":
        picture = enlarged(paths, zoom)
        with replacing(file) as partial:
            picture.save(partial, format="png")
        return f"{picture.width}x{picture.height}"
    first, *rest = (enlarged(images[None], zoom) for images in paths.swapaxes(0, 1))
    if max(first.size) > (largest := LARGEST[file.suffix]):
        raise UsageError(
            f"{file.suffix} takes at most {largest} pixels a side, not {first.width}x"
            f"{first.height}; give a smaller --zoom or fewer --paths"
        )
    options = {"append_images": rest, "duration": milliseconds, "loop": 0}
    with replacing(file) as partial:
        first.save(partial, format=file.suffix[1:], save_all=True, **options)
    return f"{1 + len(rest)} frames of {first.width}x{first.height}"


def enlarged(
    images: np.ndarray, zoom: int, resampling: Image.Resampling = Image.Resampling.BICUBIC
) -> Image.Image:
    """A grid of images [rows, columns, H, W, C], about [-1, 1], as one magnified picture."""
    pixels = grid(images)
    picture = Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels)
    return picture.resize((picture.width * zoom, picture.height * zoom), resampling)


def read_pictures(
    files: list[str],
    image_shape: tuple[int, int, int],
    background: tuple[int, int, int] = (255, 255, 255),
) -> np.ndarray:
    """Picture files as uint8 images of a model's shape: cropped to the middle and resized.

    Args:
        files: their paths.
        image_shape: (height, width, colors).
        background: (red, green, blue), 0..255, behind transparent pixels.

    Raises:
        UsageError: a file that cannot be read.
    """
    images = []
    for path in files:
        try:
            if not expanded(path).is_file():  # opening a pipe would block
                raise OSError("no such file")
            with Image.open(expanded(path)) as picture:
                images.append(middle(picture, image_shape, background))
        except (OSError, ValueError, Image.DecompressionBombError) as error:
            raise UsageError(f"{path} cannot be read as a picture ({error})") from error
    return np.stack(images)


def add_model_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of `open_model` and --background."""
    parser.add_argument("--run_dir", required=True, help="a run, an export, or a pretrained model")
    parser.add_argument("--dataset", help="dataset of the test images; default: as in training")
    parser.add_argument("--data_dir", help="default: as in training")
    parser.add_argument("--cache_dir", help="default: as in training")
    parser.add_argument(
        "--background", help="color behind transparent pictures; default: as in training"
    )


def open_model(arguments: argparse.Namespace):
    """The model and the test images that the options name, as `open_target` returns them."""
    named = ("dataset", "data_dir", "cache_dir")
    changes = {n: getattr(arguments, n) for n in named if getattr(arguments, n) is not None}
    return open_target(arguments.run_dir, changes, raw_pixels=False)


def check_kind(kind: str, ending: str, given: list[str]) -> None:
    """Raise UsageError if elements of a kind are not written with an ending, or options `given` are
    not for them."""
    if ending not in WRITTEN[kind]:
        raise UsageError(f"the model's {kind} are written as {', '.join(WRITTEN[kind])}")
    if unread := [f"--{name}" for name in given if name in UNREAD.get(kind, ())]:
        raise UsageError(f"{', '.join(unread)} does not apply to the model's {kind}")


def new_elements(model, arguments: argparse.Namespace, count: int) -> np.ndarray:
    """New elements of a model: [count, H, W, C] in [-1, 1], signals, or tokens.

    Where the model has no fitted sampler, and --sampler asks for one, it is fitted first.
    """
    if arguments.sampler == "fitted" and model.sampler is None:
        print("fitting a sampler to the training images, which can take a minute", flush=True)
        context, _, _ = open_model(arguments)
        model.fit_sampler(context.dataset.train_once(samplers.CODES)[0])
    made = model.sample(count, arguments.sampler, arguments.seed)
    if model.kind == IMAGES:
        return np.clip(made, -1, 1)
    return most_likely(made) if model.kind == TOKENS else made


def main() -> None:
    """The command line.

    Raises:
        UsageError: no model, no such picture, or a file that exists already.
    """
    parser = cli.Parser("render", __doc__)
    add_model_options(parser)
    add, default = parser.add_argument, "(default: %(default)s)"
    endings = (*PICTURES, TEXT)
    add("--out", required=True, help=f"the file to write: {', '.join(endings)}")
    add("--files", nargs="+", help="pictures on the path; default: test images")
    add(
        "--sampler",
        choices=samplers.NAMES,
        help="new images on the path, decoded from codes of the prior N(0, I), or of a distribution"
        " fitted to codes of training images",
    )
    add("--images", type=int, default=5, help=f"images per path {default}")
    add("--paths", type=int, default=6, help=f"paths side by side {default}")
    add("--ways", type=int, help=argparse.SUPPRESS)  # the old name of --paths
    add("--seed", type=int, default=0, help=f"which images {default}")
    add("--steps", type=int, default=12, help=f"frames from one image to the next {default}")
    add("--method", choices=METHODS, default="lerp", help=default)
    add("--zoom", type=int, default=3, help=f"magnification {default}")
    add("--fps", type=int, default=12, help=f"frames per second {default}")
    arguments = parser.parse_args()
    if arguments.ways is not None:
        print("--ways is deprecated, use --paths", file=sys.stderr)
        arguments.paths = arguments.ways
    out = new_file(arguments.out)
    if out.suffix not in endings:
        raise UsageError(f"{out} must end with {', '.join(endings)}")
    for name in ("seed", "images", "paths", "steps", "zoom", "fps"):
        if (value := getattr(arguments, name)) < (least := int(name != "seed")):
            raise UsageError(f"--{name} must be at least {least}, got {value}")
    if arguments.files and arguments.sampler:
        raise UsageError("give --files or --sampler, not both")
    background = arguments.background and Config(background=arguments.background).background_rgb
    cli.load_backend()
    context = None
    if arguments.files or arguments.sampler:
        model = load(arguments.run_dir)
    else:
        context, _, _ = open_model(arguments)
        model = context.model
    given = [name for name, value in vars(arguments).items() if value != parser.get_default(name)]
    check_kind(model.kind, out.suffix, given)
    if context:
        test = context.dataset.test_images
        order = np.random.default_rng(arguments.seed).permutation(len(test))
        order = np.resize(order, (arguments.paths, arguments.images))  # repeats a small test set
        visited = [test[np.sort(indices)] for indices in order]
    elif arguments.files:
        background = background or (model.config or Config()).background_rgb
        visited = [read_pictures(arguments.files, model.image_shape, background)]
    else:
        made = new_elements(model, arguments, arguments.paths * arguments.images)
        visited = np.split(made, arguments.paths)
    paths = [closed_path(model, images, arguments.steps, arguments.method) for images in visited]
    paths = np.stack(paths)
    if model.kind == TOKENS:
        sentences = model.vocabulary.text(paths)
        write_atomically(out, "\n\n".join("\n".join(path) for path in sentences) + "\n")
        what = f"{len(sentences)}x{len(sentences[0])} sentences"
    else:
        paths = normalized(paths, np.concatenate(visited))
        what = save(paths, out, arguments.zoom, round(1000 / arguments.fps))
    print(f"{out}: {what}")
