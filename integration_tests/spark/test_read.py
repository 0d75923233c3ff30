"""A user's Spark session reads a fleet: complete tables, errors that say what to do, no secret anywhere."""

import json
from collections.abc import Iterator

import pytest
from pyspark.errors import AnalysisException, PySparkException
from pyspark.sql import SparkSession
from pyspark.sql.functions import to_json

from bridge.rows.schema import RESCUED_DATA
from bridge.tables.catalog import Table, table, tables
from integration_tests.device_cloud import DeviceCloud, Fault, Fleet, FleetSize, Switches
from integration_tests.spark.sessions import assert_same, load, options_for, truth_of
from unit_tests.support.kinds import table_parameters


@pytest.fixture
def new_cloud() -> Iterator[DeviceCloud]:
    """A server that no worker of Spark has met, as they live on between jobs and remember how they signed in."""
    with DeviceCloud(Fleet.seeded(FleetSize(products=1, devices=3, samples=False))) as cloud:
        yield cloud


@pytest.mark.parametrize("part", table_parameters())
def test_every_table_is_read_whole(spark: SparkSession, cloud: DeviceCloud, part: Table) -> None:
    assert_same(part, load(spark, cloud, part.name).collect(), truth_of(cloud, part))


@pytest.mark.parametrize("part", table_parameters())
def test_every_table_is_read_whole_in_small_pages_whose_default_order_moves(
    spark: SparkSession, cloud: DeviceCloud, part: Table
) -> None:
    cloud.switches = Switches(per_page_cap=25, reorder=True)
    rows = load(spark, cloud, part.name).select(*part.primary_key).collect()
    truth = truth_of(cloud, part)
    assert sorted(rows) == sorted(tuple(record[name] for name in part.primary_key) for record in truth)


@pytest.mark.slow
def test_ten_thousand_three_hundred_devices_of_one_product_all_arrive(spark: SparkSession) -> None:
    size = FleetSize(products=1, devices=10_300, sims=0, days=0, user_devices=0, user_sims=0, samples=False)
    with DeviceCloud(Fleet.seeded(size), Switches(per_page_cap=25)) as cloud:
        rows = load(spark, cloud, "product_devices").collect()
        assert len(rows) == 10_300
        assert_same(table("product_devices"), rows, truth_of(cloud, table("product_devices")))


def test_a_table_with_a_map_has_distinct_rows_by_key_or_with_the_map_as_text(
    spark: SparkSession, cloud: DeviceCloud
) -> None:
    frame = load(spark, cloud, "devices")
    with pytest.raises(AnalysisException, match=r"(?i)map"):
        frame.distinct().count()
    count = len(truth_of(cloud, table("devices")))
    assert frame.dropDuplicates(["id"]).count() == count
    assert frame.withColumn("variables", to_json("variables")).distinct().count() == count


def test_a_temporary_view_is_read_by_sql(spark: SparkSession, cloud: DeviceCloud) -> None:
    given = options_for(cloud, table("product_devices"), tableName="product_devices")
    options = ", ".join(f"{name} '{value}'" for name, value in given.items())
    spark.sql(f"CREATE TEMPORARY VIEW fleet USING particle OPTIONS ({options})")
    try:
        [(count,)] = spark.sql("SELECT count(*) FROM fleet").collect()
        assert count == len(truth_of(cloud, table("product_devices")))
    finally:
        spark.catalog.dropTempView("fleet")


def test_a_read_without_a_table_says_how_to_name_one(spark: SparkSession) -> None:
    with pytest.raises(PySparkException, match=r"No table is named.*CREATE TEMPORARY VIEW"):
        spark.read.format("particle").load()


def test_a_table_made_by_sql_says_why_it_cannot_be_read(spark: SparkSession) -> None:
    def create_and_read() -> None:
        # Versions of Spark differ in when they ask for the columns.
        spark.sql("CREATE TABLE fleet USING particle OPTIONS (tableName 'user', access_token 'a-token')")
        spark.sql("SELECT * FROM fleet").collect()

    try:
        with pytest.raises(PySparkException, match=r"No table is named.*CREATE TEMPORARY VIEW"):
            create_and_read()
    finally:
        spark.sql("DROP TABLE IF EXISTS fleet")


def test_a_value_that_does_not_fit_is_rescued(spark: SparkSession) -> None:
    fleet = Fleet.seeded(FleetSize(samples=False))
    device = next(iter(fleet.rows("devices")))
    fleet.put("devices", device, {**fleet.rows("devices")[device], "platform_id": "thirteen", "new": [1]})
    with DeviceCloud(fleet) as cloud:
        [row] = load(spark, cloud, "devices").where(f"id = '{device}'").collect()
    assert row.platform_id is None
    assert json.loads(row[RESCUED_DATA]) == {"platform_id": "thirteen", "new": [1]}


def test_columns_carry_their_descriptions_as_comments(spark: SparkSession, cloud: DeviceCloud) -> None:
    load(spark, cloud, "user").createOrReplaceTempView("particle_user")
    described = {row.col_name: row.comment for row in spark.sql("describe particle_user").collect()}
    assert described["username"] == table("user").columns["username"]["description"]
    assert described[RESCUED_DATA].startswith("JSON object")


def test_table_may_be_named_by_an_option(spark: SparkSession, cloud: DeviceCloud) -> None:
    read = spark.read.format("particle").option("tableName", "user").option("access_token", cloud.token)
    [row] = read.option("BASE_URL", cloud.url).load().collect()
    assert row.username == cloud.username


