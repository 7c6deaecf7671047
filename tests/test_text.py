"""Text: sentences as tokens, from the benchmark's references to one's own file."""

import itertools

import keras
import numpy as np
import pytest

import acai_tf
from acai_tf.config import Config
from acai_tf.data import carousel, load_dataset, npz, text
from acai_tf.errors import CannotEvaluate, UsageError
from acai_tf.evaluation import (
    generation,
    language,
    lines,
    realism,
    reconstruction,
    robustness,
    sheets,
    similarity,
    transitions,
)
from acai_tf.evaluation.context import Context
from acai_tf.evaluation.pixels import Pixels
from acai_tf.evaluation.run import evaluate_run
from acai_tf.export.write import export
from acai_tf.lazy import tf
from acai_tf.models import MODELS, build_model
from acai_tf.training.train import train

RING = carousel.CAROUSEL
SMALL = {"depth": 2, "latent": 2, "latent_width": 4}
WORDS = ("a", "the"), ("big", "red", "old"), ("cat", "dog", "fox")
SENTENCES = [" ".join(words) for words in itertools.product(*WORDS)]


@pytest.fixture(scope="module")
def rings():
    return load_dataset(Config(dataset="carousel"))


def of_sentences(sentences=SENTENCES, words=True, length=4):
    return text.from_sentences(sentences, "mine", words, length, "mine.txt")


# Vocabularies and data.


def test_sentences_are_cut_padded_and_shown():
    vocabulary = acai_tf.Vocabulary.of(["b a a", "c"], words=True)
    assert vocabulary.tokens[2:] == ("a", "b", "c")  # the most frequent first
    tokens = vocabulary.encode(["c b a c", "a x", ""], length=3)
    np.testing.assert_array_equal(tokens, [[4, 3, 2], [2, 1, 0], [0, 0, 0]])
    assert vocabulary.text(tokens) == ["c b a", "a \N{REPLACEMENT CHARACTER}", ""]
    probabilities = np.eye(5, dtype=np.float32)[tokens]
    assert vocabulary.text(probabilities[:, None]) == [[one] for one in vocabulary.text(tokens)]
    assert acai_tf.Vocabulary.of(["ab"]).text(np.array([2, 3])) == "ab"
    assert acai_tf.Vocabulary.from_dict(vocabulary.to_dict()) == vocabulary


def test_sentences_as_a_dataset(capsys):
    data = of_sentences(
        [*SENTENCES, SENTENCES[0], "", "  a  big   cat", "a big red old cat"], length=3
    )
    assert "1 of 19 sentences are cut to 3 words" in capsys.readouterr().out
    assert (data.kind, data.image_shape, data.classes) == ("tokens", (3,), 1)
    shown = [data.vocabulary.text(part) for part in (data.train_images, data.test_images)]
    assert len(shown[1]) == 1
    assert not {*shown[0]} & {*shown[1]}
    assert {*shown[0], *shown[1]} <= {*SENTENCES, "a big red"}
    renamed = of_sentences([one.replace("fox", "ox") for one in SENTENCES])
    assert len({data.fingerprint(), of_sentences().fingerprint(), renamed.fingerprint()}) == 3
    letters = of_sentences(words=False, length=8)
    assert letters.image_shape == (8,)
    assert "a" in letters.vocabulary.tokens


def test_names_of_unicode():
    names = load_dataset(Config(dataset="names"))
    assert len(names.train_images) > 20_000
    assert len(names.vocabulary) == 40
    sentences = names.vocabulary.text(names.train_images)
    number = names.class_names.index("number")
    assert names.train_labels[sentences.index("DIGIT THREE")] == number
    assert names.image_shape == (32,)


def test_a_file_of_text(tmp_path):
    path = tmp_path / "mine.txt"
    path.write_text("\n".join(SENTENCES), "utf-8")
    data = load_dataset(Config(dataset=f"text:{path}", tokens="words", length=4))
    assert len(data.train_images) + len(data.test_images) == len(SENTENCES)
    for content in (b"", b"one line\n", b"\xff\xfe\xfa" * 9):
        path.write_bytes(content)
        with pytest.raises(UsageError, match=r"mine\.txt"):
            load_dataset(Config(dataset=f"text:{path}"))
    with pytest.raises(UsageError, match="no such file"):
        load_dataset(Config(dataset=f"text:{tmp_path}"))


