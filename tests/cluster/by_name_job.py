"""A job that names its tables: by_name_job.py FOLDER CONFIG... runs each configuration and gives the worst exit code.

The catalog of a plain Spark lives as long as the job, so what the configurations name is made here first.
"""

import sys

from pyspark.sql import SparkSession

from sparkws.cli import main

if __name__ == "__main__":
    folder, *configs = sys.argv[1:]
    spark = SparkSession.builder.getOrCreate()
    spark.sql("CREATE SCHEMA managed")
    spark.read.format("delta").load(f"{folder}/items").write.format("delta").saveAsTable("managed.items")
    spark.sql("CREATE VIEW managed.seen AS SELECT * FROM managed.items")
    sys.exit(max(main(["run", "--config", config, "--task", "spam"], submitted=True) for config in configs))
