"""Labels of a batch: by hand, row by row, and their counts."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sparkws import synthetic
from sparkws.errors import IncompatibleStatistics, InvalidLabelMatrix, MissingColumns
from sparkws.labelmodels.dawidskene import DawidSkene
from sparkws.labelmodels.kernel import LabelsKernel
from sparkws.labelmodels.majority import MajorityVote
from sparkws.stats.patterns import of_matrix

LFS = ("lf_a", "lf_b", "lf_c")


def majority_kernel(**options):
    model = MajorityVote(2).fit(of_matrix(np.zeros((1, 3), np.int8), LFS, 2))
    return LabelsKernel(model=model, key_dtype=pl.String(), votes_version=41, model_version=3, **options)


def votes(rows, **more):
    columns = {name: [row[j] for row in rows] for j, name in enumerate(LFS)}
    frame = pl.DataFrame(columns, schema=dict.fromkeys(LFS, pl.Int8))
    return frame.with_columns(item_id=pl.Series([f"a{i}" for i in range(len(rows))]), **more)


def test_every_kind_of_row_by_hand():
    kernel = majority_kernel()
    rows, counts = kernel.run(votes([(0, 1, 1), (0, 1, -1), (-1, -1, -1), (None, -1, -1), (None, 1, -1)]))
    assert rows.schema == kernel.schema
    assert rows.drop("votes_version", "model_version").rows() == [
        ("a0", [1 / 3, 2 / 3], 1, 2 / 3, 3, "labeled"),
        ("a1", [0.5, 0.5], None, 0.5, 2, "labeled"),
        ("a2", None, None, None, 0, "abstain"),
        ("a3", None, None, None, 0, "fault"),
        ("a4", [0.0, 1.0], 1, 1.0, 1, "labeled"),
    ]
    assert rows["votes_version"].to_list() == [41] * 5
    assert rows["model_version"].to_list() == [3] * 5
    assert counts.by_status == {"labeled": 3, "abstain": 1, "fault": 1, "gold": 0}
    assert counts.preds.tolist() == [0, 2]
    assert counts.n_items == 5
    assert counts.mean_confidence == pytest.approx((2 / 3 + 0.5 + 1) / 3)


def test_gold_is_written_as_certain_when_it_is_held():
    kernel = majority_kernel(clamp_gold=True)
    batch = votes(
        [(0, 0, 0), (-1, -1, -1), (None, -1, -1), (0, 0, -1)], gold=pl.Series([1, 0, None, -1], dtype=pl.Int8)
    )
    rows, counts = kernel.run(batch)
    assert rows.select("probs", "pred", "confidence", "n_votes", "label_status").rows() == [
        ([0.0, 1.0], 1, 1.0, 3, "gold"),
        ([1.0, 0.0], 0, 1.0, 0, "gold"),
        (None, None, None, 0, "fault"),
        ([1.0, 0.0], 0, 1.0, 2, "labeled"),
    ]
    assert kernel.columns == ("item_id", *LFS, "gold")
    assert counts.by_status == {"labeled": 1, "abstain": 0, "fault": 1, "gold": 2}
    assert majority_kernel().run(batch)[0]["pred"].to_list() == [0, None, None, 0]


def test_random_ties_are_broken_by_the_key():
    kernel = majority_kernel(tie_break_policy="random", seed=5)
    batch = votes([(0, 1, -1)] * 40 + [(-1, -1, -1)])
    preds = kernel.run(batch)[0]["pred"].to_list()
    assert set(preds[:-1]) == {0, 1}
    assert preds[-1] is None
    assert kernel.run(batch.reverse())[0]["pred"].to_list() == preds[::-1]


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(0, 40), st.sampled_from(["abstain", "random"]))
def test_a_batch_equals_row_by_row_and_any_split(seed, cut, policy):
    rng = np.random.default_rng(seed)
    L = synthetic.sample(synthetic.random_truth(rng, 3, 2), 40, rng)[0]
    model = DawidSkene(2, max_iter=5).fit(of_matrix(L, LFS, 2))
    kernel = LabelsKernel(model=model, key_dtype=pl.Int64(), votes_version=1, model_version=1, tie_break_policy=policy)
    batch = synthetic.votes_frame(L, LFS)
    rows, counts = kernel.run(batch)
    assert rows["item_id"].to_list() == batch["item_id"].to_list()
    (first, a), (second, b) = kernel.run(batch[:cut]), kernel.run(batch[cut:])
    assert pl.concat([first, second]).equals(rows)
    assert kernel.merge(a, kernel.merge(kernel.zero(), b)) == kernel.merge(b, a) == counts
    assert kernel.load(kernel.dump(counts)) == counts
    assert kernel.load(pl.concat([kernel.dump(a), kernel.dump(b)])) == counts
    probs = model.posterior(L)
    for i, row in enumerate(rows.iter_rows(named=True)):
        assert row["probs"] == (None if np.isnan(probs[i, 0]) else probs[i].tolist())
        assert row["n_votes"] == (L[i] >= 0).sum()


def test_no_items_give_no_rows():
    kernel = majority_kernel()
    rows, counts = kernel.run(votes([]))
    assert rows.schema == kernel.schema
    assert counts == kernel.zero()
    assert counts.mean_confidence is None
    assert counts != "counts"


def test_what_is_no_votes_table_is_refused():
    with pytest.raises(MissingColumns, match=r"'votes' lacks \['lf_b'\]"):
        majority_kernel().run(votes([(0, 1, 1)]).drop("lf_b"))
    with pytest.raises(InvalidLabelMatrix, match="'lf_c' voted 2 on item_id 'a0'"):
        majority_kernel().run(votes([(0, 1, 2)]))
    with pytest.raises(InvalidLabelMatrix, match="'gold' voted 7"):
        majority_kernel(clamp_gold=True).run(votes([(0, 1, 1)], gold=pl.lit(7, pl.Int8)))
    with pytest.raises(IncompatibleStatistics, match="label counts have no 'pred_2' for 2 classes"):
        majority_kernel().load(pl.DataFrame({"counter": ["pred_2"], "value": [1]}))
    with pytest.raises(MissingColumns, match=r"'label counts' lacks \['value'\]"):
        majority_kernel().load(pl.DataFrame({"counter": ["pred_1"]}))