def test_tokens_in_an_npz(tmp_path):
    data, path = of_sentences(), tmp_path / "mine.npz"
    npz.save(data, path)
    again = load_dataset(Config(dataset=f"npz:{path}"))
    assert again.vocabulary == data.vocabulary
    np.testing.assert_array_equal(again.train_images, data.train_images)
    tokens = np.arange(20).reshape(10, 2)
    np.savez(path, train_images=tokens, test_images=tokens[:3])
    assert load_dataset(Config(dataset=f"npz:{path}")).vocabulary.tokens[19] == "19"
    np.savez(path, train_images=tokens, test_images=tokens, vocabulary=["a", "b"])
    np.savez(path, train_images=tokens, test_images=tokens, vocabulary="ab")
    with pytest.raises(UsageError, match=r"texts \[V\]"):
        load_dataset(Config(dataset=f"npz:{path}"))
    np.savez(path, train_images=tokens, test_images=tokens, vocabulary=["a", "b"])
    with pytest.raises(UsageError, match="19"):
        load_dataset(Config(dataset=f"npz:{path}"))
    np.savez(path, train_images=-tokens, test_images=tokens)
    with pytest.raises(UsageError, match="tokens"):
        load_dataset(Config(dataset=f"npz:{path}"))


# The benchmark.


def test_the_carousel_by_hand():
    sentences = RING.draw(np.array([0, 1, 16, 127.9]))
    np.testing.assert_array_equal(sentences[0], [0] * 16)
    np.testing.assert_array_equal(sentences[1], [1] + [0] * 15)
    np.testing.assert_array_equal(sentences[2], [1] * 16)
    np.testing.assert_array_equal(sentences[3], [0] * 15 + [7])
    ring = RING.draw(RING.factor)
    different = np.sum(ring[0] != ring, axis=1)
    place = np.arange(128)
    np.testing.assert_array_equal(different, np.minimum(np.minimum(place, 128 - place), 16))
    distance, nearest = RING.nearest(np.stack([ring[5], np.where(place[:16] == 9, 5, ring[5])]))
    np.testing.assert_array_equal(distance, [0, 1 / 16])
    np.testing.assert_array_equal(nearest, [5, 5])


def test_two_carousels_are_scored_one_by_one():
    data = load_dataset(Config(dataset="carousels"))
    assert data.test_images.shape == (5000, 32)
    assert len({row.tobytes() for row in data.train_once(60_000)[0]}) > 15_000  # of 16,384
    paths = data.test_images[:6].reshape(2, 3, 32).copy()
    paths[0, 1, 20] = (paths[0, 1, 20] + 4) % 8
    distance, place = data.templates.nearest(paths)
    assert distance.shape == place.shape == (4, 3)
    np.testing.assert_array_equal(distance[:2], 0)  # first halves
    assert distance[2, 1] == 1 / 16
    np.testing.assert_array_equal(distance[3], 0)


def test_what_is_right_and_what_is_not_on_the_carousel(rings):
    rng, t = np.random.default_rng(0), np.linspace(0, 1, 16)
    start, end = rng.uniform(0, 128, (2, 256, 1))
    turn = (end - start + 64) % 128 - 64  # the short way
    right = RING.draw(((start + t * turn) % 128).ravel()).reshape(256, 16, 16)
    first, last = right[:, :1], right[:, -1:]
    jump = np.where(t[:, None] < 0.5, first, last)

    def scores(paths):
        distance, place = RING.nearest(paths)
        found = lines.scores(distance, place, RING)
        return found["sentence_distance"], found["sentence_smoothness_mean"], np.mean(distance == 0)

    assert scores(right) == pytest.approx((0, 0.045, 1), abs=0.01)
    assert scores(jump) == pytest.approx((0, 0.933, 1), abs=0.01)
    context = Context(Pixels(rings.image_shape, rings.vocabulary), rings)
    assert scores(language.spliced(context)) == pytest.approx((0.214, 0.841, 0.171), abs=0.01)
    assert RING.nearest(rng.integers(0, 8, (500, 16)))[0].mean() == pytest.approx(0.68, abs=0.01)
    # Pixel blends are jumps.
    found = lines.evaluate(context)
    assert found["sentence_valid"] == 1
    assert found["sentence_smoothness_mean"] == pytest.approx(0.93, abs=0.01)


# Models.

FAST = ("vae",)


