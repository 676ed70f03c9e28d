"""Random models, requests and certificates: see tests/helpers/fuzzing.py."""

from types import SimpleNamespace

import numpy as np
import pytest
from fuzzing import fuzzer, value_or_line, words
from hypothesis import strategies as st

from tfipgan.export.versions import read_versions


@pytest.fixture
def fuzz(torture, tally):
    return fuzzer(torture, tally)


def test_version_folders(fuzz, tmp_path_factory):
    def check(names):
        folder = tmp_path_factory.mktemp("models")
        for name in names:
            (folder / name).mkdir()
        for number, path in read_versions(folder).items():
            assert 0 <= number < 2**63 and int(path.name) == number
        assert len(read_versions(folder)) == len(
            {int(n) for n in names if n.isascii() and n.isdecimal() and int(n) < 2**63}
        )

    parts = st.sampled_from(["0", "1", "01", "9" * 19, "٣", "-", ".", "x", " ", "\n"])
    name = st.lists(parts, min_size=1, max_size=3).map("".join)
    name = name.filter(lambda name: name.strip("."))
    fuzz(check, st.sets(name, max_size=6), count=20)


@pytest.fixture(scope="module")
def saved_model(tmp_path_factory):
    import tensorflow as tf

    path = tmp_path_factory.mktemp("model") / "1"
    module = tf.Module()
    module.scale = tf.Variable(2.0)
    spec = tf.TensorSpec([None, 2], tf.float32, "images")
    module.run = tf.function(lambda images: {"out": images * module.scale}, [spec])
    tf.saved_model.save(module, str(path), signatures={"serving_default": module.run})
    return path


def test_saved_models(fuzz, saved_model):
    """Torn ones only: a SavedModel is a program, whose giver is trusted."""
    from tfipgan.serving.servable import Servable

    files = sorted(path for path in saved_model.rglob("*") if path.is_file())
    whole = {path: path.read_bytes() for path in files}

    def check(place, end, warm_up):
        path = files[place]
        path.write_bytes(whole[path][: int(end * len(whole[path]))])
        extra = saved_model / "assets.extra"
        extra.mkdir(exist_ok=True)
        (extra / "tf_serving_warmup_requests").write_bytes(warm_up)
        try:
            servable = value_or_line(Servable, "toy", 1, saved_model)
            if servable is not None:
                servable.close()
        finally:
            path.write_bytes(whole[path])

    place, end = st.integers(0, len(files) - 1), st.floats(0, 1)
    fuzz(check, place, end, st.one_of(st.just(b""), st.binary()), count=8)


TENSOR_FIELDS = {
    "float_val": st.floats(width=32),
    "int_val": st.integers(-(2**31), 2**31 - 1),
    "int64_val": st.integers(-(2**63), 2**63 - 1),
    "string_val": st.binary(max_size=4),
    "bool_val": st.booleans(),
    "half_val": st.integers(0, 2**16 - 1),
}


@st.composite
def tensors(draw):
    """Strategy of a `TensorProto` whose parts need not fit together."""
    from tensorflow.core.framework import tensor_pb2

    proto = tensor_pb2.TensorProto()
    proto.dtype = draw(
        st.one_of(st.sampled_from([1, 3, 7, 9, 10]), st.integers(0, 150))
    )
    sizes = st.one_of(st.integers(-1, 4), st.sampled_from([2**20, 2**33, 2**62]))
    for size in draw(st.lists(sizes, max_size=5)):
        proto.tensor_shape.dim.add().size = size
    proto.tensor_shape.unknown_rank = draw(st.sampled_from([False] * 9 + [True]))
    proto.tensor_content = draw(
        st.sampled_from([b"", bytes(4), bytes(8), b"\xff" * 24])
    )
    for name in draw(st.sets(st.sampled_from(sorted(TENSOR_FIELDS)), max_size=2)):
        getattr(proto, name).extend(draw(st.lists(TENSOR_FIELDS[name], max_size=4)))
    return proto


