"""The CDK's standard tests, in-process against a Device Cloud, for all configurations of acceptance-test-config.yml."""

import copy
import tempfile
from pathlib import Path

import pytest
from airbyte_cdk.models import Status
from airbyte_cdk.sources.declarative.concurrent_declarative_source import ConcurrentDeclarativeSource
from airbyte_cdk.test.entrypoint_wrapper import EntrypointOutput
from airbyte_cdk.test.standard_tests import (
    ConnectorTestScenario,
    DeclarativeSourceTestSuite,
    DiscoveredCatalogWarning,
)
from airbyte_cdk.test.standard_tests._job_runner import IConnector, run_test_job

from integration_tests.airbyte import acceptance
from integration_tests.airbyte.acceptance import configurations
from integration_tests.device_cloud import DeviceCloud, Fleet
from source_particle import manifest
from source_particle.source import SourceParticle
from unit_tests.support.paths import ROOT

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


@pytest.mark.slow
class TestStandards(DeclarativeSourceTestSuite):
    """Airbyte's acceptance tests: spec, check, discover and read."""

    @classmethod
    def get_connector_root_dir(cls) -> Path:
        """Return the folder that holds acceptance-test-config.yml."""
        return ROOT

    @classmethod
    def create_connector(cls, scenario: ConnectorTestScenario | None) -> IConnector:
        """Return the source as its console script builds it."""
        return SourceParticle(config=scenario.config_dict if scenario else {})


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
def fleet() -> Fleet:
    """A fleet whose times fit the formats of their columns."""
    return acceptance.whole_times()


@pytest.fixture
def scenario(request: pytest.FixtureRequest, cloud: DeviceCloud) -> ConnectorTestScenario:
    """A configuration with the Device Cloud's address and credentials filled in."""
    return _with_configuration(request.param, cloud)


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
    _run("check", _scenario("bad_password", cloud))
    assert cloud.ledger.logins() == 1


def test_a_catalog_with_a_key_that_is_no_column_fails(cloud: DeviceCloud) -> None:
    broken = copy.deepcopy(dict(manifest()))
    broken["streams"][0]["primary_key"] = "no_such_column"

    class Broken(TestStandards):
        @classmethod
        def create_connector(cls, scenario: ConnectorTestScenario | None) -> IConnector:
            config = scenario.config_dict if scenario else {}
            return ConcurrentDeclarativeSource(catalog=None, config=config, state=None, source_config=broken)

    with pytest.raises(DiscoveredCatalogWarning, match="no_such_column"):
        Broken().test_discover(_scenario("config", cloud))


def test_no_configuration_leaves_a_table_out() -> None:
    read = [scenario for scenario in TestStandards.get_scenarios() if "read" in scenario.commands]
    assert [scenario.id for scenario in read if scenario.empty_streams or scenario.configured_catalog_path] == []


def test_every_configuration_is_there_and_tested(cloud: DeviceCloud) -> None:
    assert {scenario.id for scenario in TestStandards.get_scenarios()} == set(configurations(cloud))


def test_configurations_are_written_for_the_command_and_removed(tmp_path: Path, cloud: DeviceCloud) -> None:
    folder = tmp_path / "secrets"
    with acceptance.written(folder, configurations(cloud)):
        for scenario in TestStandards.get_scenarios():
            assert scenario.config_path is not None
            assert (tmp_path / scenario.config_path).exists()
    assert list(tmp_path.iterdir()) == []


def test_configurations_of_somebodys_own_are_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(acceptance, "SECRETS", tmp_path)
    (tmp_path / "config.json").write_text("{}")
    assert acceptance.main() == 2
    assert (tmp_path / "config.json").exists()


def _run(command: str, scenario: ConnectorTestScenario) -> EntrypointOutput:
    connector = TestStandards.create_connector(scenario)
    return run_test_job(connector, command, connector_root=ROOT, test_scenario=scenario)  # type: ignore[arg-type]


def _scenario(name: str, cloud: DeviceCloud) -> ConnectorTestScenario:
    [raw] = [scenario for scenario in TestStandards.get_scenarios() if scenario.id == name]
    return _with_configuration(raw, cloud)


def _with_configuration(raw: ConnectorTestScenario, cloud: DeviceCloud) -> ConnectorTestScenario:
    return raw.model_copy(update={"config_dict": configurations(cloud)[raw.id]})
