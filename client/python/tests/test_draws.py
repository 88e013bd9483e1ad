"""Draws write exactly what was asked for, into exactly the memory that was given."""
import mmap
import os
import sys
import threading

import numpy
import pytest

import sower

RUN = sower.offline("draws")
DRAW = RUN.draw("w", (6, 5), "normal(std=1)")


def test_a_box_is_the_part_of_the_whole():
    whole = DRAW.numpy()
    assert whole.shape == (6, 5) and whole.dtype == numpy.float32 and len(set(whole.reshape(-1).tolist())) == 30
    for box in [((0, 6), (0, 5)), ((2, 4), (1, 5)), ((5, 6), (4, 5)), ((3, 3), (0, 5))]:
        (top, bottom), (left, right) = box
        part = DRAW.numpy(box)
        assert part.shape == (bottom - top, right - left)
        assert part.tobytes() == whole[top:bottom, left:right].tobytes()


def test_a_scalar_and_an_empty_tensor():
    assert RUN.draw("s", (), "constant(value=3)").numpy().tolist() == 3
    assert RUN.draw("s", (), "constant(value=3)").numpy(()).shape == ()
    assert RUN.draw("e", (0, 7), "he_normal").numpy().shape == (0, 7)
    RUN.draw("e", (0, 7), "he_normal").fill(bytearray())


@pytest.mark.parametrize("threads", [0, 1, 2, 7])
def test_the_number_of_threads_changes_no_bit(threads):
    draw = RUN.draw("threads", (1024, 1111), "he_normal")
    array = numpy.empty(draw.shape, "f4")
    draw.fill(array, threads=threads)
    assert array.tobytes() == draw.numpy().tobytes()
    assert draw.digest(threads=threads) == draw.digest()


def test_every_kind_of_buffer_gets_the_same_bytes():
    expected = DRAW.numpy().tobytes()
    buffers = [bytearray(120), mmap.mmap(-1, 120), numpy.zeros((6, 5), "f4"), numpy.zeros(30, "u4"), numpy.zeros((6, 20), "u1"),
               memoryview(bytearray(130))[4:124], (numpy.zeros(30, "<f4"))]
    for buffer in buffers:
        DRAW.fill(buffer)
        assert bytes(memoryview(buffer).cast("B") if not isinstance(buffer, numpy.ndarray) else buffer.tobytes()) == expected


@pytest.mark.parametrize("what, buffer", [
    ("read-only", bytes(120)),
    ("not contiguous", numpy.zeros((5, 6), "f4").T),
    ("120", bytearray(119)),
    ("120", bytearray(121)),
    ("120", bytearray()),
    ("format", numpy.zeros(15, "f8")),
    ("format", numpy.zeros(30, "i4")),
    ("format", numpy.zeros(30, ">f4")),
    ("shape", numpy.zeros((5, 6), "f4")),
    ("no buffer", "text"),
    ("no buffer", None),
    ("no buffer", [0.0] * 30),
])
def test_a_buffer_that_does_not_fit_is_refused_with_a_sentence(what, buffer):
    before = buffer.tobytes() if isinstance(buffer, numpy.ndarray) else bytes(buffer or b"") if isinstance(buffer, bytearray) else None
    with pytest.raises(sower.BufferMismatch, match=what) as caught:
        DRAW.fill(buffer)
    assert str(caught.value).endswith(".")
    if isinstance(buffer, numpy.ndarray):
        assert buffer.tobytes() == before


@pytest.mark.parametrize("box", [((0, 6),), ((0, 7), (0, 5)), ((-1, 6), (0, 5)), ((4, 3), (0, 5)), ((0, 6), (0, 5), (0, 1)), (0, 6), "0:6,:",
                                 ((0, 6), (0, 5.0)), ((0, 2**70), (0, 5)), ((0, 6, 1), (0, 5)), 3])
def test_a_box_that_does_not_fit_is_refused_with_a_sentence(box):
    for ask in (lambda: DRAW.numpy(box), lambda: DRAW.digest(box), lambda: DRAW.fill(bytearray(120), box)):
        with pytest.raises(sower.BufferMismatch, match="box"):
            ask()


def test_narrow_types_are_those_of_ml_dtypes():
    ml_dtypes = pytest.importorskip("ml_dtypes")
    wide = RUN.draw("narrow", (257,), "normal(std=1)").numpy()
    for dtype, narrow in (("bf16", ml_dtypes.bfloat16), ("f8_e4m3", ml_dtypes.float8_e4m3fn), ("f8_e5m2", ml_dtypes.float8_e5m2), ("f16", "f2")):
        array = RUN.draw("narrow", (257,), "normal(std=1)", dtype).numpy()
        assert array.dtype == narrow and array.tobytes() == wide.astype(narrow).tobytes()
    with pytest.raises(sower.BufferMismatch, match="view"):
        RUN.draw("narrow", (257,), "zeros", "bf16").fill(numpy.zeros(257, ml_dtypes.bfloat16))