@pytest.mark.parametrize(
    "name", [n if n in FAST else pytest.param(n, marks=pytest.mark.slow) for n in MODELS]
)
def test_every_model_trains_on_tokens(rings, name):
    settings = {"z_log_size": 4} if name == "vqvae" else {}
    config = Config(model=name, dataset="carousel", batch=16, **SMALL, **settings)
    model = build_model(config, rings.image_shape, 8, rings.vocabulary)
    model.compile(optimizer=keras.optimizers.Adam(1e-3))
    batch = rings.batch_at(0, 16, seed=0)
    logs = model.train_on_batch(batch["image"], batch["label"], return_dict=True)
    assert all(np.isfinite(value) for value in logs.values())
    # About log 8 at first; a VAE sums over 16 words.
    loss = -logs["loss_ll"] / 16 if name == "vae" else logs["loss_ae"]
    assert 0.5 * np.log(8) < loss < 3 * np.log(8)
    path = model.interpolate(batch["image"][:2], batch["image"][2:4], steps=3)
    np.testing.assert_allclose(np.sum(path, -1), np.ones((3, 2, 16)), rtol=1e-5)
    assert model.vocabulary.text(path)[0][0].count(" ") == 15
    assert model.sample(3).shape == (3, 16, 8)


@pytest.mark.slow
def test_recurrent_networks(rings):
    settings = {"networks": "recurrent(units=4)", "dtype_policy": "mixed_bfloat16", **SMALL}
    mixed = build_model(Config(**settings), rings.image_shape, 0, rings.vocabulary)
    mixed.compile()
    batch = rings.batch_at(0, 8, seed=0)
    assert np.isfinite(mixed.train_on_batch(batch["image"], return_dict=True)["loss_critic"])
    config = Config(networks="recurrent(units=4)", dataset="carousel", **SMALL)
    model = build_model(config, rings.image_shape, 0, rings.vocabulary)
    model.compile()
    batch = rings.batch_at(0, 8, seed=0)
    assert np.isfinite(model.train_on_batch(batch["image"], return_dict=True)["loss_critic"])
    code = np.array(model.encode(batch["image"]))
    assert code.shape == (8, 4, 2)
    np.testing.assert_allclose(model.encode(batch["image"][3:4])[0], code[3], atol=1e-6)
    with pytest.raises(UsageError, match="signals or tokens"):
        build_model(config, (16, 16, 1), 0)


def test_tokens_that_a_model_does_not_take(rings):
    model = build_model(Config(model="baseline", **SMALL), (16,), 0, rings.vocabulary)
    encode, sentence = model.compiled_method("encode"), rings.test_images[:1]
    for wrong in (sentence[:, :8], sentence + 8, -sentence - 1, sentence * 0.5, sentence[:0]):
        with pytest.raises(UsageError):
            encode(wrong)
    model.compile()
    with pytest.raises(UsageError, match="8 to"):
        model.fit(np.full((8, 16), 8), verbose=0)
    one_hot = rings.vocabulary.one_hot(sentence)
    np.testing.assert_array_equal(encode(sentence), encode(one_hot))


# Measures.


def test_n_grams_by_hand():
    model = language.NGrams([[0, 1], [0, 1], [0, 0]], order=2, levels=2)
    # After nothing: 9 tokens, 3 different ones: 0 four times, 1 twice, the end three times.
    alone = (4 + 3 * (1 / 3)) / (9 + 3)
    assert model._probability((), 0) == pytest.approx(alone)
    # After 0: 1 twice, 0 and the end once.
    assert model._probability((0,), 0) == pytest.approx((1 + 3 * alone) / (4 + 3))
    assert sum(model._probability((0,), token) for token in (0, 1, -1)) == pytest.approx(1)
    assert sum(model._probability((7,), token) for token in (0, 1, -1)) == pytest.approx(1)
    start = (3 + alone) / (3 + 1)  # only 0 begins a sentence
    end = model._probability((0,), -1)
    assert model.perplexity([[0]]) == pytest.approx((start * end) ** -0.5)


def test_edit_distance_by_hand():
    words = ["kitten", "sitten", "sittin", "itten", "kitten"]
    vocabulary = acai_tf.Vocabulary.of(words)
    tokens = vocabulary.encode(words, 6)
    distance = language.edit_distance(tokens[[0, 0, 0, 0]], tokens[1:])
    np.testing.assert_array_equal(distance, [1, 2, 2, 0])  # itten: one deleted, padding inserted
    paths = tokens[[[0, 0, 1, 2, 2], [0, 1, 0, 1, 0], [0, 0, 0, 0, 0]]]
    assert language.edit_smoothness(paths) == pytest.approx((1 / 2 + 1 / 4) / 2 - 1 / 4)
    assert np.isnan(language.edit_smoothness(paths[2:]))


