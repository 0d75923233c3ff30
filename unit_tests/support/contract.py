"""The tables as they are documented: their keys, the options that they need and take, and how they are read."""

# name: (key, options that have to be given to it, how it is read)
CONTRACT: dict[str, tuple[list[str], list[str], str]] = {
    "devices": (["id"], [], "snapshot"),
    "products": (["id"], [], "snapshot"),
    "sims": (["iccid"], [], "snapshot"),
    "user": (["username"], [], "snapshot"),
    "oauth_clients": (["id"], [], "snapshot"),
    "product_devices": (["product_id_or_slug", "id"], ["product_id_or_slug"], "snapshot"),
    "product_sims": (["product_id_or_slug", "iccid"], ["product_id_or_slug"], "snapshot"),
    "diagnostics": (["device_id", "updated_at"], ["device_id"], "append"),
    "sim_data_usage": (["iccid"], ["iccid"], "snapshot"),
    "fleet_data_usage": (["product_id_or_slug"], ["product_id_or_slug"], "snapshot"),
    "organizations": (["id"], [], "snapshot"),
    "product_firmware": (["product_id_or_slug", "version"], ["product_id_or_slug"], "snapshot"),
    "product_groups": (["product_id_or_slug", "name"], ["product_id_or_slug"], "snapshot"),
    "product_customers": (["product_id_or_slug", "id"], ["product_id_or_slug"], "snapshot"),
    "product_oauth_clients": (["product_id_or_slug", "id"], ["product_id_or_slug"], "snapshot"),
    "product_team": (["product_id_or_slug", "username"], ["product_id_or_slug"], "snapshot"),
    "organization_team": (["owner", "username"], [], "snapshot"),
    "integrations": (["id"], [], "snapshot"),
    "product_integrations": (["product_id_or_slug", "id"], ["product_id_or_slug"], "snapshot"),
    "product_locations": (["product_id_or_slug", "device_id"], ["product_id_or_slug"], "snapshot"),
    "ledgers": (["owner_type", "owner", "name"], [], "snapshot"),
    "ledger_instances": (["owner_type", "owner", "ledger", "scope_value"], [], "snapshot"),
    "service_agreements": (["id"], [], "snapshot"),
    "service_agreement_notifications": (["id"], [], "snapshot"),
    "logic_functions": (["id"], [], "snapshot"),
    "logic_runs": (["id"], [], "snapshot"),
    "device_configuration": (["product_id_or_slug", "device_id"], ["product_id_or_slug"], "snapshot"),
    "location_history": (["product_id_or_slug", "device_id", "timestamp"], ["product_id_or_slug"], "append"),
    "ledger_versions": (["owner_type", "owner", "ledger", "scope_value", "replaced_at"], [], "append"),
    **{
        f"metrics_{kind}": (["product_id_or_slug", "time"], ["product_id_or_slug"], "append")
        for kind in ("online", "events", "integrations", "functions", "variables")
    },
    "daily_data_usage": (["iccid", "date"], ["iccid"], "append"),
    "fleet_daily_data_usage": (["product_id_or_slug", "date"], ["product_id_or_slug"], "append"),
}

OPTIONS = {
    "product_devices": "product_id_or_slug groups device_name device_id serial_number sort_attr sort_dir "
    "per_page max_pages",
    "product_sims": "product_id_or_slug iccid device_id device_name per_page max_pages",
    "diagnostics": "device_id product_id_or_slug start_date end_date",
    "sim_data_usage": "iccid product_id_or_slug",
    **dict.fromkeys(
        (
            "fleet_data_usage",
            *(f"product_{kind}" for kind in ("firmware", "groups", "customers", "oauth_clients", "team")),
            "product_integrations",
            "product_locations",
        ),
        "product_id_or_slug",
    ),
    **dict.fromkeys(
        (
            "organization_team",
            "ledgers",
            "ledger_instances",
            "service_agreements",
            "service_agreement_notifications",
            "logic_functions",
            "logic_runs",
        ),
        "owner_type owner",
    ),
    "device_configuration": "product_id_or_slug device_id",
    "location_history": "product_id_or_slug start_date end_date",
    "ledger_versions": "owner_type owner start_date end_date",
    **{
        f"metrics_{kind}": "product_id_or_slug start_date end_date bucket_size "
        "device_group product_fw device_os_version"
        for kind in ("online", "events", "integrations", "functions", "variables")
    },
    "daily_data_usage": "iccid product_id_or_slug start_date end_date",
    "fleet_daily_data_usage": "product_id_or_slug start_date end_date",
}
