"""Load the files that `particle-bridge sync` wrote into a DuckDB file, one table per folder.

python -m examples.duckdb.load FOLDER FILE
"""

import sys
from pathlib import Path

import duckdb


def load(folder: Path, file: Path) -> dict[str, int]:
    """Replace the tables of a DuckDB file with the Parquet files in a folder; return the row count of each table."""
    rows = {}
    with duckdb.connect(str(file)) as connection:
        for table in sorted(path for path in folder.iterdir() if not path.name.startswith(".")):
            connection.execute(
                f'CREATE OR REPLACE TABLE "{table.name}" AS FROM read_parquet(?)', [f"{table}/*.parquet"]
            )
            rows[table.name] = connection.table(f'"{table.name}"').shape[0]
    return rows


if __name__ == "__main__":
    for name, count in load(Path(sys.argv[1]), Path(sys.argv[2])).items():
        print(f"{name}: {count} rows")
