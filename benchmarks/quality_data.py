"""Votes with known classes for the benchmark `model_quality`: read from a folder of datasets, or made of its items.

A dataset is a folder that holds either

- `weak_labels.parquet`: the key, then an integer column for each labeling function (class index, -1 abstained),
  and `data.jsonl.gz`: an object a line with `id`, `label` (class index or null) and perhaps `split`; or
- `answers.parquet`: `item`, `worker`, `label`, and `truth.parquet`: `item`, `label` of some or all items.

Over items of a few known datasets our own functions vote, those of quality_lfs.yaml.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import polars as pl
import yaml
from numpy.typing import NDArray

import sparkws.demo
from sparkws.configfile import load_config
from sparkws.datasets import read_vader
from sparkws.lfconfig import LFsConfig
from sparkws.lfs import label_matrix, lfset_of
from sparkws.vocab import ABSTAIN

OWN_LFS: Final = Path(__file__).with_name("quality_lfs.yaml")
TEST: Final = "test"


@dataclass(frozen=True, eq=False)
class VoteSet:
    """Votes on items, and the classes that are known of them.

    Attributes
    ----------
    name : str
    L : (n, m) int8 array in {-1, 0..k-1}
    gold : (n,) int8 array
        -1 where unknown.
    cardinality : int
    is_test : (n,) bool array
        The items that the dataset calls its test part; nowhere true if it has none.
    is_crowd : bool
        The votes are people's.
    """

    name: str
    L: NDArray[np.int8]
    gold: NDArray[np.int8]
    cardinality: int
    is_test: NDArray[np.bool_]
    is_crowd: bool = False

    @property
    def scored(self) -> NDArray[np.bool_]:
        """The items with a vote and a known class, `(n,)`."""
        return (self.L != ABSTAIN).any(axis=1) & (self.gold != ABSTAIN)


def find_sets(folder: Path) -> Iterator[VoteSet]:
    """The datasets below a folder that have votes, and those that our own functions can vote on."""
    for made_by in sorted(path for path in folder.iterdir() if path.is_dir()):
        if (made_by / "weak_labels.parquet").exists():
            yield read_votes(made_by)
        elif (made_by / "answers.parquet").exists():
            yield read_answers(made_by)
    for name, entry in yaml.safe_load(OWN_LFS.read_text(encoding="utf-8")).items():
        if (folder / entry["items"]).exists():
            yield vote(name, entry, folder)


def read_votes(folder: Path) -> VoteSet:
    """The votes of labeling functions, joined by key with what is known of the items."""
    votes = pl.read_parquet(folder / "weak_labels.parquet")
    key = votes.columns[0]
    known = pl.read_ndjson(folder / "data.jsonl.gz", infer_schema_length=None)
    if "split" not in known.columns:
        known = known.with_columns(split=pl.lit(None, pl.String))
    items = votes.join(
        known.select("id", "label", "split"), left_on=key, right_on="id", how="left", maintain_order="left"
    )
    return _set(folder.name, votes.drop(key).to_numpy(), items["label"], items["split"])


def read_answers(folder: Path) -> VoteSet:
    """The answers of people, each of whom becomes a column."""
    answers = pl.read_parquet(folder / "answers.parquet")
    truth = pl.read_parquet(folder / "truth.parquet").select("item", gold="label")
    wide = answers.pivot("worker", index="item", values="label", aggregate_function="first", sort_columns=True)
    items = wide.select("item").join(truth, on="item", how="left", maintain_order="left")
    no_split = pl.Series([None] * items.height, dtype=pl.String)
    return _set(folder.name, wide.drop("item").fill_null(ABSTAIN).to_numpy(), items["gold"], no_split, is_crowd=True)


def vote(name: str, entry: dict[str, Any], folder: Path) -> VoteSet:
    """The votes of our own functions on the items of a dataset."""
    path = folder / entry["items"]
    items = pl.read_parquet(path) if path.suffix == ".parquet" else pl.read_ndjson(path, infer_schema_length=None)
    if "truth" in entry:
        truth = pl.read_parquet(folder / entry["truth"]).select(id="item", label="label")
        items = items.join(truth, on="id", how="left", maintain_order="left")
    split = items["split"] if "split" in items.columns else pl.Series([None] * items.height, dtype=pl.String)
    lfset = lfset_of(LFsConfig(declarative=entry["declarative"]))
    votes = lfset.apply(items, classes=entry["classes"], key="id")
    gold = items.select(pl.sql_expr(entry["gold"])).to_series()
    return _set(name, label_matrix(votes), gold, split, cardinality=len(entry["classes"]))


def demo_set() -> VoteSet:
    """The demo's functions on the texts of the demo; fetched once through the package index."""
    folder = Path(sparkws.demo.__file__).parent
    task = load_config(folder / "project.yaml").tasks["sentiment"]
    items = read_vader()
    assert task.lfs is not None
    assert task.gold is not None
    votes = lfset_of(task.lfs, folder).apply(items, classes=task.classes, key="item_id")
    gold = items.select(pl.sql_expr(task.gold.expression or "")).to_series()
    index = gold.replace_strict(list(task.classes), range(len(task.classes)), return_dtype=pl.Int8)
    return _set("demo", label_matrix(votes), index, pl.Series([None] * items.height, dtype=pl.String))


def _set(
    name: str,
    L: NDArray[Any],
    gold: pl.Series,
    split: pl.Series,
    *,
    cardinality: int | None = None,
    is_crowd: bool = False,
) -> VoteSet:
    known = gold.fill_null(ABSTAIN).cast(pl.Int8).to_numpy()
    k = cardinality or int(max(L.max(), known.max())) + 1
    return VoteSet(name, L.astype(np.int8), known, k, (split == TEST).fill_null(False).to_numpy(), is_crowd)