def test_without_ml_dtypes_the_error_names_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "ml_dtypes", None)
    with pytest.raises(sower.SowerError, match="ml_dtypes"):
        RUN.draw("b", (2,), "zeros", "bf16").numpy()


def test_without_numpy_the_error_names_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "numpy", None)
    with pytest.raises(sower.SowerError, match="numpy"):
        DRAW.numpy()


def test_attributes():
    draw = RUN.draw("w", (6, 5), "normal(std=1)", "bfloat16", layout="io")
    assert (draw.name, draw.shape, draw.dtype, draw.itemsize, draw.nbytes) == ("w", (6, 5), "bf16", 2, 60)
    assert draw.init == "normal(mean=0,std=1)" and len(draw.id) == len(draw.seed) == 64
    assert (draw.ledger, draw.drift, draw.recorded) == (None, None, False) and "not recorded" in repr(draw)
    assert draw.seed == DRAW.seed and draw.id != DRAW.id


def test_other_python_code_runs_while_a_draw_is_filled():
    draw = RUN.draw("gil", (4096, 4096), "normal(std=1)")
    filled, counted = threading.Event(), 0
    thread = threading.Thread(target=lambda: (draw.fill(bytearray(draw.nbytes), threads=1), filled.set()))
    thread.start()
    while not filled.is_set():
        counted += 1
    thread.join()
    assert counted > 100


def test_threads_share_a_draw():
    draw = RUN.draw("shared", (96, 64), "orthogonal")
    results = [None] * 8

    def work(index):
        results[index] = draw.numpy().tobytes()

    threads = [threading.Thread(target=work, args=(index,)) for index in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(results)) == 1


@pytest.mark.filterwarnings("ignore:This process")  # which has threads
def test_a_forked_child_makes_the_same_bits():
    expected = DRAW.numpy().tobytes()
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(write, DRAW.numpy().tobytes() + RUN.draw("w", (6, 5), "normal(std=1)").numpy().tobytes())
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    assert os.read(read, 1000) == 2 * expected


@pytest.mark.parametrize("field, arguments", [
    ("name", ("", (2,), "zeros")), ("shape", ("w", (2.5,), "zeros")), ("shape", ("w", "ab", "zeros")), ("shape", ("w", (-1,), "zeros")),
    ("init", ("w", (2,), "no_such")), ("init", ("w", (2,), "normal(std=-1)")), ("dtype", ("w", (2,), "zeros", "f31")),
])
def test_a_wrong_field_is_named(field, arguments):
    with pytest.raises(sower.InvalidRequest) as caught:
        RUN.draw(*arguments)
    assert caught.value.field == field and str(caught.value).endswith((".", "?"))


@pytest.mark.parametrize("field, make", [
    ("experiment", lambda: sower.offline("")), ("experiment", lambda: sower.offline("a\0b")), ("experiment", lambda: sower.offline("\ud800")),
    ("experiment", lambda: sower.offline("é" * 129)), ("experiment", lambda: sower.offline(7)), ("trial", lambda: sower.offline("e", trial=-1)),
    ("trial", lambda: sower.offline("e", trial=2**63)), ("trial", lambda: sower.offline("e", trial=True)),
    ("root", lambda: sower.offline("e", root=b"short")), ("root", lambda: sower.offline("e", root="zz" * 32)),
    ("root", lambda: sower.offline("e", root=32)), ("threads", lambda: DRAW.fill(bytearray(120), threads=-1)),
    ("threads", lambda: DRAW.digest(threads="2")), ("colour", lambda: RUN.draw("w", (2,), "zeros", colour="red")),
    ("slice", lambda: RUN.draw("w", (2,), "zeros", slice="0:1")), ("experiment", lambda: RUN.draw("w", (2,), "zeros", experiment="other")), (None, lambda: RUN.draw("w", (2,), "zeros", fan_in=float("nan"))),
    (None, lambda: RUN.draw("w", (2,), "zeros", fan_in=object())), (None, lambda: RUN.draw("\udcff", (2,), "zeros")),
])
def test_a_wrong_argument_is_named(field, make):
    with pytest.raises(sower.InvalidRequest) as caught:
        make()
    assert caught.value.field == field


def test_a_plan_says_what_a_draw_is():
    plan = RUN.plan("w", (6, 5), "he_normal", layout="io")
    assert plan["draw"] == RUN.draw("w", (6, 5), "he_normal", layout="io").id
    assert (plan["fan_in"], plan["fan_out"], plan["elements"]) == (6, 5, 30)
