"""Animations and the explorer's pictures."""

import os
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from acai_tf import cli
from acai_tf.data.vocabulary import Vocabulary
from acai_tf.errors import UsageError
from acai_tf.evaluation.pixels import Pixels
from acai_tf.models import samplers
from acai_tf.tools import render
from acai_tf.tools.explore import images as explore

FEW = ["--images=2", "--steps=1"]
GREY = np.stack([np.full((8, 8, 1), level, np.uint8) for level in (0, 120, 240)])


class Blend(samplers.Sampling, Pixels):
    """Raw pixels with an autoencoder's inference methods."""

    config, critic, kind = None, True, "images"

    def encode(self, images):
        return self.compiled_method("encode")(images)

    def decode(self, codes):
        return codes

    def interpolate_at(self, starts, ends, t, method):
        starts, ends = self.encode(starts), self.encode(ends)
        return np.stack([(1 - point) * starts + point * ends for point in t])

    def estimate(self, images):
        return images.mean((1, 2, 3))


@pytest.fixture
def model():
    return Blend((8, 8, 1))


def levels(images):
    return np.round((images + 1) * 127.5).mean(axis=(1, 2, 3))


def test_a_path_visits_every_image_and_ends_before_the_first(model):
    images = render.closed_path(model, GREY, steps=4)
    assert images.shape == (12, 8, 8, 1)
    expected = [0, 30, 60, 90, 120, 150, 180, 210, 240, 180, 120, 60]
    np.testing.assert_allclose(levels(images), expected, atol=1)
    for bad in ((GREY[:1], 4), (GREY, 0)):
        with pytest.raises(UsageError, match="two images"):
            render.closed_path(model, *bad)


@pytest.mark.parametrize("ending", [".gif", ".webp"])
def test_an_animation_has_every_image_and_no_end(model, tmp_path, ending):
    paths = np.stack([render.closed_path(model, GREY, 4), render.closed_path(model, GREY[::-1], 4)])
    path = tmp_path / f"paths{ending}"
    assert render.save(paths, path, zoom=2, milliseconds=50) == "12 frames of 32x16"
    with Image.open(path) as animation:
        assert animation.n_frames == 12
        assert animation.size == (32, 16)
        assert animation.info["loop"] == 0
        for frame, level in ((0, 0), (4, 120), (9, 180)):
            animation.seek(frame)
            left = np.asarray(animation.convert("L"), float)[:, :16]
            assert left.mean() == pytest.approx(level, abs=4)


def test_a_strip_has_a_row_for_each_path(model, tmp_path):
    paths = np.stack([render.closed_path(model, GREY, 4), render.closed_path(model, GREY[::-1], 4)])
    assert render.save(paths, tmp_path / "strip.png") == "96x16"
    strip = np.asarray(Image.open(tmp_path / "strip.png"))
    np.testing.assert_allclose(strip[4, 4::8], np.round(levels(paths[0])), atol=1)
    np.testing.assert_allclose(strip[12, 4::8], np.round(levels(paths[1])), atol=1)


def run(monkeypatch, *words):
    monkeypatch.setattr(sys, "argv", ["render", *words])
    return cli.run(render.main)


def test_the_command(tmp_path, monkeypatch, capsys):
    out = tmp_path / "tour.gif"
    words = ["--run_dir=acai/lines-d64", "--images=2", "--paths=3", "--steps=2", "--zoom=1"]
    assert run(monkeypatch, *words, f"--out={out}") == 0
    assert "4 frames of 96x32" in capsys.readouterr().out


@pytest.fixture
def opened(model, monkeypatch):
    """The command has this model and grey test images."""
    dataset = SimpleNamespace(test_images=GREY, train_once=lambda n: [dataset.test_images])
    context = SimpleNamespace(model=model, dataset=dataset)
    monkeypatch.setattr(render, "load", lambda path: model)
    monkeypatch.setattr(render, "open_model", lambda arguments: (context, {}, None))
    return model, dataset


