"""What failed inside Spark, as an error of ours where it is one."""

from collections.abc import Iterator
from contextlib import contextmanager

from pyspark.errors import PySparkException

from sparkws.engine.direct import told_missing_file
from sparkws.engine.worker import decode_error


@contextmanager
def our_errors() -> Iterator[None]:
    """Turn an error of ours that comes back inside Spark's into itself, and the death of a worker into one."""
    try:
        yield
    except Exception as error:
        ours = decode_error(str(error)) or told_missing_file(str(error)) if is_sparks(error) else None
        if ours is None:
            raise
        raise ours from None


def is_sparks(error: Exception) -> bool:
    """Whether an error comes from Spark: one of the JVM that Spark does not know comes as one of the channel to it."""
    return isinstance(error, PySparkException) or type(error).__module__.startswith(("py4j", "grpc"))
