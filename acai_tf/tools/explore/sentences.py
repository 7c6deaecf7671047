"""The page of sentences: text in, text out."""

import numpy as np

from acai_tf.data.vocabulary import PADDING, split
from acai_tf.tools.explore.page import Explorer

STEPS = 10  # sentences on a path
NEW = 16  # new sentences


class Sentences(Explorer):
    """Sentences that are typed in."""

    one = "sentence"

    def between(self, start: str, end: str, t: float) -> list[str]:
        """The straight path of codes (lerp) between two sentences.

        Returns:
            The path as lines, the sentence at t, 0..1, the critic's estimate for it, and what the
            model does not read of the two sentences.
        """
        pair = [" ".join((sentence or "").split()) for sentence in (start, end)]
        first, last = self.model.vocabulary.encode(pair, self.model.image_shape[0])[:, None]
        at = np.append(np.linspace(0, 1, STEPS), t).astype(np.float32)
        made = np.asarray(self.model.interpolate_at(first, last, at, "lerp"))[:, 0]
        *path, here = self.model.vocabulary.text(made)
        return ["\n".join(path), here, self.estimate(made[-1:]), self.unread(pair)]

    def unread(self, sentences: list[str]) -> str:
        """What the model does not read as it is written; "" if there is nothing."""
        vocabulary, length = self.model.vocabulary, self.model.image_shape[0]
        unit, known = vocabulary.unit, set(vocabulary.tokens)
        written = [split(sentence, vocabulary.words) for sentence in sentences]
        unknown = dict.fromkeys(t for one in written for t in one[:length] if t not in known)
        notes = []
        if unknown:
            notes.append(f"not in the vocabulary: {', '.join(unknown)}")
        if any(len(one) > length for one in written):
            notes.append(f"cut to {length} {unit}")
        if PADDING not in known and any(len(one) < length for one in written):
            notes.append(f"filled up with {vocabulary.tokens[0]!r} to {length} {unit}")
        return "; ".join(notes)

    def new(self, sampler: str, seed: int) -> str:
        return "\n".join(self.model.vocabulary.text(self.sample(NEW, sampler, seed)))

    def sheet(self, label: str):
        import gradio  # an extra

        return gradio.Textbox(label=label, lines=NEW)

    def tabs(self, show):
        import gradio  # an extra

        pair = np.take(self.images, self.first_pair(), axis=0, mode="wrap")
        first, last = self.model.vocabulary.text(pair)
        with gradio.Tab("Two sentences"):
            with gradio.Row():
                start = gradio.Textbox(first, label="start")
                end = gradio.Textbox(last, label="end")
            t = gradio.Slider(0, 1, 0.5, step=0.01, label="mix: 0 is the start, 1 the end")
            outputs = [
                gradio.Textbox(label="the path from start to end", lines=STEPS),
                gradio.Textbox(label="the sentence at the mix"),
                gradio.Markdown(),
                gradio.Textbox(label="not read as it is written"),
            ]
            show(self.between, [start, end, t], outputs)
