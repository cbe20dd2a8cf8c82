"""
The private pages of supporters and physicians.

GET shows and changes nothing, since scanners open links; POST acts. The link's token is the only secret, so
no path is logged, nothing is cached, no referrer is sent, and an unknown token is answered as an expired one.
"""

from fastapi import APIRouter

from notifier.pages import physician, supporter

router = APIRouter()
router.include_router(supporter.router)
router.include_router(physician.router)

__all__ = ["router"]