def test_words_for_the_command(opened, tmp_path, monkeypatch, capsys):
    picture = tmp_path / "photo.png"
    Image.new("RGB", (300, 200), "red").save(picture)
    (tmp_path / "text.png").write_text("no picture")
    for words, expected in (
        ([f"--out={picture}"], "exists"),
        ([f"--out={tmp_path}/tour.mp4"], "must end with .gif"),
        ([f"--out={tmp_path}/a.gif", "--steps=0"], "--steps must be at least 1"),
        ([f"--out={tmp_path}/a.gif", "--paths=many"], "invalid int value"),
        ([f"--out={tmp_path}/a.gif", "--seed=-1"], "--seed must be at least 0"),
        ([f"--out={tmp_path}/a.webp", *FEW, "--paths=30", "--zoom=70"], "16383 pixels"),
        ([f"--out={tmp_path}/a.gif", "--files", str(picture), f"{tmp_path}/text.png"], "text.png"),
        ([f"--out={tmp_path}/a.txt"], "images are written as .gif"),
    ):
        assert run(monkeypatch, "--run_dir=R", *words) == 2, words
        err = capsys.readouterr().err
        assert expected in err
        assert err.count("\n") == 1
    short = ["--run_dir=R", *FEW, "--zoom=1"]
    assert run(monkeypatch, *short, f"--out={tmp_path}/old.png", "--ways=1") == 0
    assert "use --paths" in capsys.readouterr().err
    files = ["--files", str(picture), str(picture)]
    assert run(monkeypatch, *short, f"--out={tmp_path}/own.png", *files) == 0
    for name in ("old", "own"):
        with Image.open(tmp_path / f"{name}.png") as strip:
            assert strip.size == (16, 8)


COLORS = Vocabulary(("", "red", "green", "blue"), words=True)


def test_sentences_are_written_as_text(opened, tmp_path, monkeypatch, capsys):
    model, dataset = opened
    model.__init__((2,), COLORS)
    model.kind = "tokens"
    dataset.test_images = COLORS.encode(["red", "green blue", "blue"], 2)
    out = tmp_path / "path.txt"
    words = ["--run_dir=R", "--paths=2", "--images=3", "--steps=1"]
    assert run(monkeypatch, *words, f"--out={out}") == 0
    assert out.read_text("utf-8") == "red\ngreen blue\nblue\n\nred\ngreen blue\nblue\n"
    assert "2x3 sentences" in capsys.readouterr().out
    out.unlink()
    assert run(monkeypatch, *words, f"--out={out}", "--sampler=fitted") == 0
    assert len(out.read_text("utf-8").split("\n")) == 8  # two paths, the line between and the end
    for more, said in (
        ([f"--out={tmp_path}/a.png"], "tokens are written as .txt"),
        ([f"--out={tmp_path}/a.txt", "--files", "a.png", "--fps=3"], "--files, --fps does not"),
    ):
        assert run(monkeypatch, *words, *more) == 2
        assert said in capsys.readouterr().err


def test_signals_are_drawn_as_curves(opened, tmp_path, monkeypatch, capsys):
    model, dataset = opened
    model.__init__((64, 1))
    model.kind = "signals"
    dataset.test_images = np.zeros((3, 64, 1), np.float32) + [[[20]], [[30]], [[40]]]
    words = ["--run_dir=R", f"--out={tmp_path}/curves.png", "--images=3", "--steps=1", "--zoom=1"]
    assert run(monkeypatch, *words, "--paths=2") == 0
    with Image.open(tmp_path / "curves.png") as strip:
        assert strip.size == (3 * 65, 2 * 32)
    words[1] = f"--out={tmp_path}/own.png"
    assert run(monkeypatch, *words, "--files", "a.png") == 2
    assert "--files does not apply to the model's signals" in capsys.readouterr().err


@pytest.mark.parametrize("kind", samplers.NAMES)
def test_new_images_on_the_path(opened, model, kind, tmp_path, monkeypatch, capsys):
    """The command fits a sampler to the training images if it needs one and there is none."""
    out = tmp_path / "new.png"
    words = ["--run_dir=R", f"--out={out}", "--paths=2", "--images=3", "--steps=1", "--zoom=1"]
    words += [f"--sampler={kind}", "--seed=4"]
    assert run(monkeypatch, *words) == 0
    assert ("fitting a sampler" in capsys.readouterr().out) == (kind == "fitted")
    expected = np.clip(model.sample(6, kind, seed=4), -1, 1)
    with Image.open(out) as strip:
        assert strip.size == (24, 16)
        rows = np.asarray(strip, float).reshape(2, 8, 3, 8).swapaxes(1, 2)
    np.testing.assert_allclose(rows.reshape(6, 8, 8, 1) / 127.5 - 1, expected, atol=0.01)

    # With a sampler of the model's own no images are read.
    monkeypatch.setattr(render, "open_model", lambda arguments: pytest.fail("images are read"))
    model.fit_sampler(GREY)
    out.unlink()
    assert run(monkeypatch, *words) == 0
    out.unlink()
    assert run(monkeypatch, *words, "--files", "a.png") == 2
    assert "not both" in capsys.readouterr().err


