"""Interactive elements in blocks: finding them, their state, and the action a person causes."""

from collections.abc import Callable, Iterator, Sequence

from bot.sandbox.slack.model import Impossible, Json

_FIELDS = {
    "plain_text_input": ("value", "initial_value"),
    "number_input": ("value", "initial_value"),
    "email_text_input": ("value", "initial_value"),
    "url_text_input": ("value", "initial_value"),
    "rich_text_input": ("rich_text_value", "initial_value"),
    "static_select": ("selected_option", "initial_option"),
    "external_select": ("selected_option", "initial_option"),
    "radio_buttons": ("selected_option", "initial_option"),
    "overflow": ("selected_option", ""),
    "checkboxes": ("selected_options", "initial_options"),
    "multi_static_select": ("selected_options", "initial_options"),
    "multi_external_select": ("selected_options", "initial_options"),
    "users_select": ("selected_user", "initial_user"),
    "conversations_select": ("selected_conversation", "initial_conversation"),
    "channels_select": ("selected_channel", "initial_channel"),
    "multi_users_select": ("selected_users", "initial_users"),
    "multi_conversations_select": ("selected_conversations", "initial_conversations"),
    "multi_channels_select": ("selected_channels", "initial_channels"),
    "datepicker": ("selected_date", "initial_date"),
    "timepicker": ("selected_time", "initial_time"),
    "datetimepicker": ("selected_date_time", "initial_date_time"),
}
"""Element type: the field of its state, the field of its first value."""

_STATELESS = {"overflow"}
_PRESSED = {"button", "icon_button", "workflow_button", "feedback_buttons"}


def walk(blocks: Sequence[Json]) -> Iterator[tuple[Json, Json]]:
    """Yield every block with each of its interactive elements."""
    for block in blocks:
        held = [*block.get("elements", ()), block.get("accessory"), block.get("element")]
        for element in held:
            if isinstance(element, dict) and _is_interactive(element):
                yield block, element


def stamp(blocks: Sequence[Json], make_id: Callable[[], str]) -> None:
    """Give an id to every block and interactive element that has none, as Slack does."""
    for block in blocks:
        block.setdefault("block_id", make_id())
    for _, element in walk(blocks):
        element.setdefault("action_id", make_id())


def find(
    blocks: Sequence[Json],
    action_id: str | None,
    text: str | None,
    block_id: str | None = None,
) -> tuple[Json, Json]:
    """Find the one element with this action id or label; raises `Impossible` otherwise."""
    found = [
        (block, element)
        for block, element in walk(blocks)
        if action_id in {None, element.get("action_id")}
        and text in {None, element.get("text", {}).get("text")}
        and block_id in {None, block.get("block_id")}
    ]
    if len(found) == 1:
        return found[0]
    wanted = action_id or text or block_id
    there = [
        f"{element.get('action_id')} ({element.get('text', {}).get('text', element['type'])})"
        for _, element in walk(blocks)
    ]
    problem = "nothing" if not found else f"{len(found)} elements"
    raise Impossible(f"Found {problem} called {wanted!r} among: {', '.join(there) or 'none'}.")


def initial_state(blocks: Sequence[Json]) -> Json:
    """The `state.values` of blocks nobody has touched."""
    values: Json = {}
    for block, element in walk(blocks):
        if element["type"] not in _FIELDS or element["type"] in _STATELESS:
            continue
        field, initial = _FIELDS[element["type"]]
        empty: object = [] if field.endswith("s") else None
        held = {"type": element["type"], field: element.get(initial, empty)}
        values.setdefault(block["block_id"], {})[element["action_id"]] = held
    return values


def chosen(element: Json, choice: object) -> Json:
    """The state of an element in which a person chose or typed `choice`.

    For options `choice` is the option's value, or a list of values.
    """
    field, _ = _FIELDS[element["type"]]
    if field == "selected_option":
        return {"type": element["type"], field: _option(element, choice)}
    if field == "selected_options":
        wanted = choice if isinstance(choice, list | tuple) else [choice]
        return {"type": element["type"], field: [_option(element, value) for value in wanted]}
    return {"type": element["type"], field: choice}


def action(block: Json, element: Json, choice: object, action_ts: str) -> Json:
    """The entry of `actions` that this element causes."""
    made: Json = {
        "type": element["type"],
        "action_id": element["action_id"],
        "block_id": block["block_id"],
        "action_ts": action_ts,
    }
    if element["type"] not in _FIELDS:
        copied = {
            key: element[key]
            for key in ("text", "value", "style", "confirm", "url")
            if key in element
        }
        if choice is not None:
            copied["value"] = choice
        return made | copied
    return made | chosen(element, choice)


def check_submission(block: Json, state: Json) -> None:
    """Refuse what Slack's client would not send; raises `Impossible` with the reason."""
    element = block.get("element")
    if not isinstance(element, dict) or element.get("type") not in _FIELDS:
        return
    label = block.get("label", {}).get("text", block["block_id"])
    field, _ = _FIELDS[element["type"]]
    value = state.get(field)
    if value in (None, "", []):
        if not block.get("optional", False):
            raise Impossible(f"{label!r} must be filled in.")
        return
    if isinstance(value, str):
        shortest, longest = element.get("min_length", 0), element.get("max_length", 3000)
        if not shortest <= len(value) <= longest:
            raise Impossible(f"{label!r} takes {shortest} to {longest} characters.")


def _is_interactive(element: Json) -> bool:
    return element.get("type") in {*_PRESSED, *_FIELDS}


def options_of(element: Json) -> list[Json]:
    """Every option, in groups or not."""
    groups = element.get("option_groups", ())
    return [*element.get("options", ()), *(o for group in groups for o in group["options"])]


def _option(element: Json, value: object) -> Json:
    for option in options_of(element):
        if option.get("value") == value:
            found: Json = option
            return found
    raise Impossible(f"{element['action_id']!r} has no option {value!r}.")
