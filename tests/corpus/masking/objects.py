"""Kubernetes objects, files and keys that hold credentials: what masking must know by structure."""

import base64
import gzip
import json
from collections.abc import Callable, Mapping
from random import Random

import yaml
from pydantic import JsonValue

from . import values as v
from .places import Place

LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
Object = dict[str, JsonValue]


def _secret(rng: Random, *, plain: bool = False) -> tuple[Object, tuple[str, ...]]:
    words = (v.strong(rng), v.weak(rng) + v.text(rng, v.LOWER, 5))
    made = words if plain else tuple(v.base64_of(word) for word in words)
    data: Object = {"username": made[0], "config.yaml": made[1]}
    field = "stringData" if plain else "data"
    meta: Object = {"name": "db", "namespace": "shop"}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": meta, field: data}, made


def _workload(rng: Random, env: list[JsonValue], args: list[JsonValue]) -> Object:
    container: Object = {"name": "web", "image": "shop/web:1.4", "args": args, "env": env}
    spec: Object = {"template": {"spec": {"containers": [container]}}, "replicas": 2}
    meta: Object = {"name": f"web-{v.text(rng, v.LOWER, 4)}", "namespace": "shop"}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": meta, "spec": spec}


def _yaml(value: JsonValue) -> str:
    return yaml.safe_dump(value, sort_keys=False)


def _written(write: Callable[[JsonValue], str], *, plain: bool = False) -> Place:
    def place(rng: Random) -> tuple[str, tuple[str, ...]]:
        secret, hidden = _secret(rng, plain=plain)
        return write(secret), hidden

    return place


def _listed(value: JsonValue) -> str:
    config: Object = {"kind": "ConfigMap", "metadata": {"name": "x"}, "data": {"a": "b"}}
    return _yaml({"apiVersion": "v1", "kind": "List", "items": [config, value]})


def _applied(value: JsonValue) -> str:
    text = json.dumps(value, separators=(",", ":")) + "\n"
    outer: Object = {
        "kind": "Secret",
        "metadata": {"name": "db", "annotations": {LAST_APPLIED: text}},
    }
    return json.dumps(outer, indent=2)


def _applied_in_yaml(value: JsonValue) -> str:
    text = json.dumps(value, separators=(",", ":")) + "\n"
    return _yaml({"metadata": {"annotations": {LAST_APPLIED: text}}, "kind": "Secret"})


def _diffed(value: JsonValue) -> str:
    lines = _yaml(value).splitlines()
    return "@@ -1,9 +1,9 @@\n" + "\n".join(
        ("+" if ": " in x and "  " in x else " ") + x for x in lines
    )


def _docker(rng: Random) -> tuple[str, tuple[str, ...]]:
    auth = v.base64_of(f"bo:{v.strong(rng)}")
    return json.dumps({"auths": {"r.example.com": {"auth": auth}}}), (auth,)


def _docker_full(rng: Random) -> tuple[str, tuple[str, ...]]:
    word = v.strong(rng)
    auth = v.base64_of(f"bo:{word}")
    entry = {"username": "bo", "password": word, "auth": auth, "email": "bo@example.com"}
    return json.dumps({"auths": {"r.example.com": entry}}, indent=1), (word, auth)


def _docker_data(rng: Random) -> tuple[str, tuple[str, ...]]:
    text, _ = _docker(rng)
    data = v.base64_of(text)
    return f"{{.dockerconfigjson: {data}}}", (data,)


def _helm(rng: Random) -> tuple[str, tuple[str, ...]]:
    packed = gzip.compress(json.dumps({"config": {"x": v.strong(rng)}}).encode(), mtime=0)
    release = base64.b64encode(base64.b64encode(packed)).decode()
    meta: Object = {"name": "sh.helm.release.v1.web.v3"}
    kind = rng.choice(["Secret", "ConfigMap"])
    made: Object = {"kind": kind, "metadata": meta, "data": {"release": release}}
    return json.dumps(made), (release,)


def _helm_loose(rng: Random) -> tuple[str, tuple[str, ...]]:
    packed = gzip.compress(json.dumps({"config": {"x": v.strong(rng)}}).encode(), mtime=0)
    release = base64.b64encode(base64.b64encode(packed)).decode()
    return f"data:\n  release: {release}\n", (release,)


def _env(name: str, *, as_yaml: bool) -> Place:
    def place(rng: Random) -> tuple[str, tuple[str, ...]]:
        word = v.strong(rng)
        env: list[JsonValue] = [
            {"name": "LOG_LEVEL", "value": "debug"},
            {"name": name, "value": word},
        ]
        made = _workload(rng, env, ["--port=80"])
        return (_yaml(made) if as_yaml else json.dumps(made)), (word,)

    return place


