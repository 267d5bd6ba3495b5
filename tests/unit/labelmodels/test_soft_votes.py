"""Label models of functions that vote with a probability."""

import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray

from sparkws.config import LabelModelConfig
from sparkws.errors import ConfigError, DataError
from sparkws.grids import Grids
from sparkws.labelmodels import (
    DawidSkene,
    LabelsKernel,
    MajorityVote,
    MatrixCompletion,
    PrecisionVote,
    PublishedTriplet,
    SuperLF,
    Triplet,
    WeightedVote,
    check_model,
    contributions,
    learn_dependencies,
    pair_table,
    persist,
    predict,
)
from sparkws.labelmodels.em import e_step, expect, make_rows
from sparkws.labelmodels.expectations import ExpectationsKernel
from sparkws.labelmodels.factory import fit_model, make_label_model
from sparkws.labelmodels.findings import estimated_accuracy
from sparkws.labelmodels.fitting import fit_label_model
from sparkws.labelmodels.heldout import equal_tables
from sparkws.labelmodels.posterior import class_cpt
from sparkws.labelmodels.thirds import tensor_balance
from sparkws.stats import counters, moments
from sparkws.stats.patterns import Patterns, of_matrix, with_counts

K = 2
LFS = ("a", "b", "soft")
CELLS = ((0.9, 0.1), (0.5, 0.5), (0.2, 0.8))
GRIDS = Grids({"soft": CELLS})
WIDE = Grids({"soft": ((0.8, 0.1, 0.1), (0.1, 0.8, 0.1), (0.1, 0.1, 0.8), (0.4, 0.3, 0.3))})
ONE = np.zeros((1, 1), np.int8)
BALANCE = np.array([0.6, 0.4])
# P(vote | class), abstentions first, of two functions that vote for a class and one that votes cells.
TABLES = np.zeros((3, 4, K))
TABLES[0, :3] = [[0.3, 0.2], [0.6, 0.1], [0.1, 0.7]]
TABLES[1, :3] = [[0.4, 0.5], [0.4, 0.1], [0.2, 0.4]]
TABLES[2] = [[0.1, 0.1], [0.6, 0.1], [0.2, 0.2], [0.1, 0.6]]


def exact(n: int = 10**7, tables: NDArray[np.float64] = TABLES) -> Patterns:
    """Pattern counts that are as the tables say."""
    L = np.array([(a, b, c) for a in range(-1, 2) for b in range(-1, 2) for c in range(-1, 3)], np.int8)
    joint = np.prod([tables[j, L[:, j] + 1] for j in range(3)], axis=0) @ BALANCE
    counted = of_matrix(L, LFS, K, grids=GRIDS)
    # Rows are sorted by their keys: the shares follow.
    from sparkws.stats.patterns import unpack

    rows = {tuple(row): share for row, share in zip(L.tolist(), joint, strict=True)}
    return with_counts(counted, np.rint([n * rows[tuple(row)] for row in unpack(counted).tolist()]).astype(np.int64))


EXACT = exact()


def softly(L, **of_grids):
    return of_matrix(np.array(L, np.int8), LFS[: len(L[0])], K, grids=Grids(of_grids) if of_grids else GRIDS)


def test_majority_vote_adds_the_probability():
    L = np.array([[0, -1, 2], [0, 1, 0], [-1, -1, 1], [-1, -1, -1], [1, -1, -1]], np.int8)
    model = MajorityVote(K).fit(softly(L))
    found = model.posterior(L)
    assert found[:3] == pytest.approx(np.array([[0.6, 0.4], [1.9 / 3, 1.1 / 3], [0.5, 0.5]]))
    assert np.isnan(found[3]).all()
    assert found[4].tolist() == [0, 1]
    assert model.class_balance_ == pytest.approx(found[[0, 1, 2, 4]].mean(axis=0))


def test_a_weighted_vote_adds_its_share_of_the_weight():
    L = np.array([[0, -1, 2], [-1, -1, 1]], np.int8)
    model = WeightedVote(K, {"a": 1.0, "b": 1.0, "soft": 2.0}).fit(softly(L))
    odds = np.exp(1.0 + 2 * (0.2 - 0.8))
    assert model.posterior(L) == pytest.approx(np.array([[odds / (1 + odds), 1 / (1 + odds)], [0.5, 0.5]]))


@pytest.mark.parametrize("precision", ["fixed", "learned"])
def test_a_soft_vote_alone_is_taken_at_its_word(precision):
    L = np.array([[-1, -1, 0], [-1, -1, 1], [-1, -1, 2], [0, 1, -1], [1, 1, 2], [0, -1, 0]], np.int8)
    model = PrecisionVote(K, class_balance=(0.7, 0.3), precision=precision).fit(softly(L))
    assert model.posterior(L)[:3] == pytest.approx(np.array(CELLS))


