"""What the explorer's pages share: the model behind them, and new elements."""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np

from acai_tf.errors import UsageError
from acai_tf.models import samplers

CLEANED, KEPT = 3600, 86_400  # seconds: how often old pictures are deleted, and at which age
NEW_TEXT = """\
Decoded from codes drawn at random: from the prior N(0, I), which codes of a VAE or an AAE follow,
or from a distribution fitted to codes of training {one}s."""
FIRST_TEXT = " It is fitted when it is first chosen, which can take a minute."


@dataclasses.dataclass
class Explorer:
    """Base class of what is behind a page: a model, and elements to choose from.

    Attributes:
        model: an `Autoencoder`, or a class with its inference methods.
        images: test elements [N, ...].
        labels: their classes, int [N].
        class_names: names of the classes.
        train_images: returns training elements, for a model that has no sampler.
        one: what an element is called.
    """

    one: ClassVar[str]

    model: Any
    images: np.ndarray
    labels: np.ndarray
    class_names: tuple[str, ...]
    train_images: Callable[[], np.ndarray] | None = None

    def tabs(self, show: Callable) -> None:
        """Make the tabs of this kind; show(function, inputs, outputs) calls a function when the
        page is opened and whenever an input changes."""
        raise NotImplementedError

    def sheet(self, label: str):
        """A component that shows what `new` returns."""
        raise NotImplementedError

    def new(self, sampler: str, seed: int):
        """A sheet of new elements."""
        raise NotImplementedError

    def first_pair(self) -> tuple[int, int]:
        """The first test element, and one of a class a third of all classes further.

        The classes of lines are angles, so these two are about a third of a turn apart.
        """
        shift = max(1, len(self.class_names) // 3)
        wanted = (self.labels[0] + shift) % max(2, len(self.class_names))
        others = np.flatnonzero(self.labels == wanted)
        return 0, int(others[0]) if len(others) else 1

    def sample(self, count: int, sampler: str, seed: int) -> np.ndarray:
        """New elements; for "fitted", the first call fits a sampler if there is none."""
        if sampler == "fitted" and self.model.sampler is None:
            self.model.fit_sampler(self.train_images())
        return self.model.sample(count, sampler, int(seed or 0))

    def estimate(self, made: np.ndarray) -> str:
        """The critic's estimate for a decoded element [1, ...], as text; "" without a critic."""
        if not self.model.critic:
            return ""
        made = np.clip(made, -1, 1) if made.ndim == 4 else made  # images
        return f"critic: alpha {float(np.asarray(self.model.estimate(made))[0]):.3f}"


def safely(function: Callable) -> Callable:
    """`function` with errors about its input shown on the page."""
    import gradio  # an extra

    @functools.wraps(function)
    def wrapped(*arguments):
        try:
            return function(*arguments)
        except (UsageError, ValueError, TypeError, OSError) as error:
            raise gradio.Error(str(error)) from error

    return wrapped


def page(explorer: Explorer, title: str):
    """The page, a `gradio.Blocks`."""
    import gradio  # an extra

    def show(function, inputs, outputs):
        for source in inputs:
            source.change(safely(function), inputs, outputs, show_progress="hidden")
        blocks.load(safely(function), inputs, outputs)

    cleaning = (CLEANED, KEPT)
    with gradio.Blocks(title=title, analytics_enabled=False, delete_cache=cleaning) as blocks:
        gradio.Markdown(f"# {title}")
        explorer.tabs(show)
        with gradio.Tab(f"New {explorer.one}s") as tab:
            fitted = explorer.model.sampler is not None
            about = NEW_TEXT.format(one=explorer.one)
            gradio.Markdown(about + ("" if fitted else FIRST_TEXT))
            with gradio.Row():
                start = samplers.NAMES[fitted]
                sampler = gradio.Radio(
                    list(samplers.NAMES), value=start, label="distribution of codes"
                )
                seed = gradio.Number(0, label="seed", precision=0, minimum=0)
                more = gradio.Button("Others")
            sheet = explorer.sheet(f"new {explorer.one}s")
            more.click(lambda number: int(number or 0) + 1, seed, seed, show_progress="hidden")
            for changes in (tab.select, sampler.change, seed.change):
                changes(safely(explorer.new), [sampler, seed], sheet)
    return blocks
