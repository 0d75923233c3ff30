"""Importing the CDK must not parse the source of its messages, and leaves the classes of others as they are."""

import subprocess
import sys

import attributes_doc
from airbyte_cdk.models import AirbyteMessage

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