def test_a_cell_at_the_prior_says_nothing():
    grids = {"soft": ((0.9, 0.1), (0.7, 0.3))}
    L = np.array([[0, -1, -1], [0, -1, 1], [1, 0, 0], [1, 0, 1], [1, 0, -1]], np.int8)
    model = PrecisionVote(K, class_balance=(0.7, 0.3)).fit(softly(L, **grids))
    found = model.posterior(L)
    assert found[1] == pytest.approx(found[0])
    assert found[3] == pytest.approx(found[4])
    assert found[2, 0] > found[4, 0]


def test_a_vote_has_the_weight_of_its_probability_against_the_prior():
    L = np.array([[0, -1, 2]], np.int8)
    model = PrecisionVote(K, class_balance=(0.7, 0.3)).fit(softly(L))
    # .75 is the precision of a vote for a class; Bayes with independent votes
    odds = (0.3 / 0.7) * (0.25 / 0.3) / (0.75 / 0.7) * (0.8 / 0.3) / (0.2 / 0.7)
    assert model.posterior(L)[0, 1] == pytest.approx(odds / (1 + odds))


def test_nothing_is_certain():
    L = np.array([[0, 0, 0]] * 3, np.int8)
    model = PrecisionVote(K).fit(softly(L, soft=((1.0, 0.0), (0.0, 1.0), (0.5, 0.5))))
    only = model.posterior(np.array([[-1, -1, 0]], np.int8))[0]
    assert 0.95 < only[0] < 1


@pytest.mark.parametrize("abstain", ["outcome", "missing"])
def test_em_learns_what_cells_are_worth(abstain):
    model = DawidSkene(K, abstain=abstain, smoothing=0, tol=1e-14).fit(EXACT)
    if abstain == "outcome":
        assert model.cpt_ == pytest.approx(TABLES, abs=2e-3)
        assert model.class_balance_ == pytest.approx(BALANCE, abs=2e-3)
    else:
        given_voted = model.cpt_[2, 1:] / model.cpt_[2, 1:].sum(axis=0)
        assert given_voted.argmax(axis=1).tolist() == [0, 1, 1] or given_voted[0, 0] > given_voted[0, 1]
        assert model.cpt_[2, 0] == pytest.approx([0.1, 0.1])


@pytest.mark.parametrize("abstain", ["outcome", "missing"])
def test_em_never_falls_and_a_cell_that_is_not_voted_says_what_it_declares(abstain):
    rng = np.random.default_rng(0)
    gold = (rng.random(4000) < 0.5).astype(np.int8)
    hard = [np.where(rng.random(4000) < 0.8, gold, 1 - gold) for _ in range(2)]
    cell = np.where(rng.random(4000) < 0.7, 3 * gold, 3 * (1 - gold))
    grid = tuple((1 - p, p) for p in (0.3, 0.4, 0.9, 0.7))
    counted = of_matrix(np.stack([*hard, cell], axis=1).astype(np.int8), LFS, K, grids=Grids({"soft": grid}))
    model = DawidSkene(K, abstain=abstain).fit(counted)
    assert (np.diff(model.objective_) >= -1e-6).all()
    alone = model.posterior(np.array([[-1, -1, at] for at in range(4)], np.int8))
    if abstain == "missing":
        assert alone[1:3] == pytest.approx(np.array(grid[1:3]), abs=0.03)
    assert alone[[0, 3], 1] == pytest.approx([0.3, 0.7], abs=0.05)


def test_what_one_cell_is_worth_cannot_be_learned_and_it_keeps_its_word():
    L = np.array([[0, 0, -1], [1, 1, 0], [1, 0, 0], [0, 1, -1]] * 25, np.int8)
    model = DawidSkene(K, abstain="missing", class_balance=(0.5, 0.5)).fit(softly(L, soft=((0.1, 0.9),)))
    assert model.posterior(np.array([[-1, -1, 0]], np.int8))[0] == pytest.approx([0.1, 0.9])


def test_triplets_find_the_tables_of_cells():
    both = moments.of_patterns(EXACT)
    model = Triplet(K, class_balance=BALANCE, smoothing=0, abstain="outcome").fit(both)
    assert model.cpt_ == pytest.approx(TABLES, abs=2e-3)
    few = np.array([[0, 0, 0], [1, 1, 2], [0, 1, 1], *[[-1, -1, -1]] * 20], np.int8)
    rare = of_matrix(few, LFS, K, grids=GRIDS)
    model = Triplet(K, class_balance=(0.5, 0.5), smoothing=1e9, abstain="outcome").fit(moments.of_patterns(rare))
    declared = model.cpt_[2, 1:] / model.cpt_[2, 1:].sum(axis=1, keepdims=True)
    assert declared == pytest.approx(np.array(CELLS))


