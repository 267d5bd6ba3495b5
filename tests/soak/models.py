"""Label models row by row: majority vote, and EM as its equations say, in loops over items."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

ABSTAIN = -1
FLOOR = 1e-10  # below this share of the likeliest class a vote counts as not seen
PRIOR_ACCURACY = 0.7
SINGLE_CLASS_PRECISION, ABOVE_VOLUME, MOST_PRECISION = 0.75, 0.02, 0.99
TINY = 2.0**-1022

Vector = list[float]
Table = list[list[Vector]]  # [function][vote + 1][class]


@dataclass(frozen=True)
class Fit:
    """Parameters after an iteration; a majority vote has a balance only."""

    balance: Vector
    cpt: Table | None = None
    log_likelihood: float | None = None
    objective: float | None = None
    use_abstain: bool | None = None


def vote_shares(votes: Sequence[int], k: int) -> Vector | None:
    """The share of each class among the votes of an item; None without any."""
    cast = [vote for vote in votes if vote != ABSTAIN]
    return [cast.count(y) / len(cast) for y in range(k)] if cast else None


def fit_majority(L: Sequence[Sequence[int]], k: int) -> Fit:
    """Its balance: the mean share of each class over the items with votes."""
    shares = [share for votes in L if (share := vote_shares(votes, k)) is not None]
    return Fit([sum(share[y] for share in shares) / len(shares) for y in range(k)])


def known_balance(option: object, gold: Sequence[int], k: int) -> Vector | None:
    """The class balance that needs no fit; None where it is estimated."""
    if option == "estimate":
        return None
    if option == "uniform":
        return [1 / k] * k
    if option == "dev":
        seen = [gold.count(y) + 1 for y in range(k)]
        return [n / sum(seen) for n in seen]
    assert isinstance(option, list)
    return list(option)


def fit_dawid_skene(
    L: Sequence[Sequence[int]],
    held: Sequence[int],
    k: int,
    *,
    balance: Vector | None,
    use_abstain: bool,
    smoothing: float,
    n_iter: int,
) -> list[Fit]:
    """EM from majority vote, one fit for each iteration; items of `held` class keep it."""
    n, m = len(L), len(L[0])
    cast = [[sum(votes[j] == label for votes in L) for label in range(k)] for j in range(m)]
    coverage = [sum(row) / n for row in cast]
    single = [sum(count > 0 for count in row) == 1 for row in cast]
    shares = [vote_shares(votes, k) for votes in L]
    soft = [1 / k + sum(share[y] for share in shares if share is not None) for y in range(k)]
    volume = [value / sum(soft) for value in soft]
    all_votes = sum(map(sum, cast))
    by_single = sum(sum(row) for row, is_single in zip(cast, single, strict=True) if is_single)
    if balance is None and not use_abstain and by_single >= all_votes / 2:
        balance = volume
    pi = volume if balance is None else balance
    prior, fixed = _pseudo_votes(cast, n, pi, single, use_abstain=use_abstain)

    q = [_one_hot(y, k) if y != ABSTAIN else share or [1 / k] * k for y, share in zip(held, shares, strict=True)]
    fits = []
    for _ in range(n_iter):
        cpt = [fixed[j] or _table(L, j, q, prior[j], smoothing, coverage[j], use_abstain=use_abstain) for j in range(m)]
        p = balance or _balance(L, held, q, smoothing, use_abstain=use_abstain)
        log_likelihood = 0.0
        for i, votes in enumerate(L):
            scores = _scores(votes, cpt, p, use_abstain=use_abstain)
            top = max(scores)
            total = top + math.log(sum(math.exp(score - top) for score in scores))
            log_likelihood += total if held[i] == ABSTAIN else scores[held[i]]
            q[i] = _one_hot(held[i], k) if held[i] != ABSTAIN else [math.exp(score - total) for score in scores]
        objective = log_likelihood
        for j in range(m):
            if fixed[j] is None:
                objective += smoothing * _log_prior(cpt[j], prior[j], 1.0 if use_abstain else max(coverage[j], FLOOR))
        if balance is None:
            objective += smoothing / k * sum(math.log(max(share, FLOOR)) for share in p)
        fits.append(Fit(list(p), cpt, log_likelihood, objective, use_abstain))
    return fits


def posterior(votes: Sequence[int], fit: Fit) -> Vector | None:
    """P(class | votes); None for an item without votes."""
    if all(vote == ABSTAIN for vote in votes):
        return None
    if fit.cpt is None:
        return vote_shares(votes, len(fit.balance))
    scores = _scores(votes, fit.cpt, fit.balance, use_abstain=bool(fit.use_abstain))
    weights = [math.exp(score - max(scores)) for score in scores]
    return [weight / sum(weights) for weight in weights]


def _scores(votes: Sequence[int], cpt: Table, balance: Vector, *, use_abstain: bool) -> Vector:
    scores = [math.log(max(share, FLOOR)) for share in balance]
    for vote, table in zip(votes, cpt, strict=True):
        if vote == ABSTAIN and not use_abstain:
            continue
        row = table[vote + 1]
        likeliest = max(row)
        for y in range(len(balance)):
            scores[y] += math.log(max(row[y], FLOOR * likeliest)) if likeliest > 0 else 0.0
    return scores


def _pseudo_votes(
    cast: Sequence[Sequence[int]], n: int, pi: Vector, single: Sequence[bool], *, use_abstain: bool
) -> tuple[Table, list[list[Vector] | None]]:
    """How one pseudo-vote of each function is spread, and the tables of functions that are not estimated."""
    k = len(pi)
    rest = (1 - PRIOR_ACCURACY) / (k - 1)
    accurate = [[PRIOR_ACCURACY if y == label else rest for y in range(k)] for label in range(k)]
    prior: Table = []
    fixed: list[list[Vector] | None] = []
    for counts, is_single in zip(cast, single, strict=True):
        if not use_abstain:
            prior.append([[0.0] * k, *accurate])
            fixed.append(_fixed_precision(counts, n, pi) if is_single else None)
            continue
        # By Bayes: P(vote | class) = P(vote) P(class | vote) / P(class), and it votes 99 times of 100 at most.
        spread = [[counts[label] / n * accurate[label][y] / pi[y] for y in range(k)] for label in range(k)]
        for y in range(k):
            total = sum(row[y] for row in spread)
            for row in spread:
                row[y] *= min(1.0, 0.99 / max(total, FLOOR))
        prior.append([[1 - sum(row[y] for row in spread) for y in range(k)], *spread])
        fixed.append(None)
    return prior, fixed


def _fixed_precision(counts: Sequence[int], n: int, pi: Vector) -> list[Vector]:
    """The table of a function that votes one class: right with fixed precision, errors spread as `pi` is."""
    k = len(pi)
    label = next(label for label, count in enumerate(counts) if count)
    precision = max(SINGLE_CLASS_PRECISION, pi[label] + ABOVE_VOLUME)
    if precision > MOST_PRECISION:
        precision = (1 + pi[label]) / 2
    row = [precision / pi[y] if y == label else (1 - precision) / (1 - pi[label]) for y in range(k)]
    row = [counts[label] / n * value for value in row]
    row = [value * min(1.0, 1 / max(row)) for value in row]
    rows = [row if other == label else [0.0] * k for other in range(k)]
    return [[1 - value for value in row], *rows]


def _table(
    L: Sequence[Sequence[int]],
    j: int,
    q: Sequence[Vector],
    prior: list[Vector],
    smoothing: float,
    coverage: float,
    *,
    use_abstain: bool,
) -> list[Vector]:
    """P(vote | class) of function j from soft labels and its pseudo-votes."""
    k = len(q[0])
    table = [[smoothing * value for value in row] for row in prior]
    for votes, soft in zip(L, q, strict=True):
        for y in range(k):
            table[votes[j] + 1][y] += soft[y]
    if not use_abstain:
        table = table[1:]
    totals = [max(sum(row[y] for row in table), TINY) for y in range(k)]
    shares = [[row[y] / totals[y] for y in range(k)] for row in table]
    return shares if use_abstain else [[1 - coverage] * k, *([coverage * value for value in row] for row in shares)]


def _balance(
    L: Sequence[Sequence[int]], held: Sequence[int], q: Sequence[Vector], smoothing: float, *, use_abstain: bool
) -> Vector:
    """The shares of the soft labels; where abstaining says nothing, silent items of unknown class do not count."""
    k = len(q[0])
    counted = [
        soft
        for votes, y, soft in zip(L, held, q, strict=True)
        if use_abstain or y != ABSTAIN or any(vote != ABSTAIN for vote in votes)
    ]
    mass = [sum(soft[y] for soft in counted) for y in range(k)]
    return [(value + smoothing / k) / (sum(mass) + smoothing) for value in mass]


def _log_prior(table: list[Vector], prior: list[Vector], scale: float) -> float:
    total = 0.0
    for prior_row, row in zip(prior, table, strict=True):
        for p, value in zip(prior_row, row, strict=True):
            total += p * math.log(value / scale) if p > 0 and value > 0 else 0.0
    return total


def _one_hot(y: int, k: int) -> Vector:
    return [float(label == y) for label in range(k)]
