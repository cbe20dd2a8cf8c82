"""The rules of each version of a programme that a case began with."""

from collections.abc import Mapping

from chassis.database import Connection
from pydantic import TypeAdapter

from matcher.domain.rules import Rules

RULES = TypeAdapter(Rules)


async def keep(connection: Connection, rules: Mapping[tuple[str, str], Rules]) -> dict[tuple[str, str], Rules]:
    """
    Keep the rules of versions of programmes, (id, digest), and give each programme a pool.

    Gives the rules that are kept: the first that were ever said for a version.
    """
    versions = sorted(rules)
    programmes, digests = [each[0] for each in versions], [each[1] for each in versions]
    await connection.execute(
        """
        WITH kept AS (
            INSERT INTO programme_rules (programme_id, digest, rules)
            SELECT * FROM unnest($1::text[], $2::text[], $3::text[])
            ON CONFLICT (programme_id, digest) DO NOTHING
        )
        INSERT INTO pool (programme_id) SELECT DISTINCT unnest($1::text[]) ORDER BY 1
        ON CONFLICT (programme_id) DO NOTHING
        """,
        programmes,
        digests,
        [RULES.dump_json(rules[each]).decode() for each in versions],
    )
    rows = await connection.fetch(
        """
        SELECT programme_id, digest, rules FROM programme_rules
          JOIN unnest($1::text[], $2::text[]) AS given (programme_id, digest) USING (programme_id, digest)
        """,
        programmes,
        digests,
    )
    return {(row["programme_id"], row["digest"]): RULES.validate_json(row["rules"]) for row in rows}
