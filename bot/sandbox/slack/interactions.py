"""What people do with the app's surfaces: click, submit, close, run a command or shortcut."""

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypedDict

from bot.sandbox.slack import elements
from bot.sandbox.slack.checks import check_payload, has_content
from bot.sandbox.slack.model import Channel, Envelope, Impossible, Json, SlackError, User, View
from bot.sandbox.slack.socket import EnvelopeType, Hub
from bot.sandbox.slack.state import State
from bot.sandbox.slack.tickets import ResponseUrls, Triggers
from bot.sandbox.slack.views import Views
from bot.sandbox.validate import validate_blocks

_NO_ANSWER = "operation_timeout"


@dataclass(frozen=True)
class Message:
    """A message and where it stands."""

    channel: Channel
    json: Json


class Use(TypedDict, total=False):
    """Which element is used, by action id, label or block, and how.

    `value` is the option chosen in a select or overflow, a text, a date, a user; for a button it
    forges the value. `overrides` replace top-level keys of the payload (`team`, `api_app_id`, …).
    """

    action_id: str | None
    text: str | None
    block_id: str | None
    value: object
    overrides: Mapping[str, object] | None


class Interactions:
    """Builds interaction payloads, delivers them and does what the acknowledgement asks for.

    `overrides` replace top-level keys of a payload: that is how a test forges one.
    """

    def __init__(
        self,
        state: State,
        hub: Hub,
        triggers: Triggers,
        response_urls: ResponseUrls,
        views: Views,
    ) -> None:
        self._state = state
        self._hub = hub
        self._triggers = triggers
        self._response_urls = response_urls
        self._views = views
        self._offered: dict[tuple[str, str], list[Json]] = {}
        """The options that the app offered last, by person and action id."""
        self._message_state: dict[tuple[str, str, str], dict[tuple[str, str], Json]] = {}

    async def click(self, user: User, channel: Channel, message: Json, use: Use) -> Envelope:
        """Use an element of a message."""
        block, element, act = self._used(user, message.get("blocks", ()), use)
        values = self._remember(user, channel, message, block, element, act)
        shown = {k: v for k, v in message.items() if k not in {"metadata", "shown_to"}}
        ephemeral = bool(message.get("is_ephemeral"))
        container: Json = {
            "type": "message",
            "message_ts": message["ts"],
            "channel_id": channel.id,
            "is_ephemeral": ephemeral,
        }
        if "thread_ts" in message:
            container["thread_ts"] = message["thread_ts"]
        payload = self._common("block_actions", user) | {
            "container": container,
            "trigger_id": self._triggers.issue(user.id),
            "channel": {"id": channel.id, "name": _shown_name(channel)},
            "message": copy.deepcopy(shown),
            "state": {"values": values},
            "response_url": self._response_urls.issue(channel, user.id, message),
            "actions": [act],
        }
        return await self._deliver("interactive", payload, user, use.get("overrides"))

    async def click_view(self, user: User, view: View, use: Use) -> Envelope:
        """Use an element of a modal or Home tab."""
        block, element, act = self._used(user, view.payload["blocks"], use)
        self._set(view, block, element, use.get("value"))
        payload = self._common("block_actions", user) | {
            "container": {"type": "view", "view_id": view.id},
            "trigger_id": self._triggers.issue(user.id, from_view=True),
            "view": self._state.show_view(view),
            "actions": [act],
        }
        return await self._deliver("interactive", payload, user, use.get("overrides"))

    async def submit(
        self,
        user: User,
        view: View,
        values: Mapping[str, object],
        overrides: Mapping[str, object] | None = None,
    ) -> Envelope:
        """Fill in a modal and send it; `values` by action id or block id.

        Raises `Impossible` for what Slack's client would not send.
        """
        if not view.payload.get("submit"):
            raise Impossible("This modal has no submit button.")
        self._fill(view, values)
        for block in self._blocks(view):
            if block["type"] == "input":
                held = view.state[block["block_id"]][block["element"]["action_id"]]
                elements.check_submission(block, held)
        self._views.changed(view)
        payload = self._common("view_submission", user) | {
            "trigger_id": self._triggers.issue(user.id, from_view=True),
            "view": self._state.show_view(view),
            "response_urls": [],
        }
        envelope = await self._deliver("interactive", payload, user, overrides)
        if envelope.acked:
            self._after_submission(view, envelope.response or {})
        return envelope

    async def close(self, user: User, view: View, *, everything: bool = False) -> Envelope | None:
        """Close a modal (or all); the app hears of it if the view asked for that."""
        self._views.clear(user.id) if everything else self._views.close(view)
        if not view.payload.get("notify_on_close"):
            return None
        shown = self._state.show_view(view)
        payload = self._common("view_closed", user) | {"view": shown, "is_cleared": everything}
        return await self._deliver("interactive", payload, user, None)

    async def slash(
        self,
        user: User,
        channel: Channel,
        command: str,
        text: str,
        overrides: Mapping[str, object] | None = None,
    ) -> Envelope:
        """Run a slash command; the acknowledgement's message is shown."""
        if command not in self._state.manifest.commands:
            raise Impossible(f"{command} is not a command of this app.")
        state = self._state
        payload: Json = {
            "token": "verification-token",
            "team_id": state.team_id,
            "team_domain": state.team_domain,
            "channel_id": channel.id,
            "channel_name": _shown_name(channel),
            "user_id": user.id,
            "user_name": user.name,
            "command": command,
            "text": text,
            "api_app_id": state.app_id,
            "is_enterprise_install": "false",
            "response_url": self._response_urls.issue(channel, user.id),
            "trigger_id": self._triggers.issue(user.id),
        }
        envelope = await self._deliver("slash_commands", payload, user, overrides)
        answer = envelope.response
        if envelope.acked and answer:
            self._answer_slash(channel, user, answer)
        return envelope

    async def shortcut(
        self,
        user: User,
        callback_id: str,
        channel: Channel | None = None,
        message: Json | None = None,
        overrides: Mapping[str, object] | None = None,
    ) -> Envelope:
        """Run a global shortcut, or a message shortcut on a message."""
        kind = self._state.manifest.shortcuts.get(callback_id)
        if kind is None:
            raise Impossible(f"{callback_id!r} is not a shortcut of this app.")
        common: Json = {
            "callback_id": callback_id,
            "trigger_id": self._triggers.issue(user.id),
            "action_ts": self._state.ids.ts(),
        }
        if kind == "global":
            payload = self._common("shortcut", user) | common
            return await self._deliver("interactive", payload, user, overrides)
        if channel is None or message is None:
            raise Impossible("A message shortcut needs a message.")
        payload = self._common("message_action", user) | common
        payload |= {
            "channel": {"id": channel.id, "name": _shown_name(channel)},
            "message_ts": message["ts"],
            "message": copy.deepcopy({k: v for k, v in message.items() if k != "metadata"}),
            "response_url": self._response_urls.issue(channel, user.id, message),
        }
        return await self._deliver("interactive", payload, user, overrides)

    async def suggest(
        self, user: User, where: Message | View, action_id: str, typed: str
    ) -> list[Json]:
        """Type into a select whose options the app knows; what it offers can then be chosen.

        Raises `Impossible` for another kind of element.
        """
        blocks = where.payload["blocks"] if isinstance(where, View) else where.json["blocks"]
        block, element = elements.find(blocks, action_id, None)
        if element["type"] not in {"external_select", "multi_external_select"}:
            raise Impossible(f"{action_id!r} does not ask the app for its options.")
        if len(typed) < element.get("min_query_length", 3):
            return []
        payload = self._common("block_suggestion", user) | {
            "action_id": element["action_id"],
            "block_id": block["block_id"],
            "value": typed,
        }
        if isinstance(where, View):
            payload |= {
                "container": {"type": "view", "view_id": where.id},
                "view": self._state.show_view(where),
            }
        else:
            channel = where.channel
            payload |= {
                "container": {
                    "type": "message",
                    "message_ts": where.json["ts"],
                    "channel_id": channel.id,
                    "is_ephemeral": bool(where.json.get("is_ephemeral")),
                },
                "channel": {"id": channel.id, "name": _shown_name(channel)},
                "message": copy.deepcopy({k: v for k, v in where.json.items() if k != "metadata"}),
            }
        envelope = await self._deliver("interactive", payload, user, None)
        offered = self._options(envelope.response) if envelope.acked else []
        self._offered[user.id, element["action_id"]] = offered
        return offered

    # --- details ----------------------------------------------------------------------------

    def _used(self, user: User, blocks: Sequence[Json], use: Use) -> tuple[Json, Json, Json]:
        """The block and the element that is used, and the action that the app hears of."""
        block, element = elements.find(
            blocks, use.get("action_id"), use.get("text"), use.get("block_id")
        )
        element = self._with_offer(user.id, element)
        act = elements.action(block, element, use.get("value"), self._state.ids.ts())
        return block, element, act

    async def _deliver(
        self,
        kind: EnvelopeType,
        payload: Json,
        user: User,
        overrides: Mapping[str, object] | None,
    ) -> Envelope:
        if not self._state.manifest.interactive and kind == "interactive":
            raise Impossible("The manifest does not enable interactivity.")
        envelope = await self._hub.deliver_interaction(kind, payload | dict(overrides or {}))
        if not envelope.acked:
            self._state.notice(user.id, _NO_ANSWER)
        return envelope

    def _options(self, answer: Json | None) -> list[Json]:
        """The options of an answer, as a select of ours would have to hold them."""
        given = answer or {}
        kept = {key: given[key] for key in ("options", "option_groups") if given.get(key)}
        if not kept:
            return []
        label = {"type": "plain_text", "text": "-"}
        select = {"type": "static_select", "action_id": "-"} | kept
        shown = {"type": "input", "label": label, "element": select}
        for found in validate_blocks([shown], "modal"):
            self._state.blame("block_suggestion", "invalid_options", found.message)
            return []
        return elements.options_of(kept)

    def _with_offer(self, user_id: str, element: Json) -> Json:
        """The element with the options that the app offered this person, if it asks for them."""
        offered = self._offered.get((user_id, str(element.get("action_id"))))
        return element if offered is None else element | {"options": offered}

    def _common(self, kind: str, user: User) -> Json:
        state = self._state
        who = {"id": user.id, "username": user.name, "name": user.name, "team_id": user.team_id}
        return {
            "type": kind,
            "user": who,
            "api_app_id": state.app_id,
            "token": "verification-token",
            "team": {"id": state.team_id, "domain": state.team_domain},
            "enterprise": None,
            "is_enterprise_install": False,
        }

    def _remember(
        self,
        user: User,
        channel: Channel,
        message: Json,
        block: Json,
        element: Json,
        act: Json,
    ) -> Json:
        """What a person has chosen so far among a message's inputs."""
        fresh = elements.initial_state(message.get("blocks", ()))
        key = (channel.id, message["ts"], user.id)
        held = self._message_state.setdefault(key, {})
        place = (block["block_id"], element["action_id"])
        if element["action_id"] in fresh.get(block["block_id"], {}):
            own = ("action_id", "block_id", "action_ts")
            held[place] = {k: v for k, v in act.items() if k not in own}
        for (block_id, action_id), value in held.items():
            if action_id in fresh.get(block_id, {}):
                fresh[block_id][action_id] = value
        return fresh

    def _set(self, view: View, block: Json, element: Json, choice: object) -> None:
        held = view.state.get(block["block_id"], {})
        element = self._with_offer(view.user, element)
        if element["action_id"] in held and choice is not None:
            held[element["action_id"]] = elements.chosen(element, choice)
            self._views.changed(view)

    def _fill(self, view: View, values: Mapping[str, object]) -> None:
        unused = set(values)
        for block, element in elements.walk(self._blocks(view)):
            for name in (element["action_id"], block["block_id"]):
                if name in unused:
                    unused.discard(name)
                    self._set(view, block, element, values[name])
        if unused:
            raise Impossible(f"The view has no input called {', '.join(sorted(unused))}.")

    def _blocks(self, view: View) -> list[Json]:
        blocks: list[Json] = view.payload["blocks"]
        return blocks

    def _after_submission(self, view: View, answer: Json) -> None:
        try:
            self._apply_response_action(view, answer)
        except SlackError as refusal:
            self._state.blame("view_submission", refusal.code, f"response {answer}")
            self._state.notice(view.user, "We had some trouble connecting. Try again?")

    def _apply_response_action(self, view: View, answer: Json) -> None:
        match answer.get("response_action"):
            case None if not answer:
                self._views.close(view)
            case "clear":
                self._views.clear(view.user)
            case "errors":
                errors = answer.get("errors")
                known = {block["block_id"] for block in self._blocks(view)}
                if not isinstance(errors, dict) or not errors or not set(errors) <= known:
                    raise SlackError("invalid_response_action_errors")
                self._views.show_errors(view, {str(k): str(v) for k, v in errors.items()})
            case "update" | "push" as action:
                payload = answer.get("view")
                if not isinstance(payload, dict):
                    raise SlackError("invalid_arguments")
                check_payload(self._state, f"view_submission {action}", payload, "modal")
                if action == "update":
                    self._views.update(view, payload)
                else:
                    self._views.push(view.user, payload)
            case _:
                raise SlackError("invalid_response_action")

    def _answer_slash(self, channel: Channel, user: User, answer: object) -> None:
        payload: Json = answer if isinstance(answer, dict) else {"text": str(answer)}
        if not has_content(payload):
            return
        try:
            check_payload(self._state, "slash_commands", payload, "response_url")
        except SlackError as refusal:
            self._state.notice(user.id, refusal.code)
            return
        self._response_urls.answer(channel, user.id, payload)


def _shown_name(channel: Channel) -> str:
    match channel.kind:
        case "im":
            return "directmessage"
        case "group":
            return "privategroup"
        case "channel":
            return channel.name
