"""Manifests of 1,048,576 tensors, the most there may be: read, kept, sent in parts and recorded in bounded memory."""
import http.client
import json
import struct
import threading
import urllib.parse

import pytest

from conftest import SOWERD

SANITIZED = any(name in open(SOWERD, "rb").read() for name in (b"__asan_init", b"__tsan_init"))
# With a sanitizer everything takes five times as long.
COUNT = 1 << (16 if SANITIZED else 20)
LONG = 280  # seconds


def ask(daemon, method, path, body=None, **fields):
    connection = http.client.HTTPConnection(daemon.address, timeout=LONG)
    connection.request(method, path + ("?" + urllib.parse.urlencode(fields) if fields else ""), body=body)
    response = connection.getresponse()
    content = response.read()
    connection.close()
    return response, content


def body(count):
    """The experts of a large model: few different tensors, many of each."""
    tensors = [f'{{"name":"model.layers.{at // 3072}.mlp.experts.{at // 3 % 1024}.{name}_proj.weight","shape":{shape}}}'
               for at, (name, shape) in enumerate([("gate", "[2,8]"), ("up", "[2,8]"), ("down", "[8,2]")] * (count // 3 + 1))][:count]
    rules = [{"match": "*.down_proj.*", "init": "normal(std=0.0006)"}, {"match": "*.0.*", "dtype": "f32"}]
    return '{"defaults":{"init":"normal(std=0.006)","dtype":"bf16"},"rules":' + json.dumps(rules) + ',"tensors":[' + ",".join(tensors) + "]}"


@pytest.fixture(scope="module")
def kept(daemon):
    """The hash of the manifest, and the daemon's peak memory in MiB when it was kept."""
    response, content = ask(daemon, "POST", "/v1/manifests", body(COUNT))
    answer = json.loads(content)
    assert response.status == 200 and answer["tensors"] == COUNT, content
    return answer["manifest"], daemon.status_kib("VmHWM") >> 10


def test_a_part_is_sent_and_memory_is_bounded(daemon, kept):
    hash, after_keeping = kept
    response, file = ask(daemon, "GET", "/v1/model", manifest=hash, experiment="million", part="1000/2048")
    assert response.status == 200, file
    (length,) = struct.unpack("<Q", file[:8])
    header = json.loads(file[8:8 + length])
    names = [name for name in header if name != "__metadata__"]
    assert COUNT // 2048 - 2 <= len(names) <= COUNT // 2048 + 2 and int(response.headers["Sower-Tensors"]) == len(names)
    name = names[7]
    start, stop = header[name]["data_offsets"]
    shape = ",".join(map(str, header[name]["shape"]))
    init = "normal(std=0.0006)" if "down" in name else "normal(std=0.006)"
    dtype = header[name]["dtype"].lower()
    alone = daemon.get("/v1/tensor", experiment="million", name=name, shape=shape, init=init, dtype=dtype, format="raw")
    assert alone.body == file[8 + length + start:8 + length + stop]
    lines = daemon.ledger(experiment="million")
    assert [line["name"] for line in lines] == names and {line["manifest"] for line in lines} == {hash}
    if not SANITIZED:
        assert after_keeping < 480 and daemon.status_kib("VmHWM") >> 10 < 480


def test_a_receipt_is_sent_and_memory_is_bounded(start):
    daemon = start()
    manifest = body(COUNT)[:-1] + ',"experiment":"million"}'
    connection = http.client.HTTPConnection(daemon.address, timeout=LONG)
    connection.request("POST", "/v1/draws", body=manifest)
    response = connection.getresponse()
    assert response.status == 200, response.read()
    word, text, count = b'{"name":', b"", 0
    while more := response.read(1 << 20):
        text = text[1 - len(word):] + more  # a word may be cut in two
        count += text.count(word)
    connection.close()
    assert count == COUNT and text.endswith(b'],"ties":{}}\n')
    assert daemon.get("/v1/ledger/head").json()["ledger"] == COUNT
    assert SANITIZED or daemon.status_kib("VmHWM") >> 10 < 480


def test_others_do_not_wait_while_many_draws_are_recorded(start):
    """A model of 60,000 tensors takes several commits; small draws of the same moment are recorded between them."""
    daemon = start()
    count = 6000 if SANITIZED else 60_000
    model = json.dumps({**json.loads(body(count)), "experiment": "large"})
    large = threading.Thread(target=ask, args=(daemon, "POST", "/v1/model", model))
    large.start()
    first_of_small = []
    while large.is_alive():
        answer = daemon.get("/v1/tensor", experiment="small", name=f"w{len(first_of_small)}", shape="4", init="zeros")
        first_of_small.append(int(answer.headers["Sower-Ledger"]))
    large.join()
    lines = daemon.ledger(experiment="large")
    numbers = [line["ledger"] for line in lines]
    assert len(lines) == count and len({line["name"] for line in lines}) == count
    if not SANITIZED:
        assert any(numbers[0] < small < numbers[-1] for small in first_of_small), "no small draw was recorded in between"
