"""Credentials that nothing but their place gives away: URLs, headers, command lines, sentences."""

from collections.abc import Callable, Mapping
from random import Random

from . import values as v

# The text, and the secrets in it.
Place = Callable[[Random], tuple[str, tuple[str, ...]]]


def _around(template: str, make: Callable[[Random], str]) -> Place:
    """The template with a secret in place of `§`."""

    def place(rng: Random) -> tuple[str, tuple[str, ...]]:
        secret = make(rng)
        return template.replace("§", secret), (secret,)

    return place


def _hex(length: int) -> Callable[[Random], str]:
    return lambda rng: v.text(rng, v.HEX, length)


def _token(length: int) -> Callable[[Random], str]:
    return lambda rng: v.text(rng, v.ALNUM, length)


def _basic(rng: Random) -> str:
    return v.base64_of(f"bo:{v.strong(rng)}")


URLS: Mapping[str, Place] = {
    "postgres": _around("DATABASE is postgres://app:§@db:5432/shop?sslmode=disable", v.weak),
    "postgresql": _around("dial postgresql://app:§@db.shop.svc/shop failed", v.strong),
    "mysql": _around('url="mysql://root:§@mysql:3306/x"', v.weak),
    "mongodb srv": _around("mongodb+srv://bo:§@c0.ab1cd.mongodb.net/?retryWrites=true", v.weak),
    "redis no user": _around("redis://:§@cache:6379/0", v.weak),
    "rediss": _around("rediss://default:§@cache:6380", _token(32)),
    "amqp": _around("amqp://rabbit:§@mq:5672/%2f", v.weak),
    "https basic": _around("clone https://bo:§@git.example.com/x.git", v.weak),
    "https token user": _around("remote: https://§@git.example.com/x.git", _token(40)),
    "oauth2": _around("https://oauth2:§@gitlab.example.com/x.git", _token(20)),
    "smtp": _around("smtp://mailer:§@mail.example.com:587", v.strong),
    "nats": _around("nats://sys:§@nats:4222", v.weak),
    "clickhouse": _around("clickhouse://default:§@ch:9000/default", v.weak),
    "jdbc query": _around("jdbc:postgresql://db:5432/x?user=app&password=§&ssl=true", v.weak),
    "jdbc sqlserver": _around("jdbc:sqlserver://db:1433;user=sa;password=§;encrypt=true", v.weak),
    "jdbc oracle": _around("jdbc:oracle:thin:app/§@//db:1521/ORCL", v.weak),
    "go mysql": _around("app:§@tcp(mysql:3306)/shop?parseTime=true", v.weak),
    "sentry dsn": _around("https://§@o123456.ingest.sentry.io/4501", _hex(32)),
    "s3 presigned": _around("https://b.s3.amazonaws.com/k?X-Amz-Signature=§&x=1", _hex(64)),
    "azure sas": _around(
        "https://acct.blob.core.windows.net/c/f?sv=2024-05-04&se=2026-01-01&sig=§",
        lambda rng: v.text(rng, v.ALNUM, 42) + "%3D",
    ),
    "gcs signed": _around("https://storage.googleapis.com/b/o?X-Goog-Signature=§", _hex(256)),
    "azure connection string": _around(
        "DefaultEndpointsProtocol=https;AccountName=x;AccountKey=§;EndpointSuffix=core.windows.net",
        lambda rng: v.random_base64(rng, 64),
    ),
    "service bus": _around(
        "Endpoint=sb://x.servicebus.windows.net/;SharedAccessKeyName=Root;SharedAccessKey=§",
        lambda rng: v.random_base64(rng, 32),
    ),
    "slack webhook": _around(
        "POST https://hooks.slack.com/services/T0123ABCD/B0123ABCD/§", _token(24)
    ),
    "slack workflow": _around(
        "https://hooks.slack.com/workflows/T0123ABCD/A0123ABCD/123456789/§", _token(24)
    ),
    "discord webhook": _around("https://discord.com/api/webhooks/123456789012345678/§", _token(68)),
    "teams webhook": _around(
        "https://acme.webhook.office.com/webhookb2/0b6d4a4e-58a3-4d2b-9f7e-3c1f1c2d3e4f@"
        "0b6d4a4e-58a3-4d2b-9f7e-3c1f1c2d3e4f/IncomingWebhook/§/0b6d4a4e-58a3-4d2b-9f7e-3c1f1c2d3e4f",
        _hex(32),
    ),
    "google chat webhook": _around(
        "https://chat.googleapis.com/v1/spaces/AAAA/messages?key=x&token=§", _token(43)
    ),
    "pagerduty": _around("https://events.pagerduty.com/integration/§/enqueue", _hex(32)),
    "datadog query": _around("https://api.datadoghq.com/api/v1/validate?api_key=§", _hex(32)),
    "escaped url": _around('{\\"url\\":\\"postgres://app:§@db/shop\\"}', v.weak),
    "yaml url": _around("env:\n- name: BROKER\n  value: amqp://a:§@mq/\n", v.strong),
}

