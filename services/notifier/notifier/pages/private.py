"""What both private pages share: finding whose page it is, the form's own token, headers, templates."""

import base64
import hashlib
import hmac
import re
from typing import Annotated, Any

from chassis import Transactions, UnitOfWork
from chassis.http import transactions_of
from fastapi import Depends
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from notifier.repository import links
from notifier.repository.links import Link

TEMPLATES = Environment(
    loader=PackageLoader("notifier"), autoescape=select_autoescape(["html"]), undefined=StrictUndefined
)
TEMPLATES.filters["dial"] = lambda number: re.sub(r"[^+0-9]", "", number)
STYLE = TEMPLATES.get_template("page.css").render()
_STYLE_HASH = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
HEADERS = {
    "cache-control": "no-store",
    "content-security-policy": (
        f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "referrer-policy": "no-referrer",
    "x-robots-tag": "noindex, nofollow",
}
TOKEN_LENGTH = 43  # secrets.token_urlsafe(32)
Database = Annotated[Transactions, Depends(transactions_of)]


async def link_of(work: UnitOfWork, token: str, audience: str) -> Link | None:
    """Whose page a token opens; None where it is unknown, expired or another audience's."""
    return await links.find(work.connection, hashlib.sha256(token.encode()).digest(), audience)


def form_token(token: str) -> str:
    """Shows that whoever posts has been shown the page that this link opens."""
    return hashlib.sha256(f"form/{token}".encode()).hexdigest()[:32]


def is_from_form(token: str, given: str) -> bool:
    """Whether a post comes from the page of this link."""
    return hmac.compare_digest(form_token(token).encode(), given.encode())


def show(template: str, **content: Any) -> Response:
    """A page."""
    return HTMLResponse(TEMPLATES.get_template(template).render(style=STYLE, **content), headers=HEADERS)


def nothing_here() -> Response:
    """The one answer to a link that opens nothing, whatever the reason."""
    return HTMLResponse(TEMPLATES.get_template("nothing.html").render(style=STYLE), status_code=404, headers=HEADERS)


def see(path: str) -> Response:
    """After a post: look at the page again, so that a reload repeats nothing."""
    return RedirectResponse(path, status_code=303, headers=HEADERS)
