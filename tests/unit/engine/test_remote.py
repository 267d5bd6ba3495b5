"""What is said of an address where no Spark Connect server is, and where the client's packages are missing."""

import socket
import subprocess
import sys

import pytest

from sparkws.engine.remote import connect
from sparkws.errors import ConfigError, EngineError


@pytest.mark.parametrize(
    "url", ["localhost:15002", "http://host:15002", "sc://", "sc://host:port", "sc://:15002", "sc://host:99999"]
)
def test_an_address_that_is_none(url):
    with pytest.raises(
        ConfigError, match="is not the address of a Spark Connect server; write sc://host:15002"
    ) as said:
        connect(url, "test")
    assert repr(url) in str(said.value)


def test_a_secret_is_not_told():
    with pytest.raises(ConfigError, match="'https://host:443/'") as said:
        connect("https://host:443/;token=secret", "test")
    assert "secret" not in str(said.value)


def test_a_server_that_is_not_there():
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with pytest.raises(EngineError, match=rf"no Spark Connect server answers at sc://127\.0\.0\.1:{port} \(") as said:
        connect(f"sc://127.0.0.1:{port}/;token=secret", "test")
    assert "secret" not in str(said.value)


def test_packages_that_are_missing_are_an_extra():
    # In a process of its own: the first attempt at a remote session changes what pyspark's functions do.
    code = """
import socket, sys
sys.modules["grpc"] = None
from sparkws.engine.remote import connect
from sparkws.errors import MissingExtra
with socket.create_server(("127.0.0.1", 0)) as listening:
    try:
        connect(f"sc://127.0.0.1:{listening.getsockname()[1]}", "test")
    except MissingExtra as error:
        print(error)
"""
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert "grpcio" in said
    assert said.endswith("pip install 'sparkws[connect]'.\n")