HEADERS: Mapping[str, Place] = {
    "bearer": _around("Authorization: Bearer §", _token(40)),
    "bearer lower": _around("> authorization: bearer §\r\n> accept: */*", _token(32)),
    "basic": _around("Authorization: Basic §", _basic),
    "token": _around('-H "Authorization: token §"', _hex(40)),
    "api key scheme": _around("Authorization: ApiKey §", lambda rng: v.random_base64(rng, 36)),
    "splunk": _around("curl -H 'Authorization: Splunk §' https://hec:8088", v.uuid),
    "genie": _around("Authorization: GenieKey §", v.uuid),
    "pagerduty token": _around(
        "Authorization: Token token=§", lambda rng: v.text(rng, v.ALNUM, 20)
    ),
    "no scheme": _around("Authorization: §", _token(36)),
    "json headers": _around('{"headers":{"Authorization":"Bearer §","Accept":"*/*"}}', _token(40)),
    "go headers": _around("map[Accept:[*/*] Authorization:[Bearer §]]", _token(40)),
    "python headers": _around("{'Authorization': 'Bearer §', 'a': 1}", _token(40)),
    "proxy": _around("Proxy-Authorization: Basic §", _basic),
    "x-api-key": _around("x-api-key: §", _token(40)),
    "x-auth-token": _around("X-Auth-Token: §", _hex(32)),
    "private token": _around("curl --header 'PRIVATE-TOKEN: §' https://gl", _token(20)),
    "x-vault-token": _around('-H "X-Vault-Token: s.§"', _token(24)),
    "dd-api-key": _around("DD-API-KEY: §", _hex(32)),
    "dd-application-key": _around("DD-APPLICATION-KEY: §", _hex(40)),
    "cookie": _around("Cookie: session=§", _token(40)),
    "set-cookie": _around("Set-Cookie: sid=§; Path=/; HttpOnly", _token(40)),
    "json cookie": _around('{"cookie":"JSESSIONID=§"}', _hex(32)),
    "csrf": _around("X-CSRF-Token: §", _token(64)),
    "amz security token": _around("x-amz-security-token: §", lambda rng: v.random_base64(rng, 120)),
    "aws signature": _around(
        "Authorization: AWS4-HMAC-SHA256 Credential=x/20261125/eu-west-1/s3/aws4_request,"
        " SignedHeaders=host, Signature=§",
        _hex(64),
    ),
    "websocket protocol": _around(
        "Sec-WebSocket-Protocol: base64url.bearer.authorization.k8s.io.§",
        lambda rng: v.url_base64(v.jwt(rng).encode()),
    ),
}