def test_measures_of_text(rings):
    context = Context(Pixels(rings.image_shape, rings.vocabulary), rings)
    scores = language.evaluate(context)
    assert scores["perplexity"] == pytest.approx(scores["text_perplexity"], rel=0.05)  # all valid
    assert scores["splice_perplexity"] > 50 * scores["perplexity"]
    assert scores["edit_smoothness"] == pytest.approx(14 / 15)  # a jump
    assert reconstruction.evaluate(context) == {"token_accuracy": 1, "sentence_accuracy": 1}
    for evaluator in (generation, realism, robustness, sheets, similarity, transitions):
        run = getattr(evaluator, "evaluate", getattr(evaluator, "draw", None))
        with pytest.raises(CannotEvaluate, match="tokens"):
            run(context)


def test_a_run_on_a_file_of_sentences(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    numbers = [f"{one} {two}" for one in range(20) for two in range(20)]
    (tmp_path / "mine.txt").write_text("\n".join(numbers), "utf-8")
    settings = {"batch": 16, "total_kimg": 1, "report_kimg": 1, "length": 4, "tokens": "words"}
    model = train(dataset="text:mine.txt", **settings, **SMALL)
    folder = "runs/mine/acai-d8-seed0"  # 2 channels of 4 places
    assert (tmp_path / folder / "sheets/lerp-000001.txt").read_text("utf-8").strip()
    # Edited, the file is read with the run's own vocabulary.
    (tmp_path / "mine.txt").write_text("\n".join([*numbers, "21 21", "x 21 21"]), "utf-8")
    settings["export"] = False
    again = train(dataset="text:mine.txt", **settings, **SMALL)
    assert again.vocabulary == model.vocabulary
    other = train(dataset="text:mine.txt", init=folder, run_dir="other", **settings, **SMALL)
    assert other.vocabulary == model.vocabulary
    tokens = model.vocabulary.encode(["1 2", "3 4"], 4)
    expected = np.array(model.interpolate(tokens[:1], tokens[1:], steps=3))
    for loaded in (acai_tf.load(folder), acai_tf.load(f"{folder}/saved_model")):
        path = loaded.interpolate(tokens[:1], tokens[1:], steps=3)
        np.testing.assert_allclose(path, expected, rtol=1e-4, atol=1e-6)
        assert loaded.vocabulary == model.vocabulary
    # Without the package.
    signature = tf.saved_model.load(f"{folder}/saved_model").signatures["reconstruct"]
    made = signature(images=tf.constant(tokens))["reconstructions"]
    np.testing.assert_allclose(made[:1], expected[0], rtol=1e-4, atol=1e-6)
    names = ["sentences", "reconstruction", "language", "lines", "information"]
    capsys.readouterr()
    found = evaluate_run(folder, names)
    assert found["token_accuracy"] > 0
    assert found["perplexity"] > 1
    printed = capsys.readouterr().out
    assert all(word in printed for word in ("lerp:", "lines", "left out"))
    assert "<pre>" in (tmp_path / folder / "report.html").read_text("utf-8")
    saved = tmp_path / "saved.keras"
    model.save(saved)
    assert keras.saving.load_model(saved).vocabulary == model.vocabulary


@pytest.mark.slow
def test_onnx_of_tokens(rings, tmp_path):
    onnxruntime = pytest.importorskip("onnxruntime")
    pytest.importorskip("tf2onnx")
    config = Config(model="acai", dataset="carousel", **SMALL)
    model = build_model(config, rings.image_shape, 8, rings.vocabulary)
    export(model, tmp_path / "out", ("onnx", "weights"), critic=True)
    session = onnxruntime.InferenceSession(tmp_path / "out" / "reconstruct.onnx")
    tokens = rings.test_images[:3]
    (made,) = session.run(None, {"images": tokens})
    np.testing.assert_allclose(made, model.reconstruct(tokens), rtol=1e-4, atol=1e-6)
    again = acai_tf.load(tmp_path / "out")
    np.testing.assert_array_equal(again.estimate(tokens), model.estimate(tokens))
    assert again.vocabulary == rings.vocabulary
