"""Models of scikit-learn and ONNX as labeling functions and preprocessors: loaded once, given whole batches."""

import pickle
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from sklearn.feature_extraction.text import HashingVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from sparkws.lfs import LFSet, Loaded, labeling_function, preprocessor

CLASSES = ("ham", "spam")
ITEMS = pl.DataFrame({"text": ["win a gift", "lovely song", "gift gift", "what a song"], "n": [1.0, -2.0, 3.0, -4.0]})


def unpickled(path):
    with Path(path).open("rb") as file:
        return pickle.load(file)


@pytest.fixture
def model(tmp_path):
    path = tmp_path / "model.pickle"
    trained = make_pipeline(HashingVectorizer(n_features=256), LogisticRegression())
    trained.fit(["win a gift", "gift", "lovely song", "a song"] * 5, [1, 1, 0, 0] * 5)
    path.write_bytes(pickle.dumps(trained))
    return Loaded(unpickled, path)


def test_a_model_of_scikit_learn(model):
    heights = []

    @preprocessor(vectorized="polars", columns=["text"], makes={"spam": pl.Float64}, resources={"model": model})
    def scored(frame, model):
        heights.append(frame.height)
        return {"spam": model.predict_proba(frame["text"].to_list())[:, 1]}

    @labeling_function(pre=[scored])
    def lf_spam(x):
        return 1 if x.spam > 0.5 else 0

    @labeling_function(vectorized="polars", columns=["text"], pre=[scored])
    def lf_not_sure(frame):
        return frame.select(pl.when(pl.col("spam").is_between(0.4, 0.6)).then(0)).to_series()

    @labeling_function(vectorized="polars", columns=["text"], resources={"model": model})
    def lf_predicted(frame, model):
        return model.predict(frame["text"].to_list())

    got = LFSet([lf_spam, lf_not_sure, lf_predicted]).apply(ITEMS, classes=CLASSES)
    assert got["lf_spam"].to_list() == got["lf_predicted"].to_list() == [1, 0, 1, 0]
    assert heights[0] == 4  # and once more, on a few items, to see that votes can be repeated


def session(path):
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def test_a_model_in_onnx(tmp_path):
    from onnx import TensorProto, checker, helper

    graph = helper.make_graph(
        [helper.make_node("Relu", ["x"], ["y"])],
        "relu",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n"])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n"])],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    checker.check_model(made)
    path = tmp_path / "relu.onnx"
    path.write_bytes(made.SerializeToString())

    @labeling_function(vectorized="polars", columns=["n"], resources={"model": Loaded(session, str(path))})
    def lf_positive(frame, model):
        (y,) = model.run(None, {"x": frame["n"].to_numpy().astype(np.float32)})
        return (y > 0).astype(int)

    assert LFSet([lf_positive]).apply(ITEMS, classes=CLASSES)["lf_positive"].to_list() == [1, 0, 1, 0]