COMMANDS: Mapping[str, Place] = {
    "mysql joined": _around("mysql -h db -u root -p§ shop", v.weak),
    "mysqldump": _around("mysqldump --single-transaction -uroot -p§ shop > x.sql", v.weak),
    "mysqladmin quoted": _around("mysqladmin -u root -p'§' ping", v.strong),
    "psql env": _around("PGPASSWORD=§ psql -h db -U app", v.weak),
    "psql quoted env": _around("PGPASSWORD='§' psql -h db -U app", v.awkward),
    "psql conninfo": _around('psql "host=db user=app password=§ dbname=x"', v.weak),
    "mongosh": _around("mongosh -u root -p § --authenticationDatabase admin", v.weak),
    "redis-cli": _around("redis-cli -h cache -a § ping", v.weak),
    "redis-cli env": _around("REDISCLI_AUTH=§ redis-cli ping", v.weak),
    "sshpass": _around("sshpass -p § ssh bo@web", v.weak),
    "sshpass joined": _around("sshpass -p'§' ssh bo@web", v.strong),
    "docker login": _around("docker login -u bo -p § registry.example.com", _token(36)),
    "docker login long": _around("docker login --username bo --password § r.io", v.weak),
    "helm registry": _around("helm registry login r.io -u bo -p §", v.weak),
    "podman": _around("podman login -u bo -p § quay.io", _token(36)),
    "curl user": _around("curl -s -u bo:§ https://api.example.com", v.weak),
    "curl user quoted": _around('curl -u "bo:§" https://api.example.com', v.strong),
    "curl user long": _around("curl --user bo:§ -X POST https://x", v.weak),
    "wget": _around("wget --http-user=bo --http-password=§ https://x", v.weak),
    "openssl": _around("openssl rsa -in k.pem -passin pass:§ -out o.pem", v.weak),
    "ldapsearch": _around("ldapsearch -x -D cn=admin,dc=x -w § -b dc=x", v.weak),
    "htpasswd": _around("htpasswd -b /etc/nginx/htpasswd bo §", v.weak),
    "rabbitmqctl": _around("rabbitmqctl add_user app §", v.weak),
    "rabbitmqctl change": _around("rabbitmqctl change_password app §", v.weak),
    "kubeadm join": _around(
        "kubeadm join 10.0.0.1:6443 --token §",
        lambda rng: f"{v.text(rng, v.LOWALNUM, 6)}.{v.text(rng, v.LOWALNUM, 16)}",
    ),
    "kubectl token": _around("kubectl --token=§ get pods", _token(60)),
    "vault login": _around("vault login -method=token token=s.§", _token(24)),
    "aws configure": _around(
        "aws configure set aws_secret_access_key §", lambda rng: v.text(rng, v.B64, 40)
    ),
    "mc alias": _around("mc alias set minio http://minio:9000 admin §", v.strong),
    "az login": _around("az login --service-principal -u x -p § --tenant y", _token(40)),
    "sqlcmd": _around("/opt/mssql-tools/bin/sqlcmd -S db -U sa -P § -Q 'SELECT 1'", v.strong),
    "cypher-shell": _around("cypher-shell -u neo4j -p § 'RETURN 1'", v.weak),
    "create user": _around("CREATE USER app IDENTIFIED BY '§'", v.weak),
    "alter role": _around("ALTER ROLE app WITH PASSWORD '§' LOGIN;", v.weak),
    "create role": _around("CREATE ROLE app LOGIN ENCRYPTED PASSWORD '§'", v.strong),
    "set password": _around("SET PASSWORD FOR 'a'@'%' = PASSWORD('§')", v.weak),
    "chpasswd": _around("echo 'root:§' | chpasswd", v.weak),
    "requirepass": _around("redis-server --port 6379 --requirepass § --appendonly yes", v.weak),
    "redis conf": _around("port 6379\nrequirepass §\nmasterauth x\n", v.weak),
    "masterauth": _around("replicaof cache 6379\nmasterauth §\n", v.strong),
    "netrc": _around("machine api.example.com login bo password §", v.weak),
    "pgpass": _around("db:5432:shop:app:§", v.strong),
    "jaas": _around('PlainLoginModule required username="a" password="§";', v.awkward),
    "helm nested": _around("helm install pg x/pg --set auth.postgresPassword=§,a=b", v.weak),
    "keytool": _around("keytool -list -keystore k.jks -storepass §", v.weak),
    "java property": _around("java -Djavax.net.ssl.keyStorePassword=§ -jar a.jar", v.weak),
    "aws export": _around(
        "export AWS_SECRET_ACCESS_KEY=§\nexport AWS_REGION=x", lambda rng: v.text(rng, v.B64, 40)
    ),
    "npmrc": _around("//registry.npmjs.org/:_authToken=§", v.uuid),
    "npmrc auth": _around("_auth = §", _basic),
    "pip conf": _around("index-url = https://bo:§@pypi.example.com/simple", v.weak),
    "gem credentials": _around(":rubygems_api_key: §", _token(32)),
}

SENTENCES: Mapping[str, Place] = {
    "password is": _around("the password is §", v.weak),
    "password is now": _around("the admin password is now §, please update", v.weak),
    "password quoted": _around('my password is "§"', v.weak),
    "password backticks": _around("password for staging is `§`", v.strong),
    "password colon": _around("login bo, password: §", v.weak),
    "pw": _around("user: admin pw: §", v.weak),
    "set to": _around("I set the root password to §", v.weak),
    "token is": _around("the token is §", _token(32)),
    "api key is": _around("our api key is §", _hex(32)),
    "changed to": _around("password was changed to §", v.weak),
    "passphrase": _around("Passphrase is '§'", v.weak),
    "secret key": _around("secret key: §", lambda rng: v.text(rng, v.B64, 40)),
    "german": _around("das Passwort ist §", v.weak),
    "slash": _around("login with admin / §", v.strong),
    "user slash password": _around("user/password: admin/§", v.weak),
}
