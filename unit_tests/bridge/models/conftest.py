"""A lake of a few records."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from bridge.models.lake import Lake, open_lake
from unit_tests.support.lakes import NOW, Opener, Records, write_table


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Opener]:
    """Return what writes tables as of NOW and opens them."""
    lakes: list[Lake] = []

    def open_with(**records: Records) -> Lake:
        for name, rows in records.items():
            write_table(tmp_path / "lake", name, rows)
            os.utime(tmp_path / "lake" / name / "part-0.parquet", (NOW.timestamp(), NOW.timestamp()))
        lakes.append(open_lake(tmp_path / "lake"))
        return lakes[-1]

    yield open_with
    for lake in lakes:
        lake.close()