def test_matrix_completion_finds_the_tables_of_cells():
    model = MatrixCompletion(K, class_balance=BALANCE, smoothing=0, abstain="outcome").fit(moments.of_patterns(EXACT))
    assert model.cpt_ == pytest.approx(TABLES, abs=3e-3)


@pytest.mark.parametrize("make", [Triplet, MatrixCompletion])
def test_moments_find_the_tables_of_cells_where_abstaining_is_missing(make):
    """Each function votes on another share of the items, equal in both classes."""
    rates = np.array([0.9, 0.5, 0.2])[:, None, None]
    given_voted = TABLES[:, 1:] / TABLES[:, 1:].sum(axis=1, keepdims=True)
    tables = np.concatenate([np.repeat(1 - rates, K, axis=2), rates * given_voted], axis=1)
    both = moments.of_patterns(exact(10**15, tables))
    model = make(K, class_balance=BALANCE, smoothing=0, abstain="missing").fit(both)
    assert model.cpt_ == pytest.approx(tables, abs=1e-4)


def test_moments_of_three_classes_tell_tables_and_balance():
    k, n = 3, 60_000
    rng = np.random.default_rng(0)
    gold = rng.choice(k, n, p=[0.5, 0.3, 0.2])
    hard = [np.where(rng.random(n) < 0.7, gold, rng.integers(0, k, n)) for _ in range(4)]
    table = np.array([[0.6, 0.1, 0.1, 0.2], [0.1, 0.6, 0.1, 0.2], [0.1, 0.1, 0.6, 0.2]])
    cell = (rng.random((n, 1)) < table[gold].cumsum(axis=1)).argmax(axis=1)
    names = ("a", "b", "c", "d", "soft")
    counted = of_matrix(np.stack([*hard, cell], axis=1).astype(np.int8), names, k, grids=WIDE)
    assert tensor_balance(counted) == pytest.approx([0.5, 0.3, 0.2], abs=0.02)
    model = fit_model(MatrixCompletion(k, smoothing=0), counted)
    assert pytest.approx(table, abs=0.03) == model.cpt_[4, 1:].T


@pytest.mark.parametrize(
    ("model", "statistic"),
    [
        (SuperLF(K, groups=(("a", "soft"),)), EXACT),
        (DawidSkene(K, one_coin=True), EXACT),
        (
            Triplet(3, one_vs_rest=True),
            moments.of_patterns(of_matrix(np.zeros((1, 1), np.int8), ["soft"], 3, grids=WIDE)),
        ),
        (PublishedTriplet(K), moments.of_patterns(EXACT)),
    ],
)
def test_what_takes_no_soft_votes_says_so(model, statistic):
    with pytest.raises(ConfigError, match=rf"{model.kind}.* takes no votes with a prob.*\['soft'\] casts them"):
        model.fit(statistic)


def models():
    weights = dict.fromkeys(LFS, 1.0)
    return [
        MajorityVote(K).fit(EXACT),
        WeightedVote(K, weights).fit(EXACT),
        PrecisionVote(K).fit(EXACT),
        DawidSkene(K, abstain="outcome").fit(EXACT),
        DawidSkene(K, abstain="missing").fit(EXACT),
        Triplet(K, class_balance=BALANCE).fit(moments.of_patterns(EXACT)),
        MatrixCompletion(K, class_balance=BALANCE).fit(moments.of_patterns(EXACT)),
        SuperLF(K, groups=(("a", "b"),)).fit(EXACT),
    ]


@pytest.mark.parametrize("model", models(), ids=lambda model: model.kind)
def test_a_saved_model_labels_alike(model):
    L = np.array([[0, -1, 2], [1, 1, 0], [-1, -1, 1], [-1, -1, -1]], np.int8)
    # A class may be called like a cell.
    classes = ("ham", "cell 0")
    rows = persist.to_rows(model, classes).sample(fraction=1, shuffle=True, seed=1)
    for again in (persist.from_rows(rows, classes), persist.from_json(persist.to_json(model, classes), classes)):
        assert again.grids_ == GRIDS
        assert np.array_equal(again.posterior(L), model.posterior(L), equal_nan=True)


