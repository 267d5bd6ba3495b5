"""What a notebook hands over wrongly is refused in one sentence, before anything is computed from it."""

import re

import numpy as np
import polars as pl
import pytest

from sparkws import labelmodels as lm
from sparkws import synthetic
from sparkws.errors import ConfigError, DataError, IncompatibleStatistics, InvalidGold, InvalidLabelMatrix, NothingToFit
from sparkws.labelmodels import persist
from sparkws.labelmodels.savedgraph import graph_from_json
from sparkws.stats import counters, joint
from sparkws.stats.patterns import of_matrix, select

LFS = synthetic.lf_names(4)
L, Y = synthetic.sample(
    synthetic.random_truth(np.random.default_rng(0), 4, 2, coverage=(0.4, 0.8)), 200, np.random.default_rng(1)
)
P = of_matrix(L, LFS, 2, Y)
MODEL = lm.DawidSkene(2).fit(P)
TREE = lm.task_tree({"kind": ["person", "place"], "job": ["cook", "pilot"]}, {"job": ("kind", "person")})
COLUMNS = [("kind", "lf_a"), ("job", "lf_a")]
VOTES = np.array([[0, 0], [0, 1], [1, 2]], np.int8)
GRAPH = lm.Hierarchical(TREE, COLUMNS).fit(VOTES)
KIND = lm.TaskView(GRAPH, "kind")


def wide(value):
    """The matrix with a vote that is 1 if its last eight bits are read."""
    votes = L.astype(type(value))
    votes[3, 2] = value
    return votes


@pytest.mark.parametrize("value", [np.int64(257), np.int16(-255), np.uint64(2**63 + 1), np.uint16(257)])
@pytest.mark.parametrize(
    "use",
    [
        lambda votes: of_matrix(votes, LFS, 2),
        MODEL.posterior,
        lm.MajorityVote(2).fit(P).posterior,
        lambda votes: lm.contributions(MODEL, votes),
    ],
)
def test_a_vote_of_more_than_eight_bits_does_not_wrap(value, use):
    votes = wide(value)
    if value.dtype.kind == "u":
        votes[L == -1] = 0  # unsigned integers cannot say that a function abstained
    said = f"L has 1 votes outside -1..1 for cardinality=2; first: 'lf_2' (column 2) voted {value} in row 3."
    with pytest.raises(InvalidLabelMatrix, match=f"^{re.escape(said)}$"):
        use(votes)


@pytest.mark.parametrize("votes", [L.tolist(), pl.DataFrame(L, schema=list(LFS))])
@pytest.mark.parametrize(
    "use",
    [
        lambda votes: of_matrix(votes, LFS, 2),
        MODEL.posterior,
        lm.MajorityVote(2).posterior,
        lm.WeightedVote(2, dict.fromkeys(LFS, 1.0)).fit(P).posterior,
        lambda votes: lm.contributions(MODEL, votes),
        lm.Hierarchical(TREE, COLUMNS).fit,
        GRAPH.posterior,
        KIND.posterior,
        lambda votes: lm.contributions(KIND, votes),
    ],
)
def test_votes_are_an_array(votes, use):
    kind = type(votes).__name__
    with pytest.raises(
        InvalidLabelMatrix, match=rf"^L is a {kind}, expected a numpy array of integers, .* np\.asarray"
    ):
        use(votes)


def test_votes_have_columns_and_gold_is_an_array():
    with pytest.raises(InvalidLabelMatrix, match="L has no columns; give the votes of one labeling function or more"):
        of_matrix(np.zeros((5, 0), np.int8), (), 2)
    with pytest.raises(InvalidLabelMatrix, match="gold is a list, expected a numpy array of integers"):
        of_matrix(L, LFS, 2, Y.tolist())


