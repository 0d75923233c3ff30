"""The CDK's standard tests, in-process against a Device Cloud, for all configurations of acceptance-test-config.yml."""

import tempfile
from pathlib import Path
from string import Template
from typing import Any

import pytest
import yaml
from airbyte_cdk.models import Status
from airbyte_cdk.sources.declarative.concurrent_declarative_source import ConcurrentDeclarativeSource
from airbyte_cdk.test.entrypoint_wrapper import EntrypointOutput
from airbyte_cdk.test.standard_tests import (
    ConnectorTestScenario,
    DeclarativeSourceTestSuite,
    DiscoveredCatalogWarning,
)
from airbyte_cdk.test.standard_tests._job_runner import IConnector, run_test_job

from integration_tests.device_cloud import DeviceCloud
from source_particle import MANIFEST_PATH
from source_particle.source import SourceParticle

ROOT = Path(__file__).parents[1]

# What a test asks a source to do. The suite itself would skip the configurations that are not listed for that.
COMMANDS = {
    "test_config_matches_spec": "spec",
    "test_check": "check",
    "test_discover": "discover",
    "test_basic_read": "read",
    "test_fail_read_with_bad_catalog": "read",
}

WHY_CHECK_FAILS = {
    "bad_token": "the access token was refused (401)",
    "bad_password": "The user name or password was refused.",
}

# What the catalog only warns about in this CDK fails here, whatever the command line says.
pytestmark = pytest.mark.filterwarnings(
    "error::airbyte_cdk.test.standard_tests.DiscoveredCatalogWarning",
)


class TestStandards(DeclarativeSourceTestSuite):
    """Airbyte's acceptance tests: spec, check, discover and read."""

    @classmethod
    def get_connector_root_dir(cls) -> Path:
        """Return the folder that holds acceptance-test-config.yml."""
        return ROOT

    @classmethod
    def create_connector(cls, scenario: ConnectorTestScenario | None) -> IConnector:
        """Return the source as its console script builds it."""
        return SourceParticle(config=_config_of(scenario) if scenario else {})


# These build an image and need a Docker daemon.
for _name in [name for name in dir(TestStandards) if name.startswith("test_docker_image")]:
    setattr(TestStandards, _name, None)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Give each test the configurations that acceptance-test-config.yml lists for its command."""
    if "scenario" not in metafunc.fixturenames:
        return
    scenarios = TestStandards.get_scenarios()
    if metafunc.function.__name__ in COMMANDS:
        command = COMMANDS[metafunc.function.__name__]
        scenarios = [scenario for scenario in scenarios if command in scenario.commands]
    else:
        scenarios = [scenario for scenario in scenarios if scenario.status == "failed"]
    metafunc.parametrize("scenario", scenarios, ids=[scenario.id for scenario in scenarios], indirect=True)


@pytest.fixture
def scenario(request: pytest.FixtureRequest, cloud: DeviceCloud) -> ConnectorTestScenario:
    """A configuration with the Device Cloud's address and credentials filled in."""
    raw: ConnectorTestScenario = request.param
    return raw.model_copy(update={"config_dict": _filled(_config_of(raw), _values(cloud))})


@pytest.fixture(autouse=True)
def _own_temporary_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The CDK's test kit writes configurations, secrets included, to the temporary folder and leaves them there."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))


def test_check_says_why_it_fails(scenario: ConnectorTestScenario) -> None:
    result = _run("check", scenario)
    [status] = [message.connectionStatus for message in result.connection_status_messages]
    assert status is not None
    assert status.status == Status.FAILED
    assert WHY_CHECK_FAILS[scenario.id] in str(status.message)


def test_a_refused_password_is_sent_once(cloud: DeviceCloud) -> None:
    [raw] = [scenario for scenario in TestStandards.get_scenarios() if scenario.id == "bad_password"]
    scenario = raw.model_copy(update={"config_dict": _filled(_config_of(raw), _values(cloud))})
    _run("check", scenario)
    assert cloud.ledger.logins() == 1


def test_a_catalog_with_a_key_that_is_no_column_fails(cloud: DeviceCloud) -> None:
    manifest = yaml.safe_load(MANIFEST_PATH.read_text(encoding="utf-8"))
    manifest["streams"][0]["primary_key"] = "no_such_column"

    class Broken(TestStandards):
        @classmethod
        def create_connector(cls, scenario: ConnectorTestScenario | None) -> IConnector:
            config = _config_of(scenario) if scenario else {}
            return ConcurrentDeclarativeSource(catalog=None, config=config, state=None, source_config=manifest)

    [raw] = [scenario for scenario in TestStandards.get_scenarios() if scenario.id == "token"]
    with pytest.raises(DiscoveredCatalogWarning, match="no_such_column"):
        Broken().test_discover(raw.model_copy(update={"config_dict": _filled(_config_of(raw), _values(cloud))}))


def test_no_configuration_leaves_a_table_out() -> None:
    read = [scenario for scenario in TestStandards.get_scenarios() if "read" in scenario.commands]
    assert [scenario.id for scenario in read if scenario.empty_streams or scenario.configured_catalog_path] == []


def _run(command: str, scenario: ConnectorTestScenario) -> EntrypointOutput:
    connector = TestStandards.create_connector(scenario)
    return run_test_job(connector, command, connector_root=ROOT, test_scenario=scenario)  # type: ignore[arg-type]


def _config_of(scenario: ConnectorTestScenario) -> dict[str, Any]:
    return scenario.get_config_dict(connector_root=ROOT, empty_if_missing=False)


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


def _filled(value: Any, values: dict[str, str]) -> Any:
    if isinstance(value, dict):
        return {name: _filled(part, values) for name, part in value.items()}
    return Template(value).substitute(values) if isinstance(value, str) else value
