"""Which settings a session of our own gets."""

from sparkws.config import SparkConfig
from sparkws.engine.session import DELTA_SETTINGS, ONE_MACHINE_SETTINGS, own_settings


def test_a_session_on_this_machine_stays_on_it():
    for master in (None, "local", "local[2,4]"):
        own = own_settings(SparkConfig(master=master))
        assert own["spark.driver.host"] == "127.0.0.1"
        assert own.items() >= {**DELTA_SETTINGS, **ONE_MACHINE_SETTINGS}.items()


def test_executors_of_a_cluster_can_reach_the_driver():
    own = own_settings(SparkConfig(master="spark://host:7077"))
    assert own.items() >= DELTA_SETTINGS.items()
    assert not own.keys() & ONE_MACHINE_SETTINGS.keys()
