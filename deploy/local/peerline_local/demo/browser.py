"""A page's forms as a browser sees them, and what it sends when a button is pressed."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser
from urllib.parse import urljoin

Attributes = dict[str, str]


@dataclass
class Form:
    """One form: where it is sent, its fields as they stand, and its buttons as (name, value)."""

    action: str
    method: str
    fields: list[tuple[str, str]] = field(default_factory=list)
    buttons: list[tuple[str, str]] = field(default_factory=list)


@dataclass(frozen=True)
class Submission:
    """What a browser sends."""

    url: str
    content: dict[str, str]


class Page(HTMLParser):
    """A page that was shown at an address."""

    def __init__(self, url: str, html: str) -> None:
        super().__init__()
        self._url = url
        self._open: Form | None = None
        self.forms: list[Form] = []
        self.feed(html)

    @property
    def choices(self) -> set[str]:
        """The values of all buttons."""
        return {value for form in self.forms for _, value in form.buttons}

    def press(self, choice: str) -> Submission:
        """Return what pressing a button sends; LookupError where the page does not have it."""
        for form in self.forms:
            for name, value in form.buttons:
                if value == choice and form.method == "post":
                    return Submission(urljoin(self._url, form.action), {**dict(form.fields), name: value})
        raise LookupError(choice)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note forms, and what stands in them."""
        given = {name: value or "" for name, value in attrs}
        if tag == "form":
            self._open = Form(given.get("action", ""), given.get("method", "get").lower())
            self.forms.append(self._open)
        elif self._open is not None and given.get("name"):
            self._note(tag, given, self._open)

    def handle_endtag(self, tag: str) -> None:
        """Note where a form ends."""
        if tag == "form":
            self._open = None

    def _note(self, tag: str, given: Attributes, form: Form) -> None:
        kind = given.get("type", "submit" if tag == "button" else "text").lower()
        entry = (given["name"], given.get("value", ""))
        if kind == "submit" and tag in ("button", "input"):
            form.buttons.append(entry)
        elif tag == "input" and (kind not in ("checkbox", "radio") or "checked" in given):
            form.fields.append(entry)
