"""docs/serving.md's lines that run an export without a server."""

import re
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfipgan.export.saved_models import export_extractor, export_translator

DOCS = Path(__file__).parents[2] / "docs" / "serving.md"
keras_3 = pytest.mark.skipif(
    keras.__version__ < "3", reason="Keras 2 loads SavedModels itself"
)


@keras_3
def test_the_lines_of_the_docs(
    tiny_reid_run, tiny_gan_run, tiny_world, tmp_path, monkeypatch
):
    export_extractor(tiny_reid_run, tmp_path / "models")
    export_translator(tiny_gan_run, tmp_path / "models")
    image = min((tiny_world / "target" / "query").iterdir())
    (tmp_path / "a.jpg").write_bytes(image.read_bytes())
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.*?)```", DOCS.read_text(), re.DOTALL)
    by_layer, by_name = (
        next(block for block in blocks if word in block)
        for word in ("TFSMLayer", 'signatures["tensor"]')
    )
    first, second = by_layer.split("\n\n")[1:]
    names = {"keras": keras, "tf": tf}
    exec(first, names)
    by_file = names["embeddings"]
    exec(second, names)
    np.testing.assert_allclose(by_file, names["embeddings"], atol=1e-5)
    camera = tiny_gan_run.domains.cameras[0]
    exec(by_name.replace("[4]", f"[{camera}]"), names)
    assert names["images"].shape == (1, 32, 16, 3)
