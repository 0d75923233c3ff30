"""Configured catalogs, as an Airbyte platform would hand them over."""

from collections.abc import Collection

from airbyte_cdk.models import ConfiguredAirbyteCatalog, ConfiguredAirbyteCatalogSerializer


def catalog_of(*tables: str, incremental: bool | Collection[str] = False) -> ConfiguredAirbyteCatalog:
    """A configured catalog of some tables, of which all or some are incremental."""
    modes = {table: _mode(table, incremental) for table in tables}
    streams = [
        {
            "stream": {"name": table, "json_schema": {}, "supported_sync_modes": [mode]},
            "sync_mode": mode,
            "destination_sync_mode": "append",
        }
        for table, mode in modes.items()
    ]
    return ConfiguredAirbyteCatalogSerializer.load({"streams": streams})


def _mode(table: str, incremental: bool | Collection[str]) -> str:
    chosen = incremental if isinstance(incremental, bool) else table in incremental
    return "incremental" if chosen else "full_refresh"
