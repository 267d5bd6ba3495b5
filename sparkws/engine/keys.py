"""The key check: no NULL and no key twice, before anything that is keyed by it is committed."""

import logging
import time

from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from sparkws.checks import first_few
from sparkws.engine.failures import our_errors
from sparkws.engine.refs import quote_column
from sparkws.engine.tables import Source, read
from sparkws.errors import InvalidKeys

logger = logging.getLogger(__name__)

_SHOWN = 3


def check_keys(spark: SparkSession, source: Source, key: str) -> None:
    """Refuse a source whose key column holds NULLs or duplicates.

    Spark groups 64-bit hashes of the keys, which shuffles less than the keys themselves; only hashes
    that occur twice are looked at again, by the keys behind them, so the answer is exact.

    Raises
    ------
    InvalidKeys
        With the number of NULLs, or the first keys that occur more than once and how often.
    """
    start = time.monotonic()
    with our_errors():
        _refuse_bad_keys(spark, source, key)
    logger.info("keys of %s checked in %.1f s", source, time.monotonic() - start)


def _refuse_bad_keys(spark: SparkSession, source: Source, key: str) -> None:
    keys = read(spark, source).select(F.col(quote_column(key)).alias("key"))
    hashed = keys.select(F.xxhash64("key").alias("hash"), F.col("key").isNull().alias("is_null"))
    by_hash = hashed.groupBy("hash").agg(F.count(F.lit(1)).alias("n"), F.count_if("is_null").alias("n_null"))
    suspects = by_hash.where("n > 1 OR n_null > 0").orderBy(F.desc("n_null"), F.desc("n"), "hash").limit(1000)
    found = suspects.collect()
    if not found:
        return
    n_null = sum(row["n_null"] for row in found)
    if n_null:
        raise InvalidKeys(f"key column {key!r} of {str(source)!r} is NULL in {n_null:,} rows; every item needs a key.")
    same_hash = keys.where(F.xxhash64("key").isin([row["hash"] for row in found]))
    repeated = same_hash.groupBy("key").count().where("count > 1").orderBy(F.desc("count"), "key")
    twice = repeated.limit(_SHOWN + 1).collect()
    if twice:
        shown = first_few([f"{row['key']} ({row['count']:,} times)" for row in twice[:_SHOWN]])
        more = " and more" if len(twice) > _SHOWN else ""
        raise InvalidKeys(
            f"key column {key!r} of {str(source)!r} must be unique; {shown}{more} occur more than once. "
            "Drop the duplicates, or name another key."
        )
