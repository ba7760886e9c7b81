"""A Slack workspace on loopback: Web API, Socket Mode, people who click, faults, a control API.

It knows nothing of the app under test; an unmodified Bolt app runs on it::

    async with Workspace(manifest, Settings(time_scale=0.1)) as slack:
        client = AsyncWebClient(slack.bot_token, base_url=slack.api_url)
        app = AsyncApp(client=client)
        handler = AsyncSocketModeHandler(app, slack.app_token)
        await handler.connect_async()
        await slack.wait_for_sockets(1)

        ts = await slack.mention("alice", "ops", "scale web to 5")       # returns the message's ts
        card = await slack.wait_for_message("ops", "Approve", thread_ts=ts)
        clicked = await slack.click("bob", "ops", card["ts"], text="Approve")
        assert clicked.acked and not slack.violations
        await handler.close_async()

`manifest` is an app manifest as a dict (scopes, events, commands and shortcuts count);
`EXAMPLE_MANIFEST` serves where none of its own is at hand.

Who is there (by name or id): alice, bob and carol (operators, all in the group @sre), dave, ada
(admin), gina (multi-channel guest), sid (single-channel guest, only in shop-prod), olga (another
organisation), buildbot (another bot), wanda (a Grid user), eve (deactivated); `app` is the
app's own bot user.
Channels with the app: general, ops, shop-prod, partners (shared with olga's organisation),
board (private, ada only). Without it: random, secrets (private). `@alice` as a channel is Alice's
direct conversation with the app. Change this with `add_user`, `change_user`, `add_channel`,
`change_channel`, `invite`, `remove`, `set_group`.

People do: `post`, `mention`, `dm`, `edit`, `delete`, `react`, `click`, `click_view`, `submit`,
`close_view`, `slash`, `shortcut`, `open_home`, `suggest` (selects that ask the app),
`stop_session`, `rename_session`. Interactions return their `Envelope` once it was
acknowledged or timed out (`.acked`, `.outcome`, `.ack_seconds`, `.response`). What Slack's client
would not let a person do raises `Impossible`.
A test sees: `messages`, `app_messages`, `ephemerals`, `views`, `home`, `files`, `calls`,
`calls_of`, `envelopes`, `notices` and `violations` (empty at the end of every good test); it
waits with `wait_for`, `wait_for_message`, `wait_for_sockets`, `wait_for_view`, `settled`.
Faults: `slack.faults` (`fail("chat.postMessage", "drop_after")`, `duplicate_events`, …),
`disconnect`, `close_sockets`, `abort_sockets`, `revoke_tokens`, `redeliver`; forgeries: `click`
with `value=` or `overrides=`, `inject_envelope`, `inject_event`; time: `clock.advance(seconds)`
moves trigger ids, response URLs, rates, streams and sessions, wakes the retries that are then
due, and, where `Settings.start` fixes the clock, ends what waits for an acknowledgement.
With `Settings.kept` a workspace goes on from the file that an earlier one left (`.restored`).
"""

from bot.sandbox.slack.faults import Faults
from bot.sandbox.slack.manifest import EXAMPLE_MANIFEST
from bot.sandbox.slack.model import (
    Breach,
    Call,
    Channel,
    Envelope,
    Impossible,
    Settings,
    StoredFile,
    User,
    View,
)
from bot.sandbox.slack.sights import shown_text
from bot.sandbox.slack.workspace import Workspace

__all__ = [
    "EXAMPLE_MANIFEST",
    "Breach",
    "Call",
    "Channel",
    "Envelope",
    "Faults",
    "Impossible",
    "Settings",
    "StoredFile",
    "User",
    "View",
    "Workspace",
    "shown_text",
]
