"""What Spark wrote for a sync: one file that this machine can see, or a named error."""

from collections.abc import Callable
from pathlib import Path
from unittest.mock import MagicMock

import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.parquet as pq  # type: ignore[import-untyped]
import pytest

from bridge.errors import ConfigurationError
from bridge.export.reads import TableRead
from bridge.export.session import SparkParquet
from bridge.tables.catalog import table


def _session(write: Callable[[Path], None]) -> MagicMock:
    """A session whose tasks write into a folder in their own way."""
    spark = MagicMock()
    frame = spark.read.format.return_value.options.return_value.load.return_value
    frame.repartition.return_value.write.parquet.side_effect = lambda to: write(Path(to.removeprefix("file://")))
    return spark


def _parts(number: int) -> Callable[[Path], None]:
    def write(folder: Path) -> None:
        folder.mkdir()
        # The driver writes this one, wherever the executors are.
        (folder / "_SUCCESS").write_text("")
        for part in range(number):
            pq.write_table(pa.table({"id": ["a", "b"]}), folder / f"part-{part:05}-c000.snappy.parquet")

    return write


def test_the_only_file_becomes_the_table_and_its_rows_are_counted(tmp_path: Path) -> None:
    read = TableRead(table("devices"), {})
    SparkParquet(_session(_parts(1))).write(read, tmp_path / "part-0.parquet")
    assert read.rows == 2
    assert pq.read_table(tmp_path / "part-0.parquet").num_rows == 2
    assert [path.name for path in tmp_path.iterdir()] == ["part-0.parquet"]


@pytest.mark.parametrize("number", [0, 2])
def test_files_on_other_disks_are_a_named_error_and_no_empty_table(number: int, tmp_path: Path) -> None:
    read = TableRead(table("devices"), {})
    with pytest.raises(
        ConfigurationError, match=f"Spark wrote {number} files .* choose a folder that all of them share"
    ):
        SparkParquet(_session(_parts(number))).write(read, tmp_path / "part-0.parquet")
    assert read.rows == 0
    assert not (tmp_path / "part-0.parquet").exists()


def test_executors_that_do_not_even_share_the_folder_are_the_same_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="Its executors have their own disks"):
        SparkParquet(_session(lambda folder: None)).write(TableRead(table("devices"), {}), tmp_path / "part-0.parquet")
