"""Hypothesis strategies for damaged files, and what a loader must do with them."""

import contextlib
import io
import json
import signal
import warnings
import zipfile

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from acai_tf.errors import AcaiError

SECONDS = 20  # a loader may take; far more than any needs

BIG = st.sampled_from([4000, 10**9, 2**63, -(10**30), 10**400, 1e308])
SCALARS = st.none() | st.booleans() | st.integers(-1, 40) | BIG | st.floats() | st.text()
JSON = st.recursive(SCALARS, lambda v: st.lists(v) | st.dictionaries(st.text(), v), max_leaves=5)
NOT_JSON = st.binary(max_size=20) | st.sampled_from(
    [b"", b"{", b"null", b"[]", b'"config"', b"9" * 5000, b"[" * 100_000, b'{"config":' * 100_000]
)
EXAMPLES = pytest.mark.parametrize(
    "examples", [pytest.param(12, id="few"), pytest.param(300, id="many", marks=pytest.mark.slow)]
)


def search(examples: int, *strategies):
    """A decorator that runs the function at once, on that many examples."""
    options = settings(
        max_examples=examples,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    return lambda function: options(given(*strategies)(function))()


def answer(name, call, *arguments):
    """The result of a call; None if it raises an AcaiError, whose message must contain `name`.

    Any other error, and taking longer than SECONDS, is a failure.
    """
    with _alarm(SECONDS):
        try:
            return call(*arguments)
        except AcaiError as refusal:
            message = " ".join(str(refusal).split())  # as `cli.run` prints it
            assert str(name) in message
            assert len(message) < 3000
            return None


@contextlib.contextmanager
def _alarm(seconds: int):
    def ring(*_):
        pytest.fail(f"it takes more than {seconds} s")

    before = signal.signal(signal.SIGALRM, ring)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


@st.composite
def changed_json(draw, whole: dict, inside: str = "config") -> bytes:
    """JSON text with some values replaced or removed: at its top, or in one object in it."""
    if draw(st.integers(0, 5)) == 0:
        return draw(NOT_JSON)
    changed = json.loads(json.dumps(whole))
    names = [(changed, name) for name in changed]
    names += [(changed[inside], name) for name in changed[inside]] * 2
    for place, name in draw(st.lists(st.sampled_from(names), min_size=1, max_size=3)):
        if draw(st.booleans()):
            place[name] = draw(JSON)
        else:
            place.pop(name, None)
    return json.dumps(changed).encode()


def npy(descr, shape, body: bytes) -> bytes:
    """A member of an .npz file; its header may not match its body."""
    header = repr({"descr": descr, "fortran_order": False, "shape": shape}).encode() + b"\n"
    return b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + body


DESCRIPTIONS = st.sampled_from(
    ["<f4", ">f4", "<f8", "|u1", "<i8", "|O", "<U3", "<c8", "<M8[s]", "|V0", "|b1", "", "<f4" * 99]
) | st.just([("a", "<f4"), ("b", "|O")])
SHAPES = st.sampled_from([(), (0,), (2,), (10**5,) * 2, (10**11,), (2**62, 8), (-1,), (1, 1, 1, 2)])
MEMBERS = st.builds(npy, DESCRIPTIONS, SHAPES, st.binary(max_size=64)) | st.binary(max_size=64)


def bomb() -> bytes:
    """A zip bomb: an array of a hundred megabytes in a thousandth of that."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("bomb.npy", npy("|u1", (10**8,), bytes(10**8)))
    return buffer.getvalue()


@st.composite
def changed_archive(draw, whole: bytes) -> bytes:
    """A zip file with its bytes or its members changed."""
    data, kind = bytearray(whole), draw(st.sampled_from(["bits", "cut", "insert", "members"]))
    last = len(data) - 1
    where = draw(st.integers(0, last) | st.integers(max(0, last - 400), last))
    if kind == "bits":
        for at in [where, *draw(st.lists(st.integers(0, last), max_size=3))]:
            data[at] ^= 1 << draw(st.integers(0, 7))
    elif kind == "cut":
        del data[where : draw(st.sampled_from([where + 1, where + 30, len(data)]))]
    elif kind == "insert":
        data[where:where] = draw(st.binary(min_size=1, max_size=40))
    else:
        return _with_members(draw, whole)
    return bytes(data)


def _with_members(draw, whole: bytes) -> bytes:
    with zipfile.ZipFile(io.BytesIO(whole)) as archive:
        members = [(name, archive.read(name)) for name in archive.namelist()]
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(members) - 1))
        name, content = members[at]
        change = draw(st.sampled_from(["forge", "remove", "repeat", "swap", "rename"]))
        if change == "forge":
            members[at] = name, draw(MEMBERS)
        elif change == "remove" and len(members) > 1:
            del members[at]
        elif change == "repeat":
            members.append((name, draw(MEMBERS)))
        elif change == "swap":
            members[at] = name, members[draw(st.integers(0, len(members) - 1))][1]
        else:
            others = ["x.npy", "encoder/conv9/kernel.npy", "../x"]
            members[at] = draw(st.sampled_from(others)), content
    buffer = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(buffer, "w") as archive:
        warnings.simplefilter("ignore")  # of duplicate names
        for name, content in members:
            archive.writestr(name, content)
    return buffer.getvalue()


def archive_of(**arrays) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    return buffer.getvalue()
