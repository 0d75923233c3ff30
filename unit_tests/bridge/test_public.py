"""The public names of `bridge`, and the cost of importing it."""

import subprocess
import sys

import pytest

import bridge


def test_all_is_sorted_and_is_everything_importable() -> None:
    modules = {name for name in vars(bridge) if f"bridge.{name}" in sys.modules}
    helpers = {"TYPE_CHECKING", "Any", "import_module"}
    public = {name for name in vars(bridge) if not name.startswith("_")} - modules - helpers
    assert bridge.__all__ == sorted(bridge.__all__)
    # What is imported when it is asked for is not there before.
    assert public <= set(bridge.__all__)
    assert all(getattr(bridge, name) for name in bridge.__all__)
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        _ = bridge.nothing


def _loaded_by(statements: str) -> set[str]:
    """Run statements in a fresh Python; return the heavy packages they load."""
    code = f"{statements}; import sys; print(*(n for n in ('pyspark', 'pyarrow', 'airbyte_cdk') if n in sys.modules))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(run.stdout.split())


def test_importing_the_bridge_loads_neither_spark_nor_the_cdk() -> None:
    assert _loaded_by("import bridge") == set()


def test_tables_and_options_need_neither_spark_nor_the_cdk() -> None:
    code = (
        "from bridge.tables import catalog, options; from bridge.rows import batches, schema;"
        "from bridge.reading import reader, tasks;"
        "options.Options.parse({'access_token': 'x'}, catalog.table('devices'));"
        "schema.type_name(catalog.table('devices').schema)"
    )
    assert _loaded_by(code) == set()


def test_the_data_source_does_not_load_the_cdk() -> None:
    assert "airbyte_cdk" not in _loaded_by("import bridge.spark.datasource")


def test_the_command_line_loads_neither_spark_nor_the_cdk() -> None:
    assert _loaded_by("import bridge.cli") == set()
