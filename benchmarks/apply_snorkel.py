"""The rival in Snorkel of the benchmark `apply`: the votes of apply_lfs.yaml, as Snorkel's users write them.

Frozen: do not tune. A program of its own, in the environment that `benchmarks.apart` makes. Its arguments are
a folder of Parquet files of comments, the file to write the votes to, and the number of cores. It says
`rival: ready`, and then for every line that it reads runs `SparkLFApplier` over the comments and says how many
seconds that took. The votes of the first run are written, outside of its time.
"""

import re
import sys
import time

import numpy as np
from pyspark.sql import SparkSession
from snorkel.labeling import labeling_function
from snorkel.labeling.apply.spark import SparkLFApplier

ABSTAIN, HAM, SPAM = -1, 0, 1

CHECK_OUT = re.compile(r"\bcheck\b.{0,20}\bout\b")
SUBSCRIBE = re.compile(r"\b(?:sub|subs|subscribe|subscribed|subscriber|subscribers)\b")
MY_CHANNEL = re.compile(r"\b(?:my channel|my video|my videos|my page|my cover|my music|follow me)\b")
MONEY = re.compile(r"\b(?:free|win|winner|cash|money|gift|giveaway|prize|earn|dollars)\b")
ASKS = re.compile(r"\b(?:please|plz|pls|help me)\b")
PRAISES = re.compile(
    r"\b(?:love|beautiful|amazing|awesome|best|masterpiece|classic|incredible|perfect|favorite|legend|goosebumps"
    r"|song|music|voice|beat)\b"
)
RECALLS = re.compile(r"\b[0-9]{1,2}:[0-9]{2}\b|\bin 20[0-9]{2}\b")


@labeling_function()
def lf_contains_link(x):
    text = x.text.lower()
    return SPAM if "http://" in text or "https://" in text or "www." in text or ".com/" in text else ABSTAIN


@labeling_function()
def lf_check_out(x):
    return SPAM if CHECK_OUT.search(x.text.lower()) else ABSTAIN


@labeling_function()
def lf_subscribe(x):
    return SPAM if SUBSCRIBE.search(x.text.lower()) else ABSTAIN


@labeling_function()
def lf_my_channel(x):
    return SPAM if MY_CHANNEL.search(x.text.lower()) else ABSTAIN


@labeling_function()
def lf_money(x):
    return SPAM if MONEY.search(x.text.lower()) else ABSTAIN


@labeling_function()
def lf_asks(x):
    return SPAM if ASKS.search(x.text.lower()) else ABSTAIN


@labeling_function()
def lf_exclaims(x):
    return SPAM if "!!!" in x.text else ABSTAIN


@labeling_function()
def lf_short(x):
    return HAM if len(x.text) < 20 else ABSTAIN


@labeling_function()
def lf_praises(x):
    return HAM if PRAISES.search(x.text.lower()) else ABSTAIN


@labeling_function()
def lf_recalls(x):
    return HAM if RECALLS.search(x.text.lower()) else ABSTAIN


LFS = [
    lf_contains_link,
    lf_check_out,
    lf_subscribe,
    lf_my_channel,
    lf_money,
    lf_asks,
    lf_exclaims,
    lf_short,
    lf_praises,
    lf_recalls,
]


def main(folder: str, votes_file: str, cores: str) -> None:
    spark = SparkSession.builder.master(f"local[{cores}]").config("spark.ui.enabled", "false")
    spark = spark.config("spark.driver.host", "127.0.0.1").config("spark.driver.memory", "2g")
    spark = spark.config("spark.ui.showConsoleProgress", "false").getOrCreate()
    comments = spark.read.parquet(folder).select("comment_id", "text")
    applier = SparkLFApplier(LFS)
    L = None
    print("rival: ready", flush=True)
    for _ in sys.stdin:
        start = time.perf_counter()
        found = applier.apply(comments.rdd)
        took = time.perf_counter() - start
        if L is None:
            L = found
            keys = [row.comment_id for row in comments.select("comment_id").collect()]
            np.savez(votes_file, keys=np.array(keys), L=L.astype(np.int8))
        print(f"rival: {took}", flush=True)
    spark.stop()


if __name__ == "__main__":
    main(*sys.argv[1:])