def test_tensors_of_requests(fuzz):
    from tfipgan.serving.tensors import read_tensor

    def check(proto):
        array = value_or_line(read_tensor, proto, errors=(ValueError, TypeError))
        if array is not None:
            shape = tuple(dim.size for dim in proto.tensor_shape.dim)
            assert array.shape == shape and array.nbytes <= 2**26

    fuzz(check, tensors(), count=200)


def test_tensors_there_and_back(fuzz):
    import tensorflow as tf

    from tfipgan.serving.tensors import read_tensor, write_tensor

    kinds = {
        tf.float32: TENSOR_FIELDS["float_val"],
        tf.int32: TENSOR_FIELDS["int_val"],
        tf.int64: TENSOR_FIELDS["int64_val"],
        tf.string: TENSOR_FIELDS["string_val"],
        tf.bool: st.booleans(),
    }

    def check(drawn, as_content, fold):
        dtype, values = drawn
        kind = object if dtype == tf.string else dtype.as_numpy_dtype
        array = np.array(values, kind)
        array = array.reshape((2, -1)) if fold and len(values) % 2 == 0 else array
        proto = write_tensor(array, dtype, as_content)
        np.testing.assert_array_equal(read_tensor(proto), array, strict=True)

    drawn = st.sampled_from(sorted(kinds, key=str)).flatmap(
        lambda kind: st.tuples(st.just(kind), st.lists(kinds[kind], min_size=1))
    )
    fuzz(check, drawn, st.booleans(), st.booleans(), count=60)


def test_requests(fuzz):
    from tensorflow.core.protobuf import meta_graph_pb2
    from tensorflow_serving.apis import predict_pb2

    from tfipgan.serving.prediction import Call, prepare
    from tfipgan.serving.status import RequestError

    signature = meta_graph_pb2.SignatureDef(method_name="tensorflow/serving/predict")
    signature.inputs["images"].dtype = 1
    for size in (-1, 2):
        signature.inputs["images"].tensor_shape.dim.add().size = size
    signature.inputs["camera"].dtype = 3
    signature.inputs["camera"].tensor_shape.unknown_rank = True
    signature.outputs["out"].dtype = 1
    servable = SimpleNamespace(signatures={"serving_default": signature})

    def check(name, inputs, outputs):
        request = predict_pb2.PredictRequest()
        request.model_spec.signature_name = name
        request.output_filter.extend(outputs)
        for alias, proto in inputs.items():
            request.inputs[alias].CopyFrom(proto)
        try:
            call = prepare(servable, request)
        except RequestError as error:
            assert len(error.text.encode()) < 1100  # in the stock server's words
        else:
            assert isinstance(call, Call) and call.inputs["images"].shape[1:] == (2,)

    names = st.sampled_from(["", "", "", "serving_default", "no\n"])
    aliases = st.sampled_from(["images", "camera", "other\n"])
    inputs = st.one_of(
        st.fixed_dictionaries({"images": tensors(), "camera": tensors()}),
        st.dictionaries(aliases, tensors()),
    )
    outputs = st.lists(st.sampled_from(["out", "no\n"]), max_size=2)
    fuzz(check, names, inputs, outputs, count=100)


def test_certificates(fuzz, tmp_path):
    from tfipgan.serving.server import ServerOptions, _read_credentials

    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"

    def check(data, other, with_ca):
        cert.write_bytes(data)
        key.write_bytes(other)
        ca = cert if with_ca else None
        options = ServerOptions(tls_cert=cert, tls_key=key, client_ca=ca)
        assert value_or_line(_read_credentials, options) is None

    parts = (
        "-----BEGIN CERTIFICATE-----\n", "-----END CERTIFICATE-----\n", "MIIB", "AAAA",
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\n", "\n",
        "-----BEGIN PRIVATE KEY-----\n", "-----END PRIVATE KEY-----\n",
        "Proc-Type: 4,ENCRYPTED\n", "\0",
        "DEK-Info: AES-256-CBC,00\n", "-----BEGIN RSA PRIVATE KEY-----\n",
    )  # fmt: skip
    data = st.one_of(words(*parts).map(str.encode), st.binary())
    fuzz(check, data, data, st.booleans(), count=40)
