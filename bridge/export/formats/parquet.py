"""Parquet files, with column comments in their Arrow schema."""

from pathlib import Path

from bridge.export.formats.arrow import described_schema, row_groups
from bridge.export.formats.sink import Rows


class Parquet:
    """One Parquet file per read, compressed with zstd."""

    name = "parquet"

    def write(self, rows: Rows, file: Path) -> None:
        """Write all rows to a new file; an empty table still has its columns."""
        from pyarrow import OSFile  # type: ignore[import-untyped]  # noqa: PLC0415
        from pyarrow.parquet import ParquetWriter  # type: ignore[import-untyped]  # noqa: PLC0415

        schema = described_schema(rows.table)
        # A writer that cannot finish its file, as on a full disk, leaves it open.
        with OSFile(str(file), "wb") as opened, ParquetWriter(opened, schema, compression="zstd") as writer:
            for group in row_groups(rows.batches(), schema):
                writer.write_table(group)