def test_nothing_is_asked_before_an_action_runs(spark: SparkSession, cloud: DeviceCloud) -> None:
    frame = load(spark, cloud, "devices", username=cloud.username, password=cloud.password)
    assert frame.select("id").where("online").columns == ["id"]
    assert cloud.ledger.count() == 0


def test_password_signs_in_once_for_a_job(spark: SparkSession, new_cloud: DeviceCloud) -> None:
    frame = load(spark, new_cloud, "devices", username=new_cloud.username, password=new_cloud.password)
    assert len(frame.collect()) == len(new_cloud.ledger.records("devices"))
    assert new_cloud.ledger.logins() == 1


def test_a_token_that_is_revoked_ends_the_read_without_a_login_and_the_next_one_signs_in_once(
    spark: SparkSession, new_cloud: DeviceCloud
) -> None:
    new_cloud.faults.add(Fault("GET /v1/products/:p/devices", revoke_token=True, times=None))
    account = {"username": new_cloud.username, "password": new_cloud.password}
    frame = load(spark, new_cloud, "product_devices", **account, product_id_or_slug="*", numPartitions="8")
    with pytest.raises(PySparkException, match=r"SignInError: .*Start the read again"):
        frame.collect()
    assert new_cloud.ledger.logins() == 1

    new_cloud.faults.clear()
    frame = load(spark, new_cloud, "product_devices", **account, product_id_or_slug="*", numPartitions="8")
    assert len(frame.collect()) == len(new_cloud.ledger.records("product_devices"))
    assert new_cloud.ledger.logins() == 2


def test_tokens_revoked_and_the_password_changed_cost_one_refused_login_for_each_action(
    spark: SparkSession, new_cloud: DeviceCloud
) -> None:
    account = {"username": new_cloud.username, "password": new_cloud.password}
    frame = load(spark, new_cloud, "product_devices", **account, product_id_or_slug="*", numPartitions="8")
    frame.collect()
    new_cloud.faults.add(Fault("*", revoke_token=True, times=None))
    new_cloud.auth.password += "changed"
    for _ in range(2):
        frame = load(spark, new_cloud, "product_devices", **account, product_id_or_slug="*", numPartitions="8")
        with pytest.raises(PySparkException, match=r"SignInError: .*The user name or password was refused"):
            frame.collect()
    # The first read's, and one for each of the two that fail, unless one process plans them both.
    assert new_cloud.ledger.logins() in (2, 3)


def test_wrong_password_is_tried_exactly_once(spark: SparkSession, new_cloud: DeviceCloud) -> None:
    frame = load(spark, new_cloud, "devices", username=new_cloud.username, password="not-the-password")
    with pytest.raises(PySparkException, match=r"SignInError: .*The user name or password was refused"):
        frame.collect()
    assert new_cloud.ledger.logins() == 1
    assert new_cloud.ledger.count() == 1


def test_refused_token_says_so(spark: SparkSession, cloud: DeviceCloud) -> None:
    with pytest.raises(PySparkException, match=r"SignInError: table devices: .*the access token was refused"):
        load(spark, cloud, "devices", access_token=cloud.expired_token).collect()


def test_a_failure_after_the_first_page_fails_the_read(spark: SparkSession, cloud: DeviceCloud) -> None:
    product = str(cloud.fleet.product_ids[0])
    cloud.faults.add(Fault("GET /v1/products/:p/devices", page=3, times=None, status=503))
    frame = load(spark, cloud, "product_devices", product_id_or_slug=product, per_page="10")
    with pytest.raises(PySparkException, match="TemporaryError: table product_devices: "):
        frame.collect()


@pytest.mark.parametrize("part", table_parameters(part for part in tables().values() if part.required_options))
def test_missing_option_is_named_at_load(spark: SparkSession, cloud: DeviceCloud, part: Table) -> None:
    [name] = part.required_options
    read = spark.read.format("particle").options(access_token=cloud.token, base_url=cloud.url)
    with pytest.raises(AnalysisException, match=f"The table {part.name} needs the option {name}; expected "):
        read.load(part.name)
    assert cloud.ledger.count() == 0


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("device", {}, r"There is no table 'device'; expected one of devices, "),
        ("product_devices", {"per_page": "1000"}, r"Received '1000' for option per_page .* an integer from 1 to 100"),
        ("devices", {"username": "user@example.com"}, r"expected access_token, or username and password"),
    ],
)
def test_option_that_cannot_work_is_an_error_at_load(
    spark: SparkSession, cloud: DeviceCloud, name: str, options: dict[str, str], message: str
) -> None:
    read = spark.read.format("particle").options(base_url=cloud.url, product_id_or_slug="*", access_token=cloud.token)
    with pytest.raises(AnalysisException, match=message):
        read.options(**options).load(name)


def test_no_plan_or_error_shows_a_secret(
    spark: SparkSession, new_cloud: DeviceCloud, capfd: pytest.CaptureFixture[str]
) -> None:
    password = "a-wrong-password"
    for options in ({"access_token": new_cloud.expired_token}, {"username": new_cloud.username, "password": password}):
        frame = load(spark, new_cloud, "devices", **options)
        with pytest.raises(PySparkException) as caught:
            frame.collect()
        assert not _shows(str(caught.value), new_cloud.expired_token, password)
    frame = load(spark, new_cloud, "devices", username=new_cloud.username, password=new_cloud.password)
    frame.explain(mode="extended")
    frame.write.mode("overwrite").format("noop").save()
    print(frame)
    shown = capfd.readouterr()
    assert "particle" in shown.out
    assert not _shows(shown.out + shown.err, new_cloud.expired_token, password, new_cloud.password)


def _shows(text: str, *secrets: str) -> bool:
    return any(secret in text for secret in secrets)
