"""How fresh the tables are."""

from bridge.report.parts import Listing, Question

QUESTION = Question(
    key="freshness",
    title="How fresh is this?",
    answer="{loaded} of {tables:# table|# tables} {loaded:is|are} there. "
    "{oldest:All were synced within one hour|The oldest was synced # hour before the newest"
    "|The oldest was synced # hours before the newest}.",
    sql="""\
SELECT
  COUNT(*) AS tables,
  COUNT(CASE WHEN is_loaded THEN 1 END) AS loaded,
  MAX(hours_since_sync) AS oldest
FROM freshness""",
    needs=(),
    parts=(
        Listing(
            "Tables",
            "SELECT table_name, row_count, newest_at, synced_at, is_loaded FROM freshness ORDER BY table_name",
            {
                "table_name": "Table",
                "row_count": "Rows",
                "newest_at": "Newest entry (UTC)",
                "synced_at": "Synced (UTC)",
                "is_loaded": "~There",
            },
            "There is no table.",
        ),
    ),
)
