"""The step `stats` of a multi-label task: what is counted of a task is counted of each label, in one pass."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from sparkws.engine.history import Transition
from sparkws.engine.lanes import Options, reduce_batches, write_batches
from sparkws.engine.refs import TableRef
from sparkws.engine.session import SparkSession
from sparkws.engine.tables import TableVersion, read_rows
from sparkws.engine.writes import write_rows
from sparkws.stats import counters as counting
from sparkws.stats import joint
from sparkws.stats.bylabel import LabelPatternsKernel, Labels, LabelTableKernel, all_columns, label_triples
from sparkws.stats.counters import Counters
from sparkws.stats.joint import BothMomentsKernel
from sparkws.stats.steps import STATS_SCHEMA, sum_patterns
from sparkws.vocab import LABEL, LABEL_CLASSES


@dataclass(frozen=True)
class CountedLabels:
    """What the statistics step of a multi-label task left behind: the counters are by label."""

    patterns_version: int
    stats_version: int
    counters: Mapping[str, Counters]

    @property
    def n_rows(self) -> int:
        """The patterns of all labels."""
        return sum(counters.n_rows for counters in self.counters.values())


def count_labels(
    spark: SparkSession,
    votes: TableVersion,
    gold: TableVersion | None,
    labels: Labels,
    faults: Mapping[str, int],
    patterns_target: TableRef,
    stats_target: TableRef,
    transition: Transition,
    options: Options,
    *,
    most_patterns: int,
    direct: bool,
) -> CountedLabels:
    """Count the vote vectors of each label of a multi-label task in one pass, as `count_votes` does those of a task.

    `faults` are by column.
    """
    kernel = LabelPatternsKernel(labels)
    summed = sum_patterns(spark, kernel, LabelPatternsKernel(labels, with_gold=True), votes, gold, options)
    written = write_batches(
        spark, LabelTableKernel(labels), summed, patterns_target, transition, replace(options, lane="rows")
    )
    counted = {
        label: counting.with_faults(counters, {name: n for name, n in faults.items() if name in counters.lf_names})
        for label, counters in written.statistic.items()
    }
    payloads: list[tuple[str | None, str, str]]
    payloads = [(label, "counters", counting.to_json(counters)) for label, counters in counted.items()]
    if max(counters.n_rows for counters in counted.values()) > most_patterns:
        # The same triples in every run: moments of two versions can be added and subtracted.
        chosen = label_triples(counted, labels, np.random.default_rng(0))
        moments = BothMomentsKernel(all_columns(labels), len(LABEL_CLASSES), chosen)
        payloads.append((None, "moments", joint.to_json(reduce_batches(spark, moments, votes, options))))
    rows = pl.DataFrame(payloads, {LABEL: pl.String, "kind": pl.String, "payload": pl.String}, orient="row")
    rows = rows.with_columns(votes_version=pl.lit(votes.version, pl.Int64)).select(LABEL, *STATS_SCHEMA)
    stats_version = write_rows(spark, stats_target, rows, direct=direct, transition=transition)
    return CountedLabels(written.version, stats_version, counted)


def read_label_counters(spark: SparkSession, stats: TableVersion) -> dict[str, Counters]:
    """The counters of each label that `count_labels` stored."""
    rows = read_rows(spark, stats).filter(pl.col("kind") == "counters")
    return {label: counting.from_json(text) for label, text in rows.select(LABEL, "payload").iter_rows()}
