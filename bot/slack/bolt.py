"""Bolt as we use it: it parses and dispatches what the sockets bring, and asks Slack nothing."""

import logging
from collections.abc import Awaitable, Callable
from copy import copy
from typing import Any

from slack_bolt import BoltResponse
from slack_bolt.async_app import AsyncApp
from slack_bolt.authorization import AuthorizeResult
from slack_bolt.authorization.async_authorize import AsyncAuthorize
from slack_sdk.web.async_client import AsyncWebClient

from bot.slack.api import Identity


def bolt_app(
    client: AsyncWebClient,
    identity: Identity,
    middleware: Callable[[dict[str, Any]], Awaitable[BoltResponse]],
) -> AsyncApp:
    """An app that hands every payload to `middleware`, for the bot that `identity` says."""
    # the token that Bolt finds in the environment is the client's own: no warning about it
    logging.getLogger("slack_bolt.AsyncApp").setLevel(logging.ERROR)
    without_token = copy(client)
    without_token.token = None  # with one, Bolt asks Slack itself, and acks what it could not ask
    app = AsyncApp(
        name="countersign",  # without one Bolt reads the source of every caller to find some
        client=without_token,
        authorize=_Known(identity, client.token),
        request_verification_enabled=False,
        ssl_check_enabled=False,
        ignoring_self_events_enabled=False,  # one of ours that somebody deleted is no word of ours
        url_verification_enabled=False,
        attaching_function_token_enabled=False,
        attaching_conversation_kwargs_enabled=False,
    )
    app.use(middleware)
    return app


class _Known(AsyncAuthorize):
    """Who we are, which Slack has told at the start: no payload has a say in it."""

    def __init__(self, identity: Identity, token: str | None) -> None:
        self._result = AuthorizeResult(
            enterprise_id=identity.enterprise_id or None,
            team_id=identity.team_id,
            bot_user_id=identity.bot_user_id,
            bot_id=identity.bot_id,
            bot_token=token,
        )

    async def __call__(self, **_payload: object) -> AuthorizeResult:
        return self._result
