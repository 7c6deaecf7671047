"""The explorer's page, as a browser shows it. Needs Gradio, Playwright's Python and Chromium."""

import contextlib
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from acai_tf.config import Config
from acai_tf.training.train import train
from tests.conftest import ROOT, tiny

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
QUIET = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-sync"]


@pytest.fixture
def url(tmp_path):
    """A served page of a small ACAI on digits."""
    pytest.importorskip("gradio")
    config = tiny.__wrapped__(tmp_path)
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


@pytest.mark.slow
def test_the_page_is_used_by_keyboard_and_upload(url, tmp_path):
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
        estimates = page.locator("text=critic: alpha")
        playwright.expect(estimates).to_have_count(3, timeout=60_000)
        before = estimates.all_inner_texts()
        slider = page.get_by_role("slider").first
        slider.focus()
        for _ in range(30):
            page.keyboard.press("ArrowRight")
        playwright.expect(estimates.first).not_to_have_text(before[0], timeout=30_000)

        # An uploaded picture of another size.
        before = estimates.all_inner_texts()
        picture = tmp_path / "photo.png"
        Image.new("RGB", (300, 200), "white").save(picture)
        page.get_by_label("Remove Image").first.click()
        page.locator("input[type=file]").first.set_input_files(picture)
        playwright.expect(estimates.nth(2)).not_to_have_text(before[2], timeout=30_000)

        for name in ("Four corners", "From class to class"):
            page.get_by_role("tab", name=name).click()
            image = page.locator("img:visible").last
            playwright.expect(image).to_be_visible(timeout=60_000)

        # New images, of the prior, of another seed, and of a sampler that is fitted now.
        page.get_by_role("tab", name="New images").click()
        playwright.expect(page.locator("text=It is fitted when it is first chosen")).to_be_visible()
        sheet = page.locator("img:visible")
        for use in (
            lambda: None,
            page.get_by_role("button", name="Others").click,
            page.get_by_label("fitted", exact=True).click,
        ):
            before = sheet.last.get_attribute("src") if sheet.count() else ""
            use()
            playwright.expect(sheet.last).not_to_have_attribute("src", before, timeout=60_000)
        page.screenshot(path=pathlib.Path(tmp_path) / "page.png")
        assert errors == []
        assert all(address.startswith((url, "data:", "blob:")) for address in elsewhere)
        browser.close()


def test_a_picture_of_too_many_pixels_is_refused_unread(tmp_path, monkeypatch):
    from types import SimpleNamespace

    from acai_tf.errors import UsageError
    from acai_tf.tools import explore

    explorer = explore.Explorer(SimpleNamespace(image_shape=(32, 32, 1)), None, None, ())
    sizes = {"small.png": (300, 200), "photo.jpg": (4000, 3000), "bomb.png": (8000, 8000)}
    for name, size in sizes.items():
        Image.new("L" if name == "photo.jpg" else "1", size, 1).save(tmp_path / name)
    read = []
    middle = explore.middle
    monkeypatch.setattr(
        explore, "middle", lambda image, *words: read.append(image.size) or middle(image, *words)
    )
    assert explorer._image(str(tmp_path / "small.png")).shape == (1, 32, 32, 1)
    explorer._image(str(tmp_path / "photo.jpg"))
    assert read == [(300, 200), (500, 375)]  # an eighth of the JPEG
    with pytest.raises(UsageError, match="8000 x 8000 pixels"):
        explorer._image(str(tmp_path / "bomb.png"))
    assert len(read) == 2


def test_without_gradio_it_says_what_to_install(monkeypatch, capsys):
    """Before anything is loaded."""
    from acai_tf import cli
    from acai_tf.tools import explore

    monkeypatch.setattr(explore.importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr(cli, "load_backend", lambda: pytest.fail("it loads"))
    monkeypatch.setattr(sys, "argv", ["explore", "--run_dir=x"])
    assert cli.run(explore.main) == 2
    assert "acai_tf[explore]" in capsys.readouterr().err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_explorer_that_is_ended_leaves_no_files(number, tmp_path, monkeypatch):
    from types import SimpleNamespace

    from acai_tf import cli
    from acai_tf.data import load_dataset
    from acai_tf.tools import explore, render

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
    monkeypatch.setattr(explore.importlib.util, "find_spec", lambda name: True)
    monkeypatch.setattr(explore, "page", lambda *_: SimpleNamespace(launch=launch))
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    monkeypatch.setattr(sys, "argv", ["explore", "--run_dir=x"])
    before = set(tmp_path.iterdir())
    handler = signal.signal(number, signal.default_int_handler)  # shells' jobs ignore SIGINT
    try:
        assert cli.run(explore.main) == 0
    finally:
        signal.signal(number, handler)
    assert set(tmp_path.iterdir()) - before <= {tmp_path / "cache"}


def test_a_model_without_a_critic_has_no_estimate():
    from acai_tf.models import build_model
    from acai_tf.tools.explore import Explorer

    shape = (32, 32, 1)
    images, labels = np.zeros((2, *shape), np.uint8), np.zeros(2, int)
    for name, said in (("baseline", ""), ("acai", "critic: alpha")):
        model = build_model(Config(model=name, depth=2, latent=2), shape, 0)
        found = Explorer(model, images, labels, ()).estimate(np.zeros((1, *shape), np.float32))
        assert found.startswith(said)
        assert bool(found) == bool(said)
