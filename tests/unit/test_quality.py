"""What the benchmark `model_quality` reads and how it scores, on cases worked by hand."""

import gzip
import json

import numpy as np
import polars as pl
import pytest

from benchmarks.quality_data import VoteSet, find_sets
from benchmarks.quality_drawn import drawn_sets
from benchmarks.quality_made import made_sets, thinned
from benchmarks.quality_score import difference, hits_of
from benchmarks.quality_tables import table_sets


@pytest.fixture
def folder(tmp_path):
    votes = tmp_path / "spam"
    votes.mkdir()
    pl.DataFrame({"id": ["a", "b", "c"], "lf_x": [0, -1, -1], "lf_y": [1, 1, -1]}).cast(
        {"lf_x": pl.Int8, "lf_y": pl.Int8}
    ).write_parquet(votes / "weak_labels.parquet")
    known = [("c", 1, "train"), ("a", 0, "test"), ("b", None, "train")]
    lines = [json.dumps({"id": key, "label": label, "split": split}) for key, label, split in known]
    (votes / "data.jsonl.gz").write_bytes(gzip.compress("\n".join(lines).encode()))
    crowd = tmp_path / "crowd"
    crowd.mkdir()
    pl.DataFrame({"item": [7, 7, 8], "worker": [1, 3, 3], "label": [2, 0, 1]}).write_parquet(crowd / "answers.parquet")
    pl.DataFrame({"item": [8], "label": [1]}).write_parquet(crowd / "truth.parquet")
    return tmp_path


def test_votes_are_joined_with_what_is_known_by_key(folder):
    spam = next(votes for votes in find_sets(folder) if votes.name == "spam")
    assert spam.L.tolist() == [[0, 1], [-1, 1], [-1, -1]]
    assert spam.gold.tolist() == [0, -1, 1]
    assert spam.is_test.tolist() == [True, False, False]
    assert spam.scored.tolist() == [True, False, False]  # b has no known class, c no vote
    assert (spam.cardinality, spam.is_crowd) == (2, False)


def test_each_worker_becomes_a_column(folder):
    crowd = next(votes for votes in find_sets(folder) if votes.name == "crowd")
    assert crowd.L.tolist() == [[2, 0], [-1, 1]]
    assert crowd.gold.tolist() == [-1, 1]
    assert (crowd.cardinality, crowd.is_crowd) == (3, True)


def test_our_own_functions_vote_where_their_items_are(tmp_path):
    (tmp_path / "youtube").mkdir()
    texts = ["Check out my channel www.x.com", "I love this song", "hello there, world of wonders and more"]
    lines = [json.dumps({"id": str(n), "text": text, "label": n % 2, "split": "test"}) for n, text in enumerate(texts)]
    (tmp_path / "youtube" / "data.jsonl.gz").write_bytes(gzip.compress("\n".join(lines).encode()))
    (youtube,) = find_sets(tmp_path)
    assert [sorted(set(row.tolist()) - {-1}) for row in youtube.L] == [[1], [0], []]
    assert youtube.gold.tolist() == [0, 1, 0]
    assert youtube.is_test.all()


def test_a_tie_is_right_in_its_share_and_silence_is_a_guess():
    probs = np.array([[0.7, 0.2, 0.1], [0.4, 0.4, 0.2], [0.4, 0.4, 0.2], [np.nan] * 3])
    assert hits_of(probs, np.array([0, 1, 2, 0], np.int8)).tolist() == [1, 0.5, 0, pytest.approx(1 / 3)]


def test_runs_are_averaged():
    runs = np.array([[[0.9, 0.1]], [[0.2, 0.8]], [[0.5, 0.5]]])
    assert hits_of(runs, np.array([0], np.int8)) == pytest.approx([0.5])


def test_a_difference_has_the_interval_of_its_items():
    ours, theirs = np.repeat([1.0, 0.0, 1.0], [60, 30, 10]), np.repeat([1.0, 1.0, 0.0], [60, 30, 10])
    found = difference(ours, theirs, np.random.default_rng(0))
    assert found.mean == pytest.approx(-0.2)
    # the standard error of items that are -1 in 30, 1 in 10, 0 in 60 of a hundred
    half = 1.96 * np.sqrt((0.4 - 0.2**2) / 100)
    assert (found.low, found.high) == (pytest.approx(-0.2 - half, abs=0.01), pytest.approx(-0.2 + half, abs=0.01))
    assert difference(ours, ours, np.random.default_rng(0)).high == 0


@pytest.mark.parametrize("sets", [made_sets, table_sets])
def test_made_situations_are_the_same_in_every_run(sets):
    for one, again in zip(sets(), sets(), strict=True):
        assert one.name == again.name
        assert (one.L == again.L).all()
        assert one.scored.mean() > 0.5


@pytest.mark.parametrize("sets", [drawn_sets, table_sets])
def test_drawn_sets_have_names_of_their_own_and_votes_to_score(sets):
    drawn = list(sets())
    assert len({votes.name for votes in drawn}) == len(drawn)
    assert all(votes.scored.sum() > 100 and votes.L.max() < votes.cardinality for votes in drawn)


def test_a_thinned_crowd_has_at_most_four_of_its_own_answers_an_item():
    L = np.array([[0, 1, 1, -1, 0, 1, 0], [-1, -1, 1, -1, -1, 0, -1]], np.int8)
    crowd = VoteSet("crowd", L, np.zeros(2, np.int8), 2, np.zeros(2, bool), is_crowd=True)
    (thin,) = thinned([crowd, VoteSet("lfs", L, crowd.gold, 2, crowd.is_test)])
    assert (thin.L >= 0).sum(axis=1).tolist() == [4, 2]
    assert ((thin.L == L) | (thin.L == -1)).all()
