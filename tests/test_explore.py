"""The explorer's page, as a browser shows it. Needs Gradio, Playwright's Python and Chromium."""

import contextlib
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from acai_tf import cli
from acai_tf.config import Config
from acai_tf.data import load_dataset
from acai_tf.data.vocabulary import Vocabulary
from acai_tf.errors import UsageError
from acai_tf.models import build_model
from acai_tf.tools import render
from acai_tf.tools.explore import command, images, sentences, signals
from acai_tf.training.train import train
from tests.conftest import ROOT

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
QUIET = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-sync"]


@contextlib.contextmanager
def served(config):
    """The address of the page of a small run."""
    pytest.importorskip("gradio")
    train(config)
    words = ["-m", "acai_tf", "explore", f"--run_dir={config.run_dir}"]
    with subprocess.Popen(
        [sys.executable, *words],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        bufsize=1,
    ) as process:
        try:
            for line in process.stdout:
                if found := re.search(r"http://127\.0\.0\.1:\d+", line):
                    yield found[0]
                    break
            else:
                pytest.fail("the page was not served")
        finally:
            process.terminate()


@contextlib.contextmanager
def opened(url):
    """A page in a browser, without errors and without requests to others."""
    playwright = pytest.importorskip("playwright.sync_api")
    if not CHROMIUM:
        pytest.skip("there is no Chromium")
    with playwright.sync_playwright() as p:
        browser = p.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        page = browser.new_page()
        errors, elsewhere = [], []
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("request", lambda request: elsewhere.append(request.url))
        page.goto(url)
        yield page, playwright.expect
        assert errors == []
        assert all(address.startswith((url, "data:", "blob:")) for address in elsewhere)
        browser.close()


@pytest.mark.slow
def test_the_page_is_used_by_keyboard_and_upload(tiny, tmp_path):
    with served(tiny) as url, opened(url) as (page, expect):
        estimates = page.locator("text=critic: alpha")
        expect(estimates).to_have_count(3, timeout=60_000)
        before = estimates.all_inner_texts()
        slider = page.get_by_role("slider").first
        slider.focus()
        for _ in range(30):
            page.keyboard.press("ArrowRight")
        expect(estimates.first).not_to_have_text(before[0], timeout=30_000)

        # An uploaded picture of another size.
        before = estimates.all_inner_texts()
        picture = tmp_path / "photo.png"
        Image.new("RGB", (300, 200), "white").save(picture)
        page.get_by_label("Remove Image").first.click()
        page.locator("input[type=file]").first.set_input_files(picture)
        expect(estimates.nth(2)).not_to_have_text(before[2], timeout=30_000)

        for name in ("Four corners", "From class to class"):
            page.get_by_role("tab", name=name).click()
            image = page.locator("img:visible").last
            expect(image).to_be_visible(timeout=60_000)

        # New images, of the prior, of another seed, and of a sampler that is fitted now.
        page.get_by_role("tab", name="New images").click()
        expect(page.locator("text=It is fitted when it is first chosen")).to_be_visible()
        sheet = page.locator("img:visible")
        for use in (
            lambda: None,
            page.get_by_role("button", name="Others").click,
            page.get_by_label("fitted", exact=True).click,
        ):
            before = sheet.last.get_attribute("src") if sheet.count() else ""
            use()
            expect(sheet.last).not_to_have_attribute("src", before, timeout=60_000)
        page.screenshot(path=pathlib.Path(tmp_path) / "page.png")


@pytest.mark.slow
def test_the_page_of_sentences(configured):
    with served(configured(dataset="carousel")) as url, opened(url) as (page, expect):
        path = page.get_by_label("the path from start to end")
        expect(path).to_have_value(re.compile(r"(.+\n){9}.+"), timeout=60_000)
        page.get_by_label("start", exact=True).fill("red purple")
        expect(page.get_by_label("not read")).to_have_value(re.compile("purple"), timeout=30_000)
        expect(page.locator("text=critic: alpha")).to_be_visible()
        page.get_by_role("tab", name="New sentences").click()
        expect(page.get_by_label("new sentences")).to_have_value(re.compile(r"(.+\n){15}.+"))


@pytest.mark.slow
def test_the_page_of_signals(configured):
    with served(configured(dataset="pulses")) as url, opened(url) as (page, expect):
        expect(page.locator("text=critic: alpha")).to_have_count(3, timeout=60_000)
        assert page.locator("input[type=file]").count() == 0
        curves = page.locator("img:visible")
        expect(curves).to_have_count(5)
        before = curves.last.get_attribute("src")
        page.get_by_label("start: test signal number").fill("7")
        page.keyboard.press("Tab")
        expect(curves.last).not_to_have_attribute("src", before, timeout=30_000)


