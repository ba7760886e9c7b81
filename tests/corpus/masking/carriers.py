"""The texts a credential is found in: of those that need no name, and of those that need one."""

import json
from collections.abc import Callable, Mapping

Bare = Callable[[str], str]
Named = Callable[[str, str], str]

BARE: Mapping[str, Bare] = {
    "log": lambda s: f"2026-11-25T14:22:12.1Z INFO deploy: using {s} for eu-west-1",
    "logfmt": lambda s: f'level=info ts=1764080532 msg="loaded {s}" caller=main.go:42',
    "error": lambda s: f"error: upstream said 401 Unauthorized ({s})",
    "sentence end": lambda s: f"the old one was {s}.",
    "alone": lambda s: s,
    "json": lambda s: json.dumps({"level": "info", "value": s, "n": 1}),
    "json in json": lambda s: json.dumps({"message": json.dumps({"x": s})}),
    "yaml": lambda s: f"spec:\n  config: {s}\n  replicas: 2\n",
    "yaml list": lambda s: f"args:\n- {s}\n- '80'\n",
    "environment": lambda s: f"export CI_X={s}\nexport PORT=80",
    "described": lambda s: f"    Environment:\n      GREETING:  {s}\n      PORT:      80\n",
    "query": lambda s: f"GET /v1/items?x={s}&page=2 HTTP/1.1",
    "path": lambda s: f"GET https://api.example.com/v1/{s}/items 200",
    "escaped line": lambda s: f"first\\n{s}\\nlast",
    "brackets": lambda s: f"tried [{s}] twice",
    "angle": lambda s: f"<item>{s}</item>",
    "backticks": lambda s: f"set it to `{s}` and restart",
    "csv": lambda s: f"web,{s},eu-west-1",
    "colon": lambda s: f"cred:{s};next",
    "diff": lambda s: f"@@ -3,2 +3,2 @@\n-  x: old\n+  x: {s}\n   y: 1\n",
    "go struct": lambda s: f"{{Foo:{s} Bar:1}}",
    "python": lambda s: f"Client(x='{s}', region='eu')",
    "colours": lambda s: f"\x1b[32m{s}\x1b[0m ready",
    "table": lambda s: f"NAME   VALUE\nweb    {s}\n",
    "twice": lambda s: f"{s} and again {s}",
}

QUOTED: Mapping[str, Named] = {
    "json": lambda n, s: json.dumps({"user": "bo", n: s, "port": 80}),
    "json lines": lambda n, s: json.dumps({n: s, "port": 80}, indent=2),
    "json in json": lambda n, s: json.dumps({"message": json.dumps({n: s, "a": 1})}),
    "yaml double": lambda n, s: f'auth:\n  {n}: "{s}"\n  enabled: true\n',
    "yaml single": lambda n, s: f"auth:\n  {n}: '{s}'\n  enabled: true\n",
    "toml": lambda n, s: f'[auth]\n{n} = "{s}"\nport = 80\n',
    "hcl": lambda n, s: f'variable "x" {{\n  {n} = "{s}"\n}}\n',
    "python dict": lambda n, s: f"{{'user': 'bo', '{n}': '{s}', 'port': 80}}",
    "python call": lambda n, s: f'connect(host="db", {n}="{s}", port=80)',
    "ruby": lambda n, s: f"'{n}' => '{s}', 'port' => 80",
    "go struct": lambda n, s: f'core.EnvVar{{Name:"{n}", Value:"{s}", ValueFrom:nil}}',
    "env item json": lambda n, s: f'{{"env":[{{"name":"{n}","value":"{s}"}}]}}',
    "shell quoted": lambda n, s: f'export {n}="{s}" && ./run',
}

PLAIN: Mapping[str, Named] = {
    "environment": lambda n, s: f"PORT=80\n{n}={s}\nHOST=db\n",
    "export": lambda n, s: f"+ export {n}={s}",
    "properties": lambda n, s: f"app.{n}={s}\napp.port=80\n",
    "ini": lambda n, s: f"[auth]\n{n} = {s}\nport = 80\n",
    "yaml": lambda n, s: f"auth:\n  {n}: {s}\n  enabled: true\n",
    "yaml comment": lambda n, s: f"auth:\n  {n}: {s}  # rotate me\n",
    "yaml block": lambda n, s: f"auth:\n  {n}: |\n    {s}\n  enabled: true\n",
    "env item": lambda n, s: f"env:\n- name: {n}\n  value: {s}\n- name: PORT\n  value: '80'\n",
    "env item quoted": lambda n, s: f'env:\n  - name: {n}\n    value: "{s}"\n',
    "env item diff": lambda n, s: f" - name: {n}\n-  value: {s}\n+  value: {s}x1\n",
    "described": lambda n, s: f"    Environment:\n      {n}:  {s}\n      PORT:  80\n",
    "query": lambda n, s: f"POST /login?user=bo&{n}={s}&lang=en 200",
    "form": lambda n, s: f"body: grant_type=x&{n}={s}",
    "flag": lambda n, s: f"/usr/bin/app --{n}={s} --port=80",
    "flag space": lambda n, s: f"/usr/bin/app --{n} {s} --port 80",
    "flag list": lambda n, s: f'["app", "--{n}", "{s}", "--port", "80"]',
    "flag items": lambda n, s: f"args:\n- --{n}\n- {s}\n- --port\n- '80'\n",
    "helm set": lambda n, s: f"helm upgrade web ./web --set db.{n}={s} --wait",
    "logfmt": lambda n, s: f"level=info msg=connecting {n}={s} host=db",
    "log colon": lambda n, s: f"2026-11-25 14:22 DEBUG config {n}: {s}",
    "xml": lambda n, s: f"<server><id>x</id><{n}>{s}</{n}></server>",
    "dsn": lambda n, s: f"Server=db;User Id=sa;{n}={s};Encrypt=true",
    "literal": lambda n, s: f"kubectl create secret generic x --from-literal={n}={s}",
    "go map": lambda n, s: f"map[host:db {n}:{s} port:80]",
}
