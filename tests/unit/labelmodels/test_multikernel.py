"""Labels of multi-label tasks: by hand, and label by label."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sparkws.errors import InvalidLabelMatrix
from sparkws.grids import NO_GRIDS
from sparkws.labelmodels.doubt import Doubt
from sparkws.labelmodels.kernel import LabelsKernel
from sparkws.labelmodels.majority import MajorityVote
from sparkws.labelmodels.multikernel import MultiLabelsKernel
from sparkws.stats.patterns import of_matrix

COLUMNS = {"a": ("f__a", "g__a"), "b": ("f__b",)}
NAMES = ("f__a", "g__a", "f__b")


def majority(names):
    return MajorityVote(2).fit(of_matrix(np.zeros((1, len(names)), np.int8), names, 2))


MODELS = {"a": majority(COLUMNS["a"]), "b": majority(COLUMNS["b"]), "c": None}


def kernel(**options):
    made_from = {"key_dtype": pl.Int64(), "votes_version": 4, "model_version": 2}
    return MultiLabelsKernel(models=MODELS, **made_from, **options)


def votes(rows, **more):
    frame = pl.DataFrame(rows, dict.fromkeys(NAMES, pl.Int8), orient="row")
    return frame.with_row_index("item_id").cast({"item_id": pl.Int64}).with_columns(**more)


def test_every_kind_of_row_by_hand():
    rows, counts = kernel().run(
        votes([(1, 1, 0), (1, 0, 1), (-1, -1, 0), (1, -1, -1), (-1, -1, -1), (None, -1, -1), (None, 0, -1)])
    )
    assert rows.schema == kernel().schema
    assert rows.drop("votes_version", "model_version").rows() == [
        (0, [1.0, 0.0, None], [0], 1.0, 3, "labeled"),
        (1, [0.5, 1.0, None], [1], 0.5, 3, "labeled"),  # a tie
        (2, [None, 0.0, None], [], 1.0, 1, "labeled"),
        (3, [1.0, None, None], [0], 1.0, 1, "labeled"),
        (4, None, None, None, 0, "abstain"),
        (5, None, None, None, 0, "fault"),
        (6, [0.0, None, None], [], 1.0, 1, "labeled"),
    ]
    assert rows["votes_version"].to_list() == [4] * 7
    assert rows["model_version"].to_list() == [2] * 7
    assert counts.by_status == {"labeled": 5, "abstain": 1, "fault": 1, "gold": 0}
    assert counts.preds.tolist() == [2, 1, 0]
    assert counts.mean_confidence == pytest.approx(0.9)


def test_gold_is_certain_for_every_label_when_it_is_held():
    held = kernel(clamp_gold=True)
    assert held.columns[-1] == "gold"
    gold = pl.Series([[0, 2], [], None], dtype=pl.List(pl.Int8))
    rows, counts = held.run(votes([(0, 0, 1), (-1, -1, -1), (1, -1, -1)], gold=gold))
    assert rows.select("probs", "pred", "confidence", "n_votes", "label_status").rows() == [
        ([1.0, 0.0, 1.0], [0, 2], 1.0, 3, "gold"),
        ([0.0, 0.0, 0.0], [], 1.0, 0, "gold"),
        ([1.0, None, None], [0], 1.0, 1, "labeled"),
    ]
    assert counts.preds.tolist() == [2, 0, 1]


def test_ties_are_broken_by_the_key_of_the_item():
    tied = votes([(1, 0, -1)] * 40)
    rows = kernel(tie_break_policy="random").run(tied)[0]
    has = dict(rows.select("item_id", pl.col("pred").list.len()).iter_rows())
    assert set(has.values()) == {0, 1}
    assert (
        dict(
            kernel(tie_break_policy="random")
            .run(tied[::-1])[0]
            .select("item_id", pl.col("pred").list.len())
            .iter_rows()
        )
        == has
    )


VOTE = st.sampled_from([1, 0, -1, None])


@settings(deadline=None)
@given(st.lists(st.tuples(VOTE, VOTE, VOTE), max_size=12), st.integers(0, 12))
def test_each_label_is_decided_as_a_task_of_its_own(rows, cut):
    frame = votes(rows)
    got, counts = kernel().run(frame)
    for at, label in enumerate(COLUMNS):
        own = LabelsKernel(model=MODELS[label], key_dtype=pl.Int64(), votes_version=4, model_version=2).run(frame)[0]
        present = [None if probs is None else probs[1] for probs in own["probs"].to_list()]
        assert [None if probs is None else probs[at] for probs in got["probs"].to_list()] == present
        assert [at in (pred or []) for pred in got["pred"].to_list()] == [pred == 1 for pred in own["pred"].to_list()]
    parts = [kernel().run(part) for part in (frame[:cut], frame[cut:])]
    assert pl.concat([part for part, _ in parts]).equals(got)
    assert kernel().merge(parts[0][1], parts[1][1]) == counts == kernel().load(kernel().dump(counts))


def test_votes_outside_are_refused():
    with pytest.raises(InvalidLabelMatrix, match="'g__a' voted 2 on item_id 0"):
        kernel().run(votes([(1, 2, 0)]))


class Says:
    """A label model that says the same of every item with a vote."""

    cardinality, grids_, temperature_, cpt_ = 2, NO_GRIDS, 1.0, None

    def __init__(self, names, present):
        self.lf_names_, self.present = names, present

    def posterior(self, L):
        probs = np.tile([1 - self.present, self.present], (len(L), 1))
        return np.where((L >= 0).any(axis=1)[:, None], probs, np.nan)


def test_how_sure_each_probability_is_is_told_of_being_present():
    """Of a label that is rather absent what is told of the confidence is turned around."""
    models = {"a": Says(COLUMNS["a"], 0.8), "b": Says(COLUMNS["b"], 0.1), "c": None}
    # Ends of 19 replicates by the Weibull rule are the smallest and the largest.
    doubts = {
        "a": Doubt([Says(COLUMNS["a"], p) for p in np.linspace(0.6, 0.9, 19)], [Says(("f__a",), 0.7)]),
        "b": Doubt([Says(COLUMNS["b"], p) for p in np.linspace(0.05, 0.3, 19)], [Says(("f__b",), 0.4)]),
    }
    options = {"doubts": doubts, "asked": Doubt((), ()), "clamp_gold": True}
    made = MultiLabelsKernel(models=models, key_dtype=pl.Int64(), votes_version=0, model_version=0, **options)
    gold = pl.Series([None, None, [0, 2]], dtype=pl.List(pl.Int8))
    rows, _ = made.run(votes([(1, -1, 0), (-1, -1, -1), (1, 0, 1)], gold=gold))
    assert rows.schema == made.schema
    told = rows.select("probs_low", "probs_high", "probs_spread").rows()
    np.testing.assert_allclose(np.array(told[0], float)[:, :2], [[0.6, 0.05], [0.9, 0.3], [0.1, 0.3]])
    assert [column[2] for column in told[0]] == [None] * 3
    assert told[1] == (None, None, None)
    assert told[2] == ([1.0, 0.0, 1.0], [1.0, 0.0, 1.0], [0.0, 0.0, 0.0])
    assert list(made.doubt_comments) == ["probs_low", "probs_high", "probs_spread"]

    empty = MultiLabelsKernel(
        models=models, key_dtype=pl.Int64(), votes_version=0, model_version=0, asked=Doubt(None, ())
    )
    rows, _ = empty.run(votes([(1, -1, 0)]))
    assert rows.columns[-1] == "probs_spread"
    assert rows["probs_spread"].to_list() == [[None, None, None]]
    assert kernel().run(votes([(1, 1, 0)]))[0].columns[-1] == "model_version"