def _args(template: str) -> Place:
    def place(rng: Random) -> tuple[str, tuple[str, ...]]:
        word = v.strong(rng)
        args: list[JsonValue] = ["--port=80", *template.replace("§", word).split("|")]
        return _yaml(_workload(rng, [], args)), (word,)

    return place


def _config_map(key: str, template: str) -> Place:
    def place(rng: Random) -> tuple[str, tuple[str, ...]]:
        word = v.weak(rng)
        data: Object = {"motto": "be kind", key: template.replace("§", word)}
        return _yaml({"kind": "ConfigMap", "metadata": {"name": "c"}, "data": data}), (word,)

    return place


def _bootstrap(rng: Random) -> tuple[str, tuple[str, ...]]:
    token = f"{v.text(rng, v.LOWALNUM, 6)}.{v.text(rng, v.LOWALNUM, 16)}"
    return f"[bootstrap-token] Using token: {token}", (token,)


def _bootstrap_secret(rng: Random) -> tuple[str, tuple[str, ...]]:
    token = v.text(rng, v.LOWALNUM, 16)
    data: Object = {"token-id": "abcdef", "token-secret": token}
    made: Object = {"kind": "Secret", "type": "bootstrap.kubernetes.io/token", "stringData": data}
    return _yaml(made), (token,)


def _kubeconfig(rng: Random) -> tuple[str, tuple[str, ...]]:
    key = v.base64_of(v.pem(rng, "EC PRIVATE KEY", 2))
    token = v.text(rng, v.ALNUM, 40)
    users: list[JsonValue] = [
        {
            "name": "a",
            "user": {"client-certificate-data": "LS0tLS1CRUdJTi", "client-key-data": key},
        },
        {"name": "b", "user": {"token": token}},
    ]
    # a certificate begins like the key, and may be seen
    return _yaml({"kind": "Config", "users": users}), (key[40:], token)


def _service_account(rng: Random) -> tuple[str, tuple[str, ...]]:
    key = v.pem(rng, "PRIVATE KEY", 6)
    made = {"type": "service_account", "private_key_id": v.text(rng, v.HEX, 40), "private_key": key}
    return json.dumps({**made, "client_email": "x@y.iam.gserviceaccount.com"}), tuple(
        key.split("\n")[1:-1]
    )


def _aws_file(rng: Random) -> tuple[str, tuple[str, ...]]:
    name, word = "AK" + "IA" + v.text(rng, v.BASE32, 16), v.text(rng, v.B64, 40)
    return f"[default]\naws_access_key_id = {name}\naws_secret_access_key = {word}\n", (name, word)


def _aws_csv(rng: Random) -> tuple[str, tuple[str, ...]]:
    name, word = "AK" + "IA" + v.text(rng, v.BASE32, 16), v.text(rng, v.B64, 40)
    return f"Access key ID,Secret access key\n{name},{word}\n", (name, word)


def _aws_json(rng: Random) -> tuple[str, tuple[str, ...]]:
    name, word = "AS" + "IA" + v.text(rng, v.BASE32, 16), v.text(rng, v.B64, 40)
    session = v.random_base64(rng, 150)
    made = {"AccessKeyId": name, "SecretAccessKey": word, "SessionToken": session}
    return json.dumps({"Credentials": made}), (name, word, session)


def _pem(kind: str, write: Callable[[str], str]) -> Place:
    def place(rng: Random) -> tuple[str, tuple[str, ...]]:
        key = v.pem(rng, kind)
        return write(key), tuple(key.split("\n")[1:-1])

    return place


def _indented(text: str) -> str:
    return "tls.key: |\n  " + text.replace("\n", "\n  ") + "\nother: 1\n"


def _pem_base64(rng: Random) -> tuple[str, tuple[str, ...]]:
    key = v.base64_of(v.pem(rng, rng.choice(["PRIVATE KEY", "RSA PRIVATE KEY"])))
    return f"tls.key: {key}", (key,)


def _putty(rng: Random) -> tuple[str, tuple[str, ...]]:
    lines = tuple(v.text(rng, v.B64, 64) for _ in range(3))
    head = "PuTTY-User-Key-File-2: ssh-rsa\nEncryption: none\nPrivate-Lines: 3\n"
    return head + "\n".join(lines) + "\nPrivate-MAC: " + v.text(rng, v.HEX, 40), lines


def _jwk(rng: Random) -> tuple[str, tuple[str, ...]]:
    private = v.text(rng, v.URL64, 43)
    made = {"kty": "EC", "crv": "P-256", "x": v.text(rng, v.URL64, 43), "d": private}
    return json.dumps({"keys": [made]}), (private,)


def _htpasswd(rng: Random) -> tuple[str, tuple[str, ...]]:
    digest = v.random_base64(rng, 20)
    return f"bo:{{SHA}}{digest}\n", (digest,)