def test_a_picture_of_too_many_pixels_is_refused_unread(tmp_path, monkeypatch):
    explorer = images.Images(SimpleNamespace(image_shape=(32, 32, 1)), None, None, ())
    sizes = {"small.png": (300, 200), "photo.jpg": (4000, 3000), "bomb.png": (8000, 8000)}
    for name, size in sizes.items():
        Image.new("L" if name == "photo.jpg" else "1", size, 1).save(tmp_path / name)
    read = []
    middle = images.middle
    monkeypatch.setattr(
        images, "middle", lambda image, *words: read.append(image.size) or middle(image, *words)
    )
    assert explorer._image(str(tmp_path / "small.png")).shape == (1, 32, 32, 1)
    explorer._image(str(tmp_path / "photo.jpg"))
    assert read == [(300, 200), (500, 375)]  # an eighth of the JPEG
    with pytest.raises(UsageError, match="8000 x 8000 pixels"):
        explorer._image(str(tmp_path / "bomb.png"))
    assert len(read) == 2


def test_without_gradio_it_says_what_to_install(monkeypatch, capsys):
    """Before anything is loaded."""
    monkeypatch.setattr(command.importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr(cli, "load_backend", lambda: pytest.fail("it loads"))
    monkeypatch.setattr(sys, "argv", ["explore", "--run_dir=x"])
    assert cli.run(command.main) == 2
    assert "acai_tf[explore]" in capsys.readouterr().err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_explorer_that_is_ended_leaves_no_files(number, tmp_path, monkeypatch):
    def launch(**_):
        (tmp_path / os.environ["GRADIO_TEMP_DIR"] / "upload.png").touch()
        with contextlib.suppress(KeyboardInterrupt):  # as Gradio does
            signal.raise_signal(number)
            pytest.fail("the signal is ignored")

    config = Config(dataset="digits")
    context = SimpleNamespace(model=SimpleNamespace(config=config), dataset=load_dataset(config))
    about = {"model": "acai", "dataset": "digits"}
    monkeypatch.setattr(render, "open_target", lambda *_, **__: (context, about, None))
    themes = SimpleNamespace(Default=lambda **_: None)
    monkeypatch.setitem(sys.modules, "gradio", SimpleNamespace(themes=themes))
    monkeypatch.setattr(command.importlib.util, "find_spec", lambda name: True)
    monkeypatch.setattr(command, "page", lambda *_: SimpleNamespace(launch=launch))
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    monkeypatch.setattr(sys, "argv", ["explore", "--run_dir=x"])
    before = set(tmp_path.iterdir())
    handler = signal.signal(number, signal.default_int_handler)  # shells' jobs ignore SIGINT
    try:
        assert cli.run(command.main) == 0
    finally:
        signal.signal(number, handler)
    assert set(tmp_path.iterdir()) - before <= {tmp_path / "cache"}


COLORS = Vocabulary(("", "red", "green", "blue"), words=True)


@pytest.mark.parametrize("name", ["acai", "baseline"])
def test_between_two_sentences(name):
    """The ends are reconstructions; only ACAI has a critic."""
    config = Config(model=name, depth=2, latent=2, latent_width=4)
    model = build_model(config, (4,), 0, COLORS)
    tokens = COLORS.encode(["red green", "blue blue red"], 4)
    explorer = sentences.Sentences(model, tokens, np.zeros(2, int), (), lambda: tokens)
    path, here, estimate, unread = explorer.between("red  green", "blue blue red", 1.0)
    ends = COLORS.text(np.asarray(model.reconstruct(tokens)))
    lines = path.split("\n")
    assert (len(lines), [lines[0], lines[-1]], here) == (10, ends, ends[1])
    assert estimate.startswith("critic: alpha" if name == "acai" else "")
    assert bool(estimate) == (name == "acai")
    assert unread == ""
    *_, unread = explorer.between("red mauve", "pink red red red mauve", 0.5)
    assert unread == "not in the vocabulary: mauve, pink; cut to 4 words"
    assert len(explorer.new("prior", 0).split("\n")) == sentences.NEW


def test_short_sentences_without_a_token_for_padding():
    model = SimpleNamespace(vocabulary=Vocabulary(("red", "green"), True), image_shape=(4,))
    explorer = sentences.Sentences(model, None, None, ())
    assert explorer.unread(["green green", ""]) == "filled up with 'red' to 4 words"


def test_signals_are_chosen_by_number_and_shown_as_curves():
    x = np.stack([np.full((64, 1), level, np.float32) for level in (20, 30, 40)])
    explorer = signals.Signals(SimpleNamespace(), x, np.arange(3), ("a", "b", "c"))
    np.testing.assert_array_equal(explorer._image(4), x[1:2])  # numbers wrap around
    curve = np.asarray(explorer.picture(1).convert("L"))
    assert curve.shape == (96, 195)  # three times 32 x 65
    assert set(curve[:, 0].argsort()[:3]) == {45, 46, 47}  # in the middle of the range
    assert set(np.asarray(explorer.picture(2).convert("L"))[:, 0].argsort()[:3]) == {0, 1, 2}


def test_a_background_is_for_images(monkeypatch, capsys):
    data = load_dataset(Config(dataset="carousel"))
    context = SimpleNamespace(model=SimpleNamespace(config=Config()), dataset=data)
    monkeypatch.setattr(command, "open_model", lambda _: (context, {}, None))
    monkeypatch.setattr(command.importlib.util, "find_spec", lambda name: True)
    monkeypatch.setattr(sys, "argv", ["explore", "--run_dir=x", "--background=red"])
    assert cli.run(command.main) == 2
    assert "carousel has tokens" in capsys.readouterr().err
