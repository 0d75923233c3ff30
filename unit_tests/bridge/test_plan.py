"""Plans: small, JSON-safe, and no wider than the configuration they narrow."""

import json
from dataclasses import asdict

from bridge.plan import Descriptor, descriptors

CONFIG = {"credentials": {"auth_type": "password", "username": "user@example.com", "password": "a-password"}}


def test_every_read_has_a_task_and_a_descriptor_is_small_json() -> None:
    assert descriptors()
    for descriptor in descriptors():
        assert len(json.dumps(asdict(descriptor))) < 300


def test_the_token_of_the_planner_rides_beside_what_the_user_wrote() -> None:
    assert Descriptor({}).config(CONFIG, "a-token") == {**CONFIG, "plan": {"access_token": "a-token"}}


def test_without_a_token_the_configuration_is_the_users() -> None:
    assert Descriptor({}).config(CONFIG, None) == CONFIG


def test_what_a_task_reads_rides_under_the_plan() -> None:
    assert Descriptor({"first_page": 3}).config(CONFIG, None)["plan"] == {"first_page": 3}