@pytest.mark.parametrize("cardinality", [0, -1, 1, "2", 2.0, True, None, 128])
@pytest.mark.parametrize(
    "model",
    [
        lm.MajorityVote,
        lm.WeightedVote,
        lm.PrecisionVote,
        lm.DawidSkene,
        lm.SuperLF,
        lm.Triplet,
        lm.PublishedTriplet,
        lm.MatrixCompletion,
        lambda cardinality: of_matrix(L, LFS, cardinality),
    ],
)
def test_the_number_of_classes_is_whole_and_at_least_2(model, cardinality):
    said = f"cardinality must be the number of classes, 2 to 127, got {cardinality!r}."
    with pytest.raises(ConfigError, match=f"^{re.escape(said)}$"):
        model(cardinality)


def test_a_number_of_classes_of_numpy_is_one():
    np.testing.assert_array_equal(lm.DawidSkene(np.int64(2)).fit(P).posterior(L), MODEL.posterior(L))


@pytest.mark.parametrize(
    "use",
    [
        lambda patterns: lm.what_each_adds(MODEL, patterns),
        lambda patterns: lm.check_model(MODEL, patterns, ("ham", "spam")),
        lambda patterns: lm.bootstrap(lm.DawidSkene(2).fit, MODEL, patterns, np.random.default_rng(0), 2),
        lambda patterns: lm.leave_one_out(lm.DawidSkene(2).fit, MODEL, patterns),
        lambda patterns: lm.pair_table(lm.moments_of(patterns).pairs, MODEL),
    ],
)
def test_functions_in_another_order_are_refused_and_what_is_no_statistic_too(use):
    use(P)
    turned = (*LFS[1:], LFS[0])
    said = f"are of {list(turned)}, the label model of {list(LFS)}; select the same labeling functions in the same"
    with pytest.raises(IncompatibleStatistics, match=re.escape(said)):
        use(select(P, turned))
    with pytest.raises(IncompatibleStatistics, match=re.escape(f"are of {list(LFS[:3])}, the label model of")):
        use(select(P, LFS[:3]))
    with pytest.raises(IncompatibleStatistics, match=r"from pattern counts, got ndarray; count a label matrix first"):
        use(L)


def test_what_reads_patterns_or_moments_takes_no_matrix():
    with pytest.raises(IncompatibleStatistics, match="moments are counted from pattern counts, got ndarray"):
        lm.tensor_balance(L)
    with pytest.raises(IncompatibleStatistics, match=r"dependencies are learned from moments, got ndarray; count them"):
        lm.learn_dependencies(L)


def test_as_many_names_as_classes():
    for classes in (("ham",), ("ham", "spam", "eggs")):
        with pytest.raises(IncompatibleStatistics, match=f"model has 2 classes, got names for {len(classes)}"):
            lm.check_model(MODEL, P, classes)


def test_pairs_are_told_from_moments():
    with pytest.raises(IncompatibleStatistics, match=r"pairs are told from moments, got Patterns; .*moments_of\(patt"):
        lm.pair_table(P)
    with pytest.raises(
        IncompatibleStatistics, match=r"got BothMoments; of both = moments_of\(patterns\) give both\.pa"
    ):
        lm.pair_table(lm.moments_of(P))


MOMENT_MODELS = [lm.Triplet, lm.MatrixCompletion, lm.PublishedTriplet]


@pytest.mark.parametrize("model", MOMENT_MODELS)
def test_models_of_moments_say_how_to_give_them(model):
    both = lm.moments_of(P)
    with pytest.raises(
        IncompatibleStatistics, match=r"got BothMoments; .* give both\.pairs, to a fit also triples=both"
    ):
        model(2).fit(both)
    with pytest.raises(
        IncompatibleStatistics, match=r"got Patterns; count them first: .*moments_of\(patterns\)\.pairs"
    ):
        model(2).fit(P)
    with pytest.raises(IncompatibleStatistics, match=r"triples must be third moments, .*, got BothMoments"):
        model(2).fit(both.pairs, triples=both)


