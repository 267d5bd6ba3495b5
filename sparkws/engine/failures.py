"""What failed inside Spark, as an error of ours where it is one."""

from collections.abc import Iterator
from contextlib import contextmanager

from pyspark.errors import PySparkException

from sparkws.engine.worker import decode_error


@contextmanager
def our_errors() -> Iterator[None]:
    """Turn an error of ours that comes back inside Spark's into itself, and the death of a worker into one."""
    try:
        yield
    except PySparkException as error:
        ours = decode_error(str(error))
        if ours is None:
            raise
        raise ours from None
    except Exception as error:
        ours = decode_error(str(error)) if type(error).__module__.startswith(("py4j", "grpc")) else None
        if ours is None:
            raise
        raise ours from None
