"""A session on a Spark Connect server; its client needs no Java, but packages that Spark alone does not bring."""

import socket
from typing import Final
from urllib.parse import urlsplit

from pyspark.sql import SparkSession

from sparkws.errors import ConfigError, EngineError, MissingExtra

_PORT: Final = 15002  # where a server listens unless it was told otherwise
_ANSWER_S: Final = 10.0


def connect(url: str, app_name: str) -> SparkSession:
    """The session of this process on the server at `url`, such as "sc://host:15002/;token=...".

    Raises
    ------
    ConfigError
        If `url` is no address of a server.
    EngineError
        If nothing listens there.
    MissingExtra
        If the client's packages are not installed.
    """
    _check_server(url)
    try:
        return SparkSession.builder.appName(app_name).remote(url).getOrCreate()
    except ImportError as error:
        reason = str(error).splitlines()[0].rstrip(".")
        raise MissingExtra(
            f"Spark Connect needs packages that are not installed ({reason}): pip install 'sparkws[connect]'."
        ) from None


def _check_server(url: str) -> None:
    """Refuse an address where nothing listens: Spark's client would try again for ten minutes, and say nothing."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port or _PORT
    except ValueError:
        parts, host, port = None, None, 0
    if parts is None or parts.scheme != "sc" or not host:
        # What follows the address may be a secret.
        raise ConfigError(
            f"{url.partition(';')[0]!r} is not the address of a Spark Connect server; write sc://host:{_PORT}."
        )
    try:
        socket.create_connection((host, port), timeout=_ANSWER_S).close()
    except OSError as error:
        raise EngineError(
            f"no Spark Connect server answers at sc://{host}:{port} ({error.strerror or type(error).__name__}); "
            "start it, or correct 'remote'."
        ) from None