@pytest.mark.parametrize("model", MOMENT_MODELS)
@pytest.mark.parametrize("class_balance", ["estimate", "uniform", (0.5, 0.5)])
def test_second_and_third_moments_are_of_the_same_items(model, class_balance):
    few = lm.moments_of(of_matrix(L[:50], LFS, 2)).triples
    with pytest.raises(IncompatibleStatistics, match="second moments are of 200 items, third moments of 50"):
        model(2, class_balance=class_balance).fit(lm.moments_of(P).pairs, triples=few)


@pytest.mark.parametrize("model", MOMENT_MODELS)
@pytest.mark.parametrize(
    ("gold_items", "told"),
    [
        (np.array([-1, 5]), "array([-1,  5])"),
        (np.array([0.5, 5]), "array([0.5, 5. ])"),
        ([1, 5], "[1, 5]"),
        (Y, "shape (200,)"),
    ],
)
def test_known_classes_are_counted(model, gold_items, told):
    said = f"gold_items must be an array of 2 integers of at least 0, how many items have each class, got {told}."
    with pytest.raises(IncompatibleStatistics, match=f"^{re.escape(said)}$"):
        model(2, class_balance="dev").fit(lm.moments_of(P).pairs, gold_items=gold_items)


@pytest.mark.parametrize("model", MOMENT_MODELS)
def test_the_balance_of_a_model_of_moments(model):
    pairs = lm.moments_of(P).pairs
    with pytest.raises(NothingToFit, match=r"class_balance='dev' counts .* which moments do not tell: give gold_items"):
        model(2, class_balance="dev").fit(pairs)
    with pytest.raises(ConfigError, match="2 shares, 'estimate', 'tensor', 'uniform' or 'dev', got 'foo'"):
        model(2, class_balance="foo").fit(pairs)
    found = model(2, class_balance="dev").fit(pairs, gold_items=np.array([2, 6]))
    assert found.balance_source_ == "dev"


@pytest.mark.parametrize("given", [{"ham": 0.8, "spam": 0.2}, ["ham", "spam"]])
def test_shares_are_given_in_the_order_of_the_classes(given):
    said = re.escape(f"class_balance must be 2 shares in the order of the classes, got {given!r}.")
    with pytest.raises(ConfigError, match=f"^{said}$"):
        lm.DawidSkene(2, class_balance=given).fit(P)
    with pytest.raises(ConfigError, match=f"^{said}$"):
        lm.WeightedVote(2, class_balance=given)


def test_nothing_left_out_tells_nothing():
    with pytest.raises(ConfigError, match="leave_one_out needs at least 1 function to leave out, got 0"):
        lm.leave_one_out(lm.DawidSkene(2).fit, MODEL, P, 0)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: lm.DawidSkene(2, max_iter=1.5), "max_iter must be a whole number, got 1.5."),
        (lambda: lm.SuperLF(2, max_iter=True), "max_iter must be a whole number, got True."),
        (lambda: lm.DawidSkene(2, one_coin="yes"), "one_coin must be True or False, got 'yes'."),
        (lambda: lm.DawidSkene(2, clamp_gold=1), "clamp_gold must be True or False, got 1."),
        (lambda: lm.SuperLF(2, clamp_gold="no"), "clamp_gold must be True or False, got 'no'."),
        (lambda: lm.Triplet(2, one_vs_rest="no"), "one_vs_rest must be True or False, got 'no'."),
        (lambda: lm.PublishedTriplet(2, prior_twice=0), "prior_twice must be True or False, got 0."),
        (lambda: lm.DawidSkene(2, smoothing="a lot"), "smoothing must be at least 0 and finite, got 'a lot'."),
    ],
)
def test_options_of_another_type_are_refused(make, said):
    with pytest.raises(ConfigError, match=f"^{re.escape(said)}$"):
        make()


