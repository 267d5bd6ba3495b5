"""What a pass of labeling functions leaves behind beside their votes: what failed, and what it cost."""

from dataclasses import dataclass, field

import polars as pl

from sparkws.lfs import costs, faults
from sparkws.lfs.costs import Costs
from sparkws.lfs.faults import Faults


@dataclass(frozen=True)
class Findings:
    """Faults and costs of some batches; both add up in any order."""

    faults: Faults = field(default_factory=Faults)
    costs: Costs = field(default_factory=Costs)


def merge(a: Findings, b: Findings) -> Findings:
    """What was found in both."""
    return Findings(faults.merge(a.faults, b.faults), costs.merge(a.costs, b.costs))


def dump(found: Findings) -> pl.DataFrame:
    """Rows of plain types; those with a `kind` are of costs."""
    return pl.concat([faults.dump(found.faults), costs.dump(found.costs)], how="diagonal")


def load(rows: pl.DataFrame) -> Findings:
    """What `dump` wrote."""
    of_costs = pl.col("kind").is_not_null()
    return Findings(faults.load(rows.filter(~of_costs)), costs.load(rows.filter(of_costs)))