def test_rows_of_a_saved_model_name_cells():
    rows = persist.to_rows(models()[3], ("ham", "spam"))
    told = rows.filter((pl.col("lf") == "soft") & (pl.col("parameter") == "cpt"))
    assert told["vote"].unique(maintain_order=True).to_list() == [None, "cell 0", "cell 1", "cell 2"]
    hard = rows.filter((pl.col("lf") == "a") & (pl.col("parameter") == "cpt"))
    assert hard["vote"].unique(maintain_order=True).to_list() == [None, "ham", "spam"]
    grid = rows.filter(pl.col("parameter") == "grid")
    assert grid["value"].to_list() == [p for cell in CELLS for p in cell]
    broken = rows.filter((pl.col("parameter") != "grid") | (pl.col("class") == "ham"))
    with pytest.raises(DataError, match="lacks probabilities of the grid of 'soft'"):
        persist.from_rows(broken, ("ham", "spam"))


@pytest.mark.parametrize("model", models(), ids=lambda model: model.kind)
def test_labels_are_the_posteriors_of_the_cells(model):
    L = np.array([[0, -1, 2], [1, 1, 0], [-1, -1, 1], [-1, -1, -1]], np.int8)
    batch = pl.DataFrame({"item_id": [1, 2, 3, 4], **{name: L[:, j] for j, name in enumerate(LFS)}})
    rows, counts = LabelsKernel(model=model, key_dtype=pl.Int64(), votes_version=0, model_version=0).run(batch)
    expected = model.posterior(L)
    assert np.array(rows["probs"].to_list()[:3]) == pytest.approx(expected[:3])
    assert rows["n_votes"].to_list() == [2, 3, 1, 0]
    assert counts.by_status["labeled"] == 3


@pytest.mark.parametrize("model", models()[2:], ids=lambda model: model.kind)
def test_contributions_add_up(model):
    L = np.array([[0, -1, 2], [1, 1, 0], [-1, -1, 1]], np.int8)
    total = contributions(model, L).total
    logs = np.log(model.posterior(L))
    assert total == pytest.approx(logs - logs.mean(axis=1, keepdims=True))


def test_accuracy_of_a_soft_function_is_that_of_the_classes_of_its_cells():
    model = DawidSkene(K, abstain="outcome", smoothing=0, tol=1e-14).fit(EXACT)
    right, blind = estimated_accuracy(class_cpt(model), model.class_balance_)
    voted = 0.6 * (0.6 + 0.1) + 0.4 * (0.1 + 0.6)
    assert right[2] == pytest.approx((0.6 * 0.6 + 0.4 * 0.6) / voted, abs=2e-3)
    assert blind[2] == pytest.approx(((0.6 * 0.6 + 0.4 * 0.1) * 0.6 + (0.6 * 0.1 + 0.4 * 0.6) * 0.4) / voted, abs=2e-3)
    assert check_model(model, EXACT, ("ham", "spam")) == []


def test_pairs_agree_on_the_classes_of_cells():
    L = np.array([[0, 0, 0], [1, 0, 0], [1, 0, 1], [1, 1, 2]], np.int8)
    table = pair_table(moments.of_patterns(softly(L)))
    assert table.filter((pl.col("a") == "a") & (pl.col("b") == "soft")).select("both", "agree").row(0) == (4, 2)


def test_a_pass_over_the_table_is_the_fit_in_memory():
    model = DawidSkene(K, abstain="missing").fit(EXACT)
    kernel = ExpectationsKernel(
        lf_names=LFS,
        taking_part=("soft", "a"),
        cardinality=K,
        n_items=EXACT.n_items,
        cpt=model.cpt_[[2, 0]],
        class_balance=model.class_balance_,
        use_abstain=False,
        clamp_gold=False,
        grids=GRIDS,
    )
    from sparkws.stats.patterns import unpack

    rows = make_rows(unpack(EXACT)[:, [2, 0]], EXACT.counts, None, 3)
    q, _ = e_step(rows, model.cpt_[[2, 0]], model.class_balance_, use_abstain=False)
    found = kernel.expected(kernel.load(kernel.dump(kernel.of_batch(EXACT.rows))))
    assert found.votes == pytest.approx(expect(rows, q).votes, rel=1e-8, abs=1e-3)


def test_equal_tables_are_those_of_the_classes_and_add_up():
    cpt, _ = equal_tables(EXACT)
    assert cpt.sum(axis=1) == pytest.approx(np.ones((3, K)))
    # Which cell of a class it is tells nothing, and one for no class nothing at all.
    assert cpt[2, 2, 0] == pytest.approx(cpt[2, 2, 1])


