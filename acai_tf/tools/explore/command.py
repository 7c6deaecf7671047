"""Explore interpolations in a browser: acai-tf explore --run_dir=R

Serves a page to this machine only (--host=0.0.0.0: to others too): choose test images or upload
pictures, choose signals, or write sentences; move between their codes, and draw new ones. Needs
Gradio: pip install "acai_tf[explore]"
"""

import importlib.util
import os
import signal
import tempfile

from acai_tf import cli
from acai_tf.config import Config
from acai_tf.errors import UsageError
from acai_tf.kinds import IMAGES, SIGNALS, TOKENS
from acai_tf.models import samplers
from acai_tf.tools.explore.images import Images
from acai_tf.tools.explore.page import page
from acai_tf.tools.explore.sentences import Sentences
from acai_tf.tools.explore.signals import Signals
from acai_tf.tools.render import add_model_options, open_model
from acai_tf.training import preemption

KINDS = {IMAGES: Images, SIGNALS: Signals, TOKENS: Sentences}
UPLOAD = "5mb"


def main() -> None:
    """The command line.

    Raises:
        UsageError: no model, missing data, an option that is for images, a port that cannot be
            used, or Gradio is not installed.
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
    explorer = KINDS[data.kind](
        context.model,
        data.test_images,
        data.test_labels,
        data.class_names,
        lambda: data.train_once(samplers.CODES)[0],
    )
    if data.kind == IMAGES:
        explorer.background = background or config.background_rgb
    elif background:
        raise UsageError(f"--background is for images; {data.name} has {data.kind}")
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
