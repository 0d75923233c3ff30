"""What `make submission` lays out, tested by Airbyte's own command against a Device Cloud."""

import json
from pathlib import Path
from xml.etree import ElementTree

import pytest

from docs.submission import lay_out
from docs.submission_rules import CONNECTOR
from integration_tests.airbyte import acceptance
from integration_tests.device_cloud import DeviceCloud, Fleet
from unit_tests.support.elsewhere import run_elsewhere

ARGUMENTS = [f"--pytest-arg={word}" for word in ("-p", "no:randomly", "-m", "not image_tests")]


@pytest.fixture
def fleet() -> Fleet:
    """A fleet whose times fit the formats of their columns."""
    return acceptance.whole_times()


@pytest.mark.slow
def test_it_passes_airbytes_standard_tests_where_this_project_is_not_installed(
    tmp_path: Path, cloud: DeviceCloud
) -> None:
    lay_out(tmp_path)
    connector = tmp_path / CONNECTOR
    (connector / "secrets").mkdir()
    credentials = {"auth_type": "access_token", "access_token": cloud.token}
    configuration = {"credentials": credentials, "base_url": cloud.url}
    (connector / "secrets" / "config.json").write_text(json.dumps(configuration))
    invalid = connector / "integration_tests" / "invalid_config.json"
    invalid.write_text(json.dumps({**json.loads(invalid.read_text()), "base_url": cloud.url}))

    command = f"from airbyte_cdk.cli.airbyte_cdk import cli; cli(['connector', 'test', '.', *{ARGUMENTS}])"
    done = run_elsewhere(command, connector)

    assert done.returncode == 0, done.stdout[-3000:]
    report = ElementTree.parse(connector / "build" / "test-results" / "standard-tests-junit.xml")
    passed = {case.get("name") for case in report.iter("testcase") if case.find("skipped") is None}
    assert passed >= {
        "test_spec",
        "test_config_matches_spec['config' Test Scenario]",
        "test_check['config' Test Scenario]",
        "test_check['invalid_config' Test Scenario]",
        "test_discover['config' Test Scenario]",
        "test_basic_read['config' Test Scenario]",
        "test_fail_read_with_bad_catalog['config' Test Scenario]",
    }


def test_its_unit_tests_are_found_where_this_project_is_not_installed(tmp_path: Path) -> None:
    lay_out(tmp_path)
    tests = tmp_path / CONNECTOR / "unit_tests"
    done = run_elsewhere("import pytest; raise SystemExit(pytest.main(['-q', '-p', 'no:randomly', '--co']))", tests)
    assert done.returncode == 0, done.stdout[-2000:]
    assert "bridge" not in "".join(path.read_text("utf-8") for path in tests.rglob("*.py"))
