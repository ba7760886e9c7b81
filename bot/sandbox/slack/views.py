"""Modals and Home tabs: the stack before each person, hashes, and what was typed in."""

from bot.sandbox.slack.elements import initial_state, stamp
from bot.sandbox.slack.model import Impossible, Json, SlackError, View
from bot.sandbox.slack.state import State

_DEEPEST = 3


class Views:
    """The only writer of views."""

    def __init__(self, state: State) -> None:
        self._state = state

    def open(self, user_id: str, payload: Json) -> View:
        """Open a modal; whatever was open before the person is gone."""
        self._unique(payload, None)
        self.clear(user_id)
        return self._place(user_id, payload, None)

    def push(self, user_id: str, payload: Json) -> View:
        """Put a modal on top; raises `SlackError("push_limit_reached")` at three."""
        stack = self._state.stack(user_id)
        if not stack:
            raise SlackError("invalid_trigger_id")
        if len(stack) >= _DEEPEST:
            raise SlackError("push_limit_reached")
        self._unique(payload, None)
        return self._place(user_id, payload, stack[-1])

    def update(self, view: View, payload: Json, expected_hash: str | None = None) -> View:
        """Replace a view's content; what was typed stays where block and action ids do."""
        if expected_hash and expected_hash != view.hash:
            raise SlackError("hash_conflict")
        self._unique(payload, view)
        stamp(payload.get("blocks", ()), self._state.ids.short)
        fresh = initial_state(payload.get("blocks", ()))
        for block_id, actions in fresh.items():
            held = view.state.get(block_id, {})
            actions |= {key: held[key] for key in actions if key in held}
        view.payload, view.state, view.hash = payload, fresh, self._hash()
        view.errors = {}
        self._publish(view)
        return view

    def publish_home(self, user_id: str, payload: Json, expected_hash: str | None) -> View:
        """Set a person's Home tab."""
        home = self._state.homes.get(user_id)
        if home is not None:
            return self.update(home, payload, expected_hash)
        view = self._make(user_id, payload, None)
        self._state.homes[user_id] = view
        self._publish(view)
        return view

    def find(self, view_id: str | None, external_id: str | None) -> View:
        """An open view or Home by either id; raises `SlackError("not_found")`."""
        for view in self._alive():
            external = view.payload.get("external_id")
            if view.id == view_id or (external_id and external == external_id):
                return view
        raise SlackError("not_found")

    def before(self, user_id: str, view_id: str | None) -> View:
        """The modal with this id, or the top one, open before a person."""
        stack = self._state.stack(user_id)
        found = [view for view in stack if view_id in {None, view.id}]
        if not found:
            raise Impossible(f"No such view is open before {user_id}.")
        return found[-1]

    def close(self, view: View) -> None:
        """Take one modal away, and what lies on it."""
        stack = self._state.modals.get(view.user, [])
        if view.id not in stack:
            return
        position = stack.index(view.id)
        gone = stack[position:]
        del stack[position:]
        for view_id in gone:
            del self._state.views[view_id]
        self._publish_stack(view.user)

    def clear(self, user_id: str) -> None:
        """Take all modals away."""
        stack = self._state.stack(user_id)
        if stack:
            self.close(stack[0])

    def show_errors(self, view: View, errors: dict[str, str]) -> None:
        """Show the app's complaints beside the inputs."""
        view.errors = errors
        self._publish(view)

    def changed(self, view: View) -> None:
        """Tell the feed that a person typed or chose something."""
        self._publish(view)

    def _place(self, user_id: str, payload: Json, below: View | None) -> View:
        view = self._make(user_id, payload, below)
        self._state.views[view.id] = view
        self._state.modals.setdefault(user_id, []).append(view.id)
        self._publish(view)
        return view

    def _make(self, user_id: str, payload: Json, below: View | None) -> View:
        stamp(payload.get("blocks", ()), self._state.ids.short)
        view_id = self._state.ids.next("V")
        return View(
            id=view_id,
            user=user_id,
            payload=payload,
            hash=self._hash(),
            root_id=view_id if below is None else below.root_id,
            previous_id=None if below is None else below.id,
            state=initial_state(payload.get("blocks", ())),
        )

    def _unique(self, payload: Json, own: View | None) -> None:
        external_id = payload.get("external_id")
        if external_id and any(
            view is not own and view.payload.get("external_id") == external_id
            for view in self._alive()
        ):
            raise SlackError("duplicate_external_id")

    def _alive(self) -> list[View]:
        return [*self._state.views.values(), *self._state.homes.values()]

    def _hash(self) -> str:
        return f"{self._state.ids.ts()}.{self._state.ids.short()}"

    def _publish(self, view: View) -> None:
        shown = self._state.show_view(view)
        data = {"user": view.user, "view": shown, "errors": dict(view.errors)}
        self._state.feed.publish("view", data)
        if view.payload.get("type") == "modal":
            self._publish_stack(view.user)

    def _publish_stack(self, user_id: str) -> None:
        stack = list(self._state.modals.get(user_id, []))
        self._state.feed.publish("modals", {"user": user_id, "open": stack})
