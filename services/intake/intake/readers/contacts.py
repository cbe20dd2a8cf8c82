"""Names and addresses in FHIR's shapes, for the sources and directories that are trusted with them."""

from intake.domain.incident import Contact

_MAX_TEXT = 200


def contact_of(resource: dict[str, object]) -> Contact | None:
    """Return name, e-mail and phone of a Practitioner; None when it gives none of them.

    Faulty parts are left out.
    """
    contact = Contact(_name(resource.get("name")), _address(resource, "email"), _address(resource, "phone"))
    return contact if contact != Contact() else None


def words(value: object) -> str | None:
    """Return a text on one line, or None if it is none or not fit to be shown."""
    if not isinstance(value, str):
        return None
    text = " ".join(value.split())
    return text if text and len(text) <= _MAX_TEXT and text.isprintable() else None


def objects(value: object) -> list[dict[str, object]]:
    """Return the JSON objects in a list, or the one that stands where a list should."""
    listed = value if isinstance(value, list) else [value]
    return [item for item in listed if isinstance(item, dict)]


def _name(value: object) -> str | None:
    current = [name for name in objects(value) if name.get("use") not in ("old", "maiden", "nickname")]
    official = [name for name in current if name.get("use") == "official"]
    for name in official + current:
        given = name.get("given")
        parts = [*(given if isinstance(given, list) else []), name.get("family")]
        spelled = " ".join(filter(None, map(words, parts)))
        if text := words(name.get("text")) or words(spelled):
            return text
    return None


def _address(resource: dict[str, object], system: str) -> str | None:
    """Return the preferred address of this kind: work before others, then by rank."""
    points = [p for p in objects(resource.get("telecom")) if p.get("system") == system and p.get("use") != "old"]
    ranked = sorted(points, key=lambda point: (point.get("use") != "work", _rank(point.get("rank"))))
    values = (words(point.get("value")) for point in ranked)
    return next((value for value in values if value), None)


def _rank(value: object) -> int:
    return value if isinstance(value, int) else 1000