def test_transparent_pictures(explorer, tmp_path):
    clear = Image.new("RGBA", (20, 20))
    clear.save(tmp_path / "clear.png")
    assert (render.read_pictures([tmp_path / "clear.png"], (8, 8, 3)) == 255).all()
    assert (render.read_pictures([tmp_path / "clear.png"], (8, 8, 3), (1, 2, 3)) == [1, 2, 3]).all()
    assert (explorer._image(clear) == 255).all()
    explorer.background = (0, 0, 0)
    assert (explorer._image(clear) == 0).all()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes")
def test_a_pipe_is_no_picture(tmp_path):
    os.mkfifo(tmp_path / "pipe.png")
    with pytest.raises(UsageError, match=r"pipe\.png cannot be read"):
        render.read_pictures([tmp_path / "pipe.png"], (8, 8, 3))


@pytest.fixture
def explorer(model):
    return explore.Images(model, GREY, np.array([0, 1, 1]), ("dark", "light"))


def level(picture):
    return np.asarray(picture.convert("L"), float).mean()


def test_between_two_pictures(explorer):
    start, end = explorer.picture(0), explorer.picture(2)
    assert start.size == (200, 200)
    for t, expected in ((0.0, 0), (0.25, 60), (1.0, 240)):
        shown = explorer.between(start, end, t)
        assert [level(picture) for picture in shown[::2]] == pytest.approx([expected] * 3, abs=1)
        assert shown[1] == f"critic: alpha {expected / 127.5 - 1:.3f}"
    with pytest.raises(UsageError, match="no picture"):
        explorer.between(None, end, 0.5)


def test_the_first_pair_is_of_two_classes(explorer):
    assert explorer.first_pair() == (0, 1)
    explorer.labels = np.repeat(np.arange(10), 3)
    explorer.class_names = tuple("0123456789")
    assert explorer.first_pair() == (0, 9)  # a third of a turn further, where classes are angles
    explorer.labels = np.zeros(3, int)
    assert explorer.first_pair() == (0, 1)


def test_numbers_beyond_the_last_wrap_around(explorer):
    assert level(explorer.picture(5)) == level(explorer.picture(2)) == 240


def test_corners_are_where_they_are_called(explorer):
    levels = [0, 120, 240, 120]
    picture = explorer.corners([Image.new("L", (50, 40), value) for value in levels])
    grid = np.asarray(
        picture.convert("L").resize((explore.SIDE, explore.SIDE), Image.Resampling.BOX)
    )
    np.testing.assert_allclose(grid[[0, 0, -1, -1], [0, -1, 0, -1]], levels, atol=1)
    assert grid[2, 2] == pytest.approx(np.mean(levels), abs=1)


def test_a_path_through_the_classes(explorer):
    for number, light in ((0, 120), (1, 240), (2, 120)):
        picture = np.asarray(explorer.classes(number).convert("L"))
        height = picture.shape[0] // 2
        assert picture[0, 0] == 0
        assert picture[height + 1, 0] == pytest.approx(light, abs=1)


def test_a_model_without_a_critic_says_nothing(explorer, monkeypatch):
    monkeypatch.setattr(explorer.model, "critic", False)
    assert explorer.between(explorer.picture(0), explorer.picture(1), 0.5)[1] == ""


def test_a_sheet_of_new_images(explorer):
    """The sampler is fitted once, and not for the prior."""
    asked = []
    explorer.train_images = lambda: asked.append(1) or GREY
    prior = explorer.new("prior", 0)
    assert prior.size == (2 * 8 * explore.NEW,) * 2
    assert not asked
    sheets = [explorer.new("fitted", seed) for seed in (0, 0, 1, None)]
    assert asked == [1]
    same = [sheet.tobytes() == sheets[0].tobytes() for sheet in sheets]
    assert same == [True, True, False, True]
    found = np.asarray(sheets[0].convert("L"), float)[8::16, 8::16]
    assert len({0, 120, 240} & set(np.round(found.ravel(), -1))) == 2  # one is held out
    with pytest.raises(UsageError, match="seed"):
        explorer.new("prior", -1)
