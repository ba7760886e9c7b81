"""What each verb does to the store. Every call is answered without a pause, so it is atomic."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from bot.sandbox.cluster import defaults, fields, patch, schema, selectors, status
from bot.sandbox.cluster.calls import Call, read_continue, write_continue
from bot.sandbox.cluster.clock import Clock
from bot.sandbox.cluster.jsons import clone
from bot.sandbox.cluster.kinds import NAMESPACES, NODES, Resource
from bot.sandbox.cluster.removal import Removal
from bot.sandbox.cluster.replicasets import NAME_LETTERS
from bot.sandbox.cluster.status import ApiError
from bot.sandbox.cluster.store import Change, Object, Store

Answer = tuple[int, Object]
_KEPT = (
    "uid",
    "creationTimestamp",
    "generation",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "managedFields",
    "generateName",
)


def full(resource: Resource, thing: Object) -> Object:
    """Return an object as the API shows it alone, with kind and version."""
    return {"kind": resource.kind, "apiVersion": resource.api_version, **thing}


def without_nulls(thing: Any) -> Any:
    """Drop fields that are null: to the server they are fields not given."""
    if isinstance(thing, dict):
        return {key: without_nulls(value) for key, value in thing.items() if value is not None}
    if isinstance(thing, list):
        return [without_nulls(member) for member in thing]
    return thing


def is_dry(call: Call, options: Object) -> bool:
    """Say whether a removal is only to be tried: of one that has options, these say so, and the
    query is not read.
    """
    return options.get("dryRun") == ["All"] if call.body.strip() else call.dry_run


@dataclass
class Verbs:
    """The verbs of the API on ordinary resources and their status."""

    store: Store
    clock: Clock
    removal: Removal
    page_size: int | None = None  # a server may give fewer than asked for

    def answer(self, call: Call) -> Answer:
        """Do what the call asks for. Raises ApiError."""
        doing: dict[str, Callable[[Call], Answer]] = {
            "get": self.get,
            "list": self.list,
            "create": self.create,
            "update": self.update,
            "patch": self.patch,
            "delete": self.delete,
            "deletecollection": self.delete_collection,
        }
        found = doing.get(call.verb)
        if found is None or (call.verb in ("update", "patch") and not call.place.name):
            raise status.not_allowed()
        if call.verb == "create" and call.place.name:
            raise status.not_allowed()
        return found(call)

    def current(self, call: Call) -> Object:
        """Return the object that a call names. Raises ApiError 404."""
        place = call.place
        found = self.store.get(place.resource, place.namespace or "", place.name)
        if found is None:
            raise status.not_found(place.resource, place.name)
        return found

    def get(self, call: Call) -> Answer:
        """Show one object."""
        return 200, full(call.place.resource, self.current(call))

    # Lists.

    def filter(self, call: Call) -> Callable[[Object], bool]:
        """Return what the selectors of a call let through."""
        labels = selectors.parse_labels(call.query.get("labelSelector", ""))
        by_field = selectors.parse_fields(call.place.resource, call.query.get("fieldSelector", ""))
        name = call.place.name

        def passes(thing: Object) -> bool:
            if name and thing["metadata"]["name"] != name:
                return False
            return selectors.matches(labels, thing["metadata"].get("labels")) and by_field(thing)

        return passes

    def list(self, call: Call) -> Answer:
        """Show a collection, or one page of it."""
        resource, namespace = call.place.resource, call.place.namespace
        version, after = self.store.version, ""
        if token := call.query.get("continue"):
            version, after = read_continue(token)
        elif call.query.get("resourceVersionMatch") == "Exact":
            version = call.number("resourceVersion") or version
        if version > self.store.version:
            raise ApiError(504, "Timeout", f"Too large resource version: {version}")
        current = version == self.store.version
        found = (
            self.store.objects(resource, namespace)
            if current
            else self.store.objects_at(resource, namespace, version)
        )
        passes = self.filter(call)
        chosen = [thing for thing in found if _place(thing) > after and passes(thing)]
        chosen.sort(key=_place)
        meta: Object = {"resourceVersion": str(version)}
        limit = call.number("limit")
        if limit and self.page_size:
            limit = min(limit, self.page_size)
        if limit and len(chosen) > limit:
            meta["continue"] = write_continue(version, _place(chosen[limit - 1]))
            if not call.query.get("labelSelector") and not call.query.get("fieldSelector"):
                meta["remainingItemCount"] = len(chosen) - limit
            chosen = chosen[:limit]
        listed = {"kind": f"{resource.kind}List", "apiVersion": resource.api_version}
        return 200, {**listed, "metadata": meta, "items": chosen}

    # Writes.

    def create(self, call: Call) -> Answer:
        """Store a new object."""
        return self._make(call, self._read(call, call.json()), "Update")

    def _make(self, call: Call, made: Object, operation: str) -> Answer:
        resource = call.place.resource
        _demand(call, made)
        meta = made["metadata"]
        if resource.namespaced:
            meta["namespace"] = self._namespace(call, meta)
        if "name" not in meta and "generateName" in meta:
            letters = (self.store.random.choice(NAME_LETTERS) for _ in range(5))
            meta["name"] = meta["generateName"] + "".join(letters)
        for given in ("uid", "resourceVersion", "creationTimestamp", "generation", "managedFields"):
            meta.pop(given, None)
        if resource.status and resource is not NODES:
            made.pop("status", None)
        made = defaults.complete(resource, made, self.store.random)
        defaults.check(resource, made, None)
        fields.note_update(made, None, self._who(call, operation))
        if call.dry_run:
            if self.store.get(resource, meta.get("namespace", ""), meta["name"]) is not None:
                raise status.already_exists(resource, meta["name"])
            self.store.stamp_new(resource, made)
            return 201, full(resource, made)
        return 201, full(resource, self.store.create(resource, made))

    def _namespace(self, call: Call, meta: Object) -> str:
        wanted = call.place.namespace
        if wanted is None:
            raise status.not_allowed()
        if meta.get("namespace", wanted) != wanted:
            why = "the namespace of the provided object does not match the namespace sent on the "
            raise status.bad_request(why + "request")
        space = self.store.get(NAMESPACES, "", wanted)
        if space is None:
            raise status.not_found(NAMESPACES, wanted)
        if "deletionTimestamp" in space["metadata"]:
            resource, name = call.place.resource, meta.get("name", "")
            message = (
                f'{resource.qualified} "{name}" is forbidden: unable to create new content in '
                f"namespace {wanted} because it is being terminated"
            )
            raise ApiError(403, "Forbidden", message, status.details(resource, name))
        return wanted

    def update(self, call: Call) -> Answer:
        """Replace an object."""
        resource = call.place.resource
        current = self.current(call)
        wanted = self._read(call, call.json())
        return 200, full(resource, self.put(call, current, wanted))

    def patch(self, call: Call) -> Answer:
        """Change part of an object, or create it by server-side apply."""
        resource = call.place.resource
        changes = call.json()
        if "apply-patch" in call.content_type:
            return self._apply(call, changes)
        current = self.current(call)
        wanted = patched(call, full(resource, current), changes)
        return 200, full(resource, self.put(call, current, self._read(call, wanted)))

    def _apply(self, call: Call, changes: Any) -> Answer:
        resource, place = call.place.resource, call.place
        if not call.query.get("fieldManager"):
            cause = ("FieldValueRequired", "Required value: is required for apply patch")
            raise status.invalid(resource, "", [(*cause, "fieldManager")])
        wanted = self._read(call, changes)
        found = self.store.get(resource, place.namespace or "", place.name)
        who = self._who(call, "Apply")
        if found is None:
            wanted["metadata"]["name"] = place.name
            defaults.shape(resource, wanted)
            return self._make(call, wanted, "Apply")
        made = fields.apply(wanted, found, who, force=call.query.get("force") in ("true", "1"))
        return 200, full(resource, self.put(call, found, made, noted=True))

    def put(self, call: Call, current: Object, wanted: Object, *, noted: bool = False) -> Object:
        """Bring an object to what a client wants of it. Raises ApiError."""
        resource = call.place.resource
        meta = wanted["metadata"]
        if meta.get("name", call.place.name) != call.place.name:
            raise status.bad_request(
                f"the name of the object ({meta['name']}) does not match the name on the URL "
                f"({call.place.name})"
            )
        if meta.get("uid", current["metadata"]["uid"]) != current["metadata"]["uid"]:
            raise status.conflict(resource, call.place.name, "Precondition failed: UID mismatch")
        if call.place.subresource != "status":
            _demand(call, wanted)
        made = self._keep_theirs(call, current, wanted, noted=noted)
        if call.place.subresource != "status":
            made = defaults.complete(resource, made, self.store.random)
            defaults.check(resource, made, current)
        if not noted:
            who = self._who(call, "Update")
            fields.note_update(made, current, who)
            if _bare(made) == _bare(current):  # a write that changes nothing leaves no trace
                made["metadata"]["managedFields"] = current["metadata"].get("managedFields", [])
        if call.dry_run:
            return self.store.prepare(resource, made)[0]
        stored = self.store.update(resource, made)
        self.removal.finish(resource, stored)
        return stored

    def _keep_theirs(self, call: Call, current: Object, wanted: Object, *, noted: bool) -> Object:
        """Take from the stored object what this call may not write."""
        made = clone(wanted)
        kept = {
            key: value
            for key, value in current["metadata"].items()
            if key in _KEPT and not (noted and key == "managedFields")
        }
        made["metadata"] = {**made["metadata"], **kept, "name": call.place.name}
        if call.place.namespace:
            made["metadata"]["namespace"] = call.place.namespace
        if call.place.subresource == "status":
            version = made["metadata"].get("resourceVersion")
            made = {**current, "status": made.get("status", {})}
            made["metadata"] = {**current["metadata"], "resourceVersion": version}
        elif call.place.resource.status:
            made.pop("status", None)
            if "status" in current:
                made["status"] = current["status"]
        return clone(made)

    def _read(self, call: Call, body: Any) -> Object:
        """Check the outline and the fields of an object; return it without kind and version."""
        resource = call.place.resource
        if not isinstance(body, dict):
            raise status.bad_request("the request body is not an object")
        thing: Object = without_nulls(body)
        kind, version = (
            thing.pop("kind", resource.kind),
            thing.pop("apiVersion", resource.api_version),
        )
        if (kind, version) != (resource.kind, resource.api_version):
            raise status.bad_request(
                f"{kind} in version {version} cannot be handled as a {resource.kind}"
            )
        given = clone(thing)
        unknown = list(schema.prune(thing, schema.model_of(resource)))
        mode = call.query.get("fieldValidation") or "Warn"
        if unknown and mode == "Strict":
            raise _strict(call, full(resource, given), unknown)
        if mode == "Warn":
            call.warnings.extend(f'unknown field "{field}"' for field in unknown)
        if "apply-patch" not in call.content_type:
            defaults.shape(resource, thing)
        thing.setdefault("metadata", {})
        return thing

    def _who(self, call: Call, operation: str) -> Object:
        return fields.identity(
            call.manager,
            operation,
            call.place.resource.api_version,
            call.place.subresource,
            self.clock,
        )

    # Removals.

    def delete(self, call: Call) -> Answer:
        """Remove an object, or begin to."""
        resource = call.place.resource
        options = self._options(call)
        current = self.current(call)
        meta = current["metadata"]
        for key in ("uid", "resourceVersion"):
            wanted = (options.get("preconditions") or {}).get(key, meta[key])
            if wanted != meta[key]:
                why = (
                    f"Precondition failed: {key} in precondition: {wanted}, {key} in object meta: "
                )
                raise status.conflict(resource, call.place.name, why + meta[key])
        dry = is_dry(call, options)
        left = self.removal.begin(resource, current, options, dry_run=dry)
        if left is not None:
            return 200, full(resource, left)
        about = status.details(resource, call.place.name) | {"uid": meta["uid"]}
        success = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success"}
        return 200, {**success, "details": about}

    def delete_collection(self, call: Call) -> Answer:
        """Remove all objects that the selectors choose."""
        resource = call.place.resource
        options = self._options(call)
        passes = self.filter(call)
        chosen = [t for t in self.store.objects(resource, call.place.namespace) if passes(t)]
        dry = is_dry(call, options)
        for thing in chosen:
            self.removal.begin(resource, thing, options, dry_run=dry)
        listed = {"kind": f"{resource.kind}List", "apiVersion": resource.api_version}
        meta = {"resourceVersion": str(self.store.version)}
        return 200, {**listed, "metadata": meta, "items": chosen}

    def _options(self, call: Call) -> Object:
        options = call.json() if call.body.strip() else {}
        if not isinstance(options, dict):
            raise status.bad_request("DeleteOptions must be an object")
        found = without_nulls(options)
        for key in ("propagationPolicy", "gracePeriodSeconds"):
            if key in call.query:
                found[key] = call.number(key) if key[0] == "g" else call.query[key]
        return {**found}

    def watched(self, call: Call) -> Callable[[Change], tuple[str, Object] | None]:
        """Return how a change looks to this watch: a type and an object, or nothing."""
        resource, namespace = call.place.resource, call.place.namespace
        passes = self.filter(call)

        def seen(change: Change) -> tuple[str, Object] | None:
            space = change.object["metadata"].get("namespace", "")
            if change.resource is not resource or namespace not in (None, space):
                return None
            now = change.type != "DELETED" and passes(change.object)
            before = change.previous is not None and passes(change.previous)
            kind = {(True, True): "MODIFIED", (True, False): "ADDED", (False, True): "DELETED"}
            found = kind.get((now, before))
            return (found, full(resource, change.object)) if found else None

        return seen


def patched(call: Call, current: Object, changes: Any) -> Object:
    """Apply a patch of any of the three plain kinds to an object. Raises ApiError."""
    kind = call.content_type.partition(";")[0].strip()
    if kind != "application/json-patch+json" and not isinstance(changes, dict):
        raise status.bad_request("a patch must be an object")
    how = {
        "application/json-patch+json": patch.json_patch,
        "application/merge-patch+json": patch.merge,
        "application/strategic-merge-patch+json": patch.strategic,
    }[kind]
    result = how(current, changes)
    if not isinstance(result, dict):
        raise status.bad_request("the patch leaves no object")
    return result


def _demand(call: Call, thing: Object) -> None:
    """Refuse an object that lacks what its kind requires."""
    resource = call.place.resource
    lacking = [
        ("FieldValueRequired", "Required value", path)
        for path in schema.missing(thing, schema.model_of(resource))
    ]
    if lacking:
        raise status.invalid(resource, str(thing["metadata"].get("name", "")), lacking)


def _place(thing: Object) -> str:
    meta = thing["metadata"]
    return f"{meta.get('namespace', '')}/{meta['name']}"


def _bare(thing: Object) -> Object:
    meta = {
        key: value
        for key, value in thing["metadata"].items()
        if key not in ("managedFields", "resourceVersion", "generation")
    }
    return {**thing, "metadata": meta}


def _strict(call: Call, thing: Object, unknown: list[str]) -> ApiError:
    what = ", ".join(f'unknown field "{field}"' for field in unknown)
    error = f"strict decoding error: {what}"
    resource = call.place.resource
    if call.method != "PATCH":
        how = f'{resource.kind} in version "{resource.version}" cannot be handled as a '
        return status.bad_request(f"{how}{resource.kind}: {error}")
    quoted = json.dumps(json.dumps(thing, separators=(",", ":"), ensure_ascii=False))
    message = f"Invalid value: {quoted}: {error}"
    cause = {"reason": "FieldValueInvalid", "message": message, "field": "patch"}
    text = f' "" is invalid: patch: {message}'
    return ApiError(422, "Invalid", text, {"causes": [cause]})
