"""Carries kernels over Delta tables: the only folder that imports pyspark, delta and deltalake.

Import from its modules; a worker imports this package before polars, so it stays empty.
"""
