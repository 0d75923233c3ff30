"""Importing the CDK must not parse the source of its messages, and leaves the classes of others as they are."""

import gc
import subprocess
import sys

import attributes_doc
import pytest
from airbyte_cdk.models import AirbyteMessage

from source_particle.garbage import no_collections
from source_particle.quick_import import leave_airbyte_undescribed

READ = """
import linecache, sys
import source_particle.source
assert "airbyte_cdk" in sys.modules
print([name for name in linecache.cache if "airbyte_" in name])
"""


class Described:
    """A class of somebody else."""

    size: int = 0
    """How large it is."""


def test_the_source_of_the_cdks_messages_is_not_read() -> None:
    ran = subprocess.run([sys.executable, "-c", READ], capture_output=True, text=True, check=True)
    assert ran.stdout == "[]\n"


def test_only_airbytes_classes_lose_their_descriptions() -> None:
    leave_airbyte_undescribed()
    assert attributes_doc.get_attributes_doc(Described) == {"size": "How large it is."}
    assert attributes_doc.get_attributes_doc(AirbyteMessage) == {}


IMPORTED = """
import gc
import source_particle
found = []
gc.callbacks.append(lambda phase, info: found.append(phase))
import source_particle.run
print(found.count("start") < 5, gc.isenabled())
"""


def test_no_garbage_is_looked_for_while_the_cdk_is_imported() -> None:
    ran = subprocess.run([sys.executable, "-c", IMPORTED], capture_output=True, text=True, check=True)
    # Before and after it a few are due, in between there would be hundreds.
    assert ran.stdout == "True True\n"


@pytest.mark.parametrize("is_enabled", [True, False])
def test_the_garbage_collector_is_left_as_it_was(is_enabled: bool) -> None:
    before = gc.isenabled()
    try:
        (gc.enable if is_enabled else gc.disable)()
        with no_collections():
            assert not gc.isenabled()
        assert gc.isenabled() == is_enabled
    finally:
        (gc.enable if before else gc.disable)()


ENDED = """
import atexit, gc, sys
atexit.register(lambda: print(gc.get_freeze_count() > 0, file=sys.stderr))
from source_particle.run import run
run(["spec"])
"""


def test_a_command_looks_for_no_garbage_when_it_ends() -> None:
    ran = subprocess.run([sys.executable, "-c", ENDED], capture_output=True, text=True, check=True)
    assert ran.stderr == "True\n"