def test_measures_are_of_the_same_rows():
    probs, counts = MODEL.posterior(L), np.ones(len(L), np.int64)
    preds = lm.predict(probs)
    with pytest.raises(IncompatibleStatistics, match="gold has 150 rows, expected 200, as many as probs"):
        lm.evaluate(probs, preds, Y[:150], counts)
    with pytest.raises(IncompatibleStatistics, match="counts has 1 rows, expected 200, as many as probs"):
        lm.calibrate(probs, Y, counts[:1])
    with pytest.raises(IncompatibleStatistics, match=r"preds must be a numpy array .*, got \[0, 1\]"):
        lm.evaluate(probs, [0, 1], Y, counts)


@pytest.mark.parametrize("text", [None, "{"])
def test_what_is_no_json_is_refused(text):
    for read, what in (
        (lambda text: persist.from_json(text, ("ham", "spam")), "a label model"),
        (lambda text: graph_from_json(text, TREE), "a label model of several tasks"),
        (counters.from_json, "counters"),
        (joint.from_json, "moments"),
    ):
        with pytest.raises(DataError, match=f"this is not the JSON of {what}: .*(NoneType|Expecting property name)"):
            read(text)


@pytest.mark.parametrize(
    ("columns", "told"), [([], "[]"), ([COLUMNS[0], COLUMNS[0]], "[('kind', 'lf_a'), ('kind', 'lf_a')]")]
)
def test_columns_of_several_tasks_are_there_once(columns, told):
    said = f"columns must be one task and function or more, none of them twice, got {told}."
    with pytest.raises(ConfigError, match=f"^{re.escape(said)}$"):
        lm.Hierarchical(TREE, columns)


@pytest.mark.parametrize(
    ("counts", "said"),
    [
        (np.array([1, -1, 2]), "counts has -1, expected the items of each row of L, none below 0."),
        (np.array([1, 2]), "counts has shape (2,), expected the array (3,), the items of each row of L."),
        ([1, 1, 1], "counts has shape (3,), expected the array (3,), the items of each row of L."),
    ],
)
def test_counts_are_those_of_the_rows(counts, said):
    with pytest.raises(IncompatibleStatistics, match=f"^{re.escape(said)}$"):
        lm.Hierarchical(TREE, COLUMNS).fit(VOTES, counts)


@pytest.mark.parametrize(
    ("known", "said"),
    [
        (9, "known has shape (), expected the array (3, 2), a class or -1 of each task: ['kind', 'job']."),
        (np.full((3, 1), -1, np.int8), "known has shape (3, 1), expected the array (3, 2), a class or -1 of each task"),
        (np.full((2, 2), -1, np.int8), "known has shape (2, 2), expected the array (3, 2), a class or -1 of each task"),
        (np.array([[0, -1], [-1, 9], [-1, -1]]), "known has 9 for task 'job', expected -1..2: ['cook', 'pilot', 'not"),
    ],
)
def test_known_classes_are_those_of_each_task(known, said):
    for use in (lambda: lm.Hierarchical(TREE, COLUMNS).fit(VOTES, known=known), lambda: GRAPH.posterior(VOTES, known)):
        with pytest.raises(InvalidGold, match=f"^{re.escape(said)}"):
            use()


def test_a_task_that_is_none_is_refused():
    with pytest.raises(
        ConfigError, match=r"there is no task 'jobs'; the tasks are \['kind', 'job'\]. Did you mean 'job"
    ):
        GRAPH.balance_of("jobs")
    with pytest.raises(ConfigError, match=r"there is no task 'zz'; the tasks are \['kind', 'job'\]\.$"):
        lm.TaskView(GRAPH, "zz")


def test_votes_that_a_task_of_a_graph_cannot_have():
    wrong = np.array([[0, 259]])
    for use in (KIND.posterior, lambda votes: lm.contributions(KIND, votes), GRAPH.posterior):
        with pytest.raises(InvalidLabelMatrix, match=r"'lf_a' voted 259 on task 'job', expected -1\.\.2"):
            use(wrong)
