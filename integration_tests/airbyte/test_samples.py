"""The source accepts the recorded replies of the real API."""

import pytest
from airbyte_cdk.sources.streams.http.error_handlers.response_models import ResponseAction

from integration_tests.device_cloud.samples import FOLDER
from source_particle.replies import page_of
from unit_tests.support.built import error_handlers, reply

SAMPLE_OF = {
    "clients__list__real_2017": ("oauth_clients", 14),
    "devices__list__cli_fixture_2020": ("devices", 3),
    "devices__list__docs": ("devices", 2),
    "devices__list__real_2019": ("devices", 1),
    "diagnostics__history__docs": ("diagnostics", 2),
    "diagnostics__history__empty": ("diagnostics", 0),
    "diagnostics__last__lte_m1_from_event": ("diagnostics", 1),
    "org_products__list__assembled": ("products", 1),
    "product_clients__list__docs": ("oauth_clients", 2),
    "product_devices__list__cli_fixture_2020": ("product_devices", 2),
    "product_devices__list__docs": ("product_devices", 2),
    "product_sims__fleet_data_usage__docs": ("fleet_data_usage", 1),
    "product_sims__list__docs": ("product_sims", 1),
    "products__list__real_2018": ("products", 2),
    "sim__data_usage__docs": ("sim_data_usage", 1),
    "sim__data_usage__empty": ("sim_data_usage", 1),
    "sim__data_usage__legacy_array": ("sim_data_usage", 1),
    "sims__list__docs": ("sims", 1),
    "user__get__api_js_shape": ("user", 1),
    "user__get__docs": ("user", 1),
    "user_products__list__assembled": ("products", 1),
}
# Single entities and lists that no table reads as they are, and the payload of a report on its own.
READ_BY_NO_TABLE = {
    "devices__get__cli_fixture_2020",
    "devices__get__docs",
    "diagnostics__payload__docs_3g",
    "orgs__list",
    "product_devices__get__cli_fixture_2020",
    "sim__get__docs",
}


def test_every_sample_of_the_api_is_accounted_for() -> None:
    assert {path.stem for path in FOLDER.glob("*.json")} == SAMPLE_OF.keys() | READ_BY_NO_TABLE


@pytest.mark.parametrize("sample", SAMPLE_OF)
def test_a_sample_of_the_api_is_a_good_reply_of_its_table(sample: str) -> None:
    stream, count = SAMPLE_OF[sample]
    response = reply(200, (FOLDER / f"{sample}.json").read_bytes())
    resolution = error_handlers()[stream].interpret_response(response)
    assert resolution.response_action == ResponseAction.SUCCESS, resolution.error_message
    assert len(page_of(response).records) == count
