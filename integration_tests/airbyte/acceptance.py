"""`make acceptance`: Airbyte's own command for a connector's acceptance tests, against a Device Cloud.

`airbyte-cdk connector test .` reads acceptance-test-config.yml, which names configurations in the folder secrets/, as
every Airbyte connector does. Here they are made from integration_tests/airbyte/configs, and removed in the end.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from string import Template
from tempfile import TemporaryDirectory
from typing import Any

from integration_tests.device_cloud import DeviceCloud, Fleet
from unit_tests.support.paths import ROOT

TEMPLATES = ROOT / "integration_tests" / "airbyte" / "configs"
SECRETS = ROOT / "secrets"
# The tests of images need a Docker daemon, and a network.
ARGUMENTS = ("--pytest-arg=-q", "--pytest-arg=-m", "--pytest-arg=not image_tests")


def main() -> int:
    """Run the tests and return their exit code, 2 when secrets/ holds configurations of somebody's own."""
    if SECRETS.exists():
        print(f"{SECRETS} is there: its configurations would be tested, and removed. Move it away.", file=sys.stderr)
        return 2
    command = [str(Path(sys.executable).with_name("airbyte-cdk")), "connector", "test", ".", *ARGUMENTS]
    with (
        DeviceCloud(whole_times()) as cloud,
        written(SECRETS, configurations(cloud)),
        # The test kit writes configurations to the temporary folder and leaves them there.
        TemporaryDirectory() as temporary,
    ):
        return subprocess.run(command, cwd=ROOT, env={**os.environ, "TMPDIR": temporary}, check=False).returncode


def whole_times() -> Fleet:
    """Return the default fleet without bare dates, which a few devices and SIMs have as a time.

    Airbyte's tests check a time by the format of its column, which a bare date is not. Tables keep what the API sent.
    """
    fleet = Fleet.seeded()
    for collection in ("devices", "sims"):
        for scope in fleet.scopes(collection):
            for key, record in tuple(fleet.rows(collection, scope).items()):
                fleet.put(collection, key, {name: _whole(value) for name, value in record.items()}, scope)
    return fleet


def _whole(value: Any) -> Any:
    is_date = isinstance(value, str) and re.fullmatch(r"\d{4}-\d{2}-\d{2}", value)
    return f"{value}T00:00:00Z" if is_date else value


def configurations(cloud: DeviceCloud) -> dict[str, dict[str, Any]]:
    """Return the configurations of acceptance-test-config.yml by name, for a Device Cloud."""
    values = _values(cloud)
    return {
        path.stem: _filled(json.loads(path.read_text(encoding="utf-8")), values) for path in TEMPLATES.glob("*.json")
    }


@contextmanager
def written(folder: Path, configs: Mapping[str, Mapping[str, Any]]) -> Iterator[None]:
    """Hold configurations in a folder, which is removed in the end."""
    folder.mkdir(mode=0o700)
    try:
        for name, config in configs.items():
            (folder / f"{name}.json").write_text(json.dumps(config), encoding="utf-8")
        yield
    finally:
        shutil.rmtree(folder)


def _values(cloud: DeviceCloud) -> dict[str, str]:
    fleet = cloud.fleet
    [product, *_] = fleet.product_ids
    record = fleet.product(str(product))
    assert record is not None
    return {
        "access_token": cloud.token,
        "expired_token": cloud.expired_token,
        "base_url": cloud.url,
        "username": cloud.username,
        "password": cloud.password,
        "product": str(product),
        "slug": record["slug"],
        "device": next(key for key in fleet.rows("devices") if fleet.vitals(key)),
        "sim": next(iter(fleet.rows("sims"))),
        "start_date": f"{fleet.now.year - 1}-01-01T00:00:00Z",
    }


def _filled(value: Any, values: Mapping[str, str]) -> Any:
    if isinstance(value, dict):
        return {name: _filled(part, values) for name, part in value.items()}
    return Template(value).substitute(values) if isinstance(value, str) else value


if __name__ == "__main__":
    sys.exit(main())