def _mysql_hash(rng: Random) -> tuple[str, tuple[str, ...]]:
    digest = v.text(rng, v.HEX.upper(), 40)
    return f"IDENTIFIED WITH mysql_native_password AS '*{digest}'", (digest,)


def _postgres_hash(rng: Random) -> tuple[str, tuple[str, ...]]:
    digest = v.text(rng, v.HEX, 32)
    return f"ALTER ROLE app WITH PASSWORD 'md5{digest}'", (digest,)


def _shadow(rng: Random) -> tuple[str, tuple[str, ...]]:
    digest = v.text(rng, v.ALNUM + "./", 86)
    return f"root:$6${v.text(rng, v.ALNUM, 8)}${digest}:19000:0:99999:7:::", (digest,)


KUBERNETES: Mapping[str, Place] = {
    "secret yaml": _written(_yaml),
    "secret yaml plain": _written(_yaml, plain=True),
    "secret json": _written(json.dumps),
    "secret json lines": _written(lambda value: json.dumps(value, indent=2)),
    "secret plain json": _written(json.dumps, plain=True),
    "secret list": _written(_listed),
    "secret in a sentence": _written(lambda value: f"applied {json.dumps(value)} to shop"),
    "secret escaped": _written(lambda value: json.dumps({"object": json.dumps(value)})),
    "secret cut off": _written(lambda value: "kept: " + json.dumps(value)[:-3]),
    "secret diff": _written(_diffed),
    "last applied": _written(_applied),
    "last applied yaml": _written(_applied_in_yaml),
    "last applied plain": _written(_applied, plain=True),
    "helm release": _helm,
    "helm release without a head": _helm_loose,
    "docker config": _docker,
    "docker config full": _docker_full,
    "docker config data": _docker_data,
    "env yaml": _env("DB_PASSWORD", as_yaml=True),
    "env json": _env("SMTP_PASS", as_yaml=False),
    "env key": _env("STRIPE_KEY", as_yaml=True),
    "env salt": _env("AUTH_SALT", as_yaml=True),
    "env dsn": _env("SENTRY_DSN", as_yaml=False),
    "args joined": _args("--db-password=§"),
    "args apart": _args("--client-secret|§"),
    "args script": _args("sh|-c|exec app --token § --x"),
    "config env": _config_map("app.env", "PORT=80\nREDIS_PASSWORD=§\n"),
    "config properties": _config_map("application.properties", "spring.datasource.password=§"),
    "config yaml": _config_map("config.yaml", "auth:\n  adminPassword: §\n  port: 80\n"),
    "config json": _config_map("config.json", '{"smtp":{"pass":"§","port":25}}'),
    "config key": _config_map("dbPassword", "§"),
    "config xml": _config_map("settings.xml", "<server><password>§</password></server>"),
    "config ini": _config_map("grafana.ini", "[security]\nadmin_password = §\n"),
    "config redis": _config_map("redis.conf", "port 6379\nrequirepass §\n"),
    "config pgbouncer": _config_map("userlist.txt", '"app" "§"'),
    "bootstrap token": _bootstrap,
    "bootstrap secret": _bootstrap_secret,
    "kubeconfig": _kubeconfig,
}

KEYS: Mapping[str, Place] = {
    "service account": _service_account,
    "aws credentials file": _aws_file,
    "aws csv": _aws_csv,
    "aws sts": _aws_json,
    "pem rsa": _pem("RSA PRIVATE KEY", str),
    "pem ec": _pem("EC PRIVATE KEY", lambda key: f"x\n{key}\ny"),
    "pem openssh": _pem("OPENSSH PRIVATE KEY", _indented),
    "pem pgp": _pem("PGP PRIVATE KEY BLOCK", str),
    "pem encrypted": _pem("ENCRYPTED PRIVATE KEY", lambda key: json.dumps({"pem": key})),
    "pem cut off": _pem("PRIVATE KEY", lambda key: key[:-40]),
    "pem one line": _pem("PRIVATE KEY", lambda key: f'KEY="{key}"'.replace("\n", "\\n")),
    "pem crlf": _pem("RSA PRIVATE KEY", lambda key: key.replace("\n", "\r\n")),
    "pem spaces": _pem("PRIVATE KEY", lambda key: key.replace("\n", " ")),
    "pem in a diff": _pem("PRIVATE KEY", lambda key: "+  " + key.replace("\n", "\n+  ")),
    "pem base64": _pem_base64,
    "putty": _putty,
    "jwk": _jwk,
    "htpasswd sha": _htpasswd,
    "mysql hash": _mysql_hash,
    "postgres hash": _postgres_hash,
    "shadow": _shadow,
}
