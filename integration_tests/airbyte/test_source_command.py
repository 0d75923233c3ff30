"""The console script `source-particle`, as Airbyte calls it: files in, one JSON message a line out."""

import json
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from integration_tests.airbyte.command import Command, catalog_file, differing, python_command
from integration_tests.airbyte.command_suite import SourceCommandSuite
from integration_tests.airbyte.syncs import with_token
from integration_tests.device_cloud import DeviceCloud, Fault, Fleet, FleetSize, Switches
from source_particle.bundles import WAITING
from source_particle.run import INTERRUPTED, NOBODY_READS
from unit_tests.support.kinds import one_of_each_kind
from unit_tests.support.paths import ROOT

MANY_PRODUCTS = FleetSize(products=WAITING + 12, devices=3, sims=0, days=1, user_devices=0, user_sims=0, samples=False)


@pytest.fixture
def source(tmp_path: Path) -> Command:
    """The command, in an empty directory."""
    return python_command(tmp_path, ROOT, "from source_particle.run import run; run()")


class TestConsoleScript(SourceCommandSuite):
    """What every form of the source does."""

    tables = one_of_each_kind()


@pytest.mark.parametrize("content", ["{", *(pytest.param(other, marks=pytest.mark.slow) for other in ("[]", '"text"'))])
def test_a_configuration_that_is_no_object_is_a_readable_error(source: Command, content: str) -> None:
    done = source.run("check", config=content)

    [status] = done.parts("connectionStatus")
    assert (done.code, status.status.value) == (0, "FAILED")
    assert "config.json cannot be used" in status.message


def test_a_configuration_that_breaks_the_spec_is_a_readable_error(source: Command, cloud: DeviceCloud) -> None:
    done = source.run("read", config=with_token(cloud, num_workers=99), catalog=catalog_file("user"))

    assert done.code == 1
    assert "num_workers: received 99, expected an integer from 2 to 32." in done.errors


SECRET = "h0t\\'\"\n"


@pytest.mark.parametrize(
    ("verb", "credentials"),
    [
        ("read", {"auth_type": "access_token", "access_token": f"a{SECRET}b"}),
        ("check", {"auth_type": "client", "client_secret": SECRET}),
        pytest.param("read", {"username": "me", "password": SECRET}, marks=pytest.mark.slow),
        pytest.param("check", [SECRET], marks=pytest.mark.slow),
    ],
)
def test_credentials_that_cannot_be_used_are_in_no_output(source: Command, verb: str, credentials: object) -> None:
    files = {"catalog": catalog_file("user")} if verb == "read" else {}

    done = source.run(verb, config={"credentials": credentials}, **files)

    assert done.code == (1 if verb == "read" else 0)
    assert "credentials" in done.stdout
    assert "h0t" not in done.stdout + done.stderr


@pytest.fixture
def long_read(source: Command) -> Iterator[list[str]]:
    """The words of a command that reads more pages than may wait until they are written."""
    with DeviceCloud(Fleet.seeded(MANY_PRODUCTS)) as cloud:
        # So that it still reads when a test has seen its first record.
        cloud.switches = Switches(latency=0.1)
        config = with_token(cloud, product_devices={"per_page": 1})
        files = {"config": config, "catalog": catalog_file("product_devices")}
        words = [*source.words, "read"]
        for name, content in files.items():
            (source.folder / f"{name}.json").write_text(json.dumps(content), encoding="utf-8")
            words += [f"--{name}", str(source.folder / f"{name}.json")]
        yield words


def test_a_reader_that_goes_away_ends_a_read(source: Command, long_read: list[str]) -> None:
    """As in `source-particle read … | head`: threads that wait for a reader would keep the process alive."""
    with subprocess.Popen(long_read, env=source.environment, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.close()
        assert process.wait(60) == NOBODY_READS


def test_a_full_disk_ends_a_read(source: Command, long_read: list[str]) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            long_read, env=source.environment, stdout=full, stderr=subprocess.PIPE, timeout=60, check=False
        )
    assert done.returncode == 1
    assert b"No space left" in done.stderr


@pytest.fixture
def _hears_ctrl_c() -> Iterator[None]:
    """A shell lets what runs in its background ignore SIGINT, and each child inherits that."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("_hears_ctrl_c")
def test_ctrl_c_ends_a_read(source: Command, long_read: list[str]) -> None:
    with subprocess.Popen(
        long_read, env=source.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert any('"RECORD"' in line for line in process.stdout)
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
        assert process.returncode == INTERRUPTED


@pytest.mark.parametrize("fails", [False, True])
def test_a_read_ends_whose_threads_and_errors_hold_more_pages_than_may_wait(source: Command, fails: bool) -> None:
    with DeviceCloud(Fleet.seeded(MANY_PRODUCTS)) as cloud:
        if fails:
            cloud.faults.add(Fault("GET /v1/products/:p/devices", page=2, times=None, status=400, body="{}"))
        config = with_token(cloud, num_workers=32, product_devices={"per_page": 1})
        done = source.run("read", config=config, catalog=catalog_file("product_devices"))

        assert done.code == int(fails)
        assert bool(done.errors) == fails
        assert fails or not differing(cloud, done.records, ["product_devices"])