@pytest.mark.parametrize("kind", ["auto", "dawid_skene", "precision", "majority", "triplet"])
def test_a_fit_with_its_report(kind):
    gold = np.array([0, 1] * 200, np.int8)
    rng = np.random.default_rng(3)
    wrong = rng.random((400, 3)) < [0.2, 0.3, 0.1]
    L = np.where(wrong, 1 - gold[:, None], gold[:, None])
    L[:, 2] *= 2
    L[rng.random((400, 3)) < 0.2] = -1
    counted = of_matrix(L.astype(np.int8), LFS, K, gold, GRIDS)
    fitted = fit_label_model(LabelModelConfig(kind=kind), counted, counters.of_patterns(counted), ("ham", "spam"))
    accuracy = fitted.report.metrics[fitted.model.kind]["accuracy_ties_shared"]
    assert accuracy > 0.8
    assert fitted.model.grids_ == GRIDS


@pytest.mark.parametrize("abstain", ["outcome", "missing"])
def test_super_lf_without_groups_is_dawid_skene(abstain):
    ours, theirs = (
        model.fit(EXACT) for model in (SuperLF(K, groups=(), abstain=abstain), DawidSkene(K, abstain=abstain))
    )
    assert ours.cpt_ == pytest.approx(theirs.cpt_)
    assert ours.class_balance_ == pytest.approx(theirs.class_balance_)


def test_soft_functions_are_in_no_group():
    rng = np.random.default_rng(0)
    gold = rng.integers(0, 2, 3000)
    votes = [np.where(rng.random(3000) < 0.8, gold, 1 - gold) for _ in range(4)]
    L = np.stack([*votes, votes[3], np.where(rng.random(3000) < 0.8, 2 * gold, 1)], axis=1).astype(np.int8)
    names = ("a", "b", "c", "d", "copy", "soft")
    counted = of_matrix(L, names, K, grids=GRIDS)
    assert learn_dependencies(counted).groups == (("d", "copy"),)
    assert learn_dependencies(moments.of_patterns(counted)).groups == (("d", "copy"),)
    model = SuperLF(K).fit(counted)
    assert model.groups_ == (("d", "copy"),)
    assert (predict(model.posterior(L)) == gold).mean() > 0.9


@pytest.mark.parametrize("kind", ["majority", "precision", "dawid_skene", "triplet", "matrix_completion", "super_lf"])
def test_a_calibrated_classifier_tells_more_by_its_probability_than_by_its_class(kind):
    rng = np.random.default_rng(5)
    gold = (rng.random(3000) < 0.4).astype(np.int8)
    hard = np.where(rng.random((3000, 4)) < [0.7, 0.75, 0.65, 0.8], gold[:, None], 1 - gold[:, None])
    hard[rng.random((3000, 4)) < 0.6] = -1
    score = rng.normal(0.75 * (2 * gold - 1))
    p = 1 / (1 + np.exp(-1.5 * score - np.log(2 / 3)))
    grid = np.array([0.03, 0.1, 0.25, 0.4, 0.6, 0.75, 0.9, 0.97])
    brier = []
    for votes, grids in (
        (np.abs(p[:, None] - grid).argmin(axis=1), Grids({"soft": tuple((1 - g, g) for g in grid.tolist())})),
        (p > 0.5, Grids()),
    ):
        L = np.column_stack([hard, votes]).astype(np.int8)
        counted = of_matrix(L, ("a", "b", "c", "d", "soft"), K, grids=grids)
        probs = fit_model(make_label_model(LabelModelConfig(kind=kind), K), counted).posterior(L)
        brier.append(((probs - np.eye(K)[gold]) ** 2).sum(axis=1).mean())
    assert brier[0] < 0.98 * brier[1]


def test_auto_weighs_probabilities_where_classes_are_voted_alike():
    rng = np.random.default_rng(2)
    gold = rng.integers(0, 2, 2000)
    fires = rng.random((2000, 2)) < np.where(gold[:, None] == [0, 1], 0.3, 0.1)
    single = np.where(fires, [0, 1], -1)
    cell = np.where(rng.random(2000) < 0.8, 2 * gold, np.where(rng.random(2000) < 0.5, 1, 2 - 2 * gold))
    cell[rng.random(2000) < 0.7] = -1
    L = np.column_stack([single, single, cell]).astype(np.int8)
    counted = of_matrix(L, ("ham", "spam", "ham_copy", "spam_copy", "soft"), K, grids=GRIDS)
    fitted = fit_label_model(LabelModelConfig(), counted, counters.of_patterns(counted), ("ham", "spam"))
    against = {trial["name"]: trial["against"] for trial in fitted.report.choice["trials"]}
    assert "even_volumes" not in against["precision"]
