"""The corpus of patterns, as data: what issuers make recognisable, and where credentials stand.

Every pattern is RE2's: linear in the text, whatever the text is. `hint` is a cheap pattern without
which the other cannot match: most texts hold none and are done after one pass. `example` is what
the tests draw a value from: `{A36}` are 36 characters, of letters and digits (A), of the URL-safe
alphabet (W), of base64 (B), upper case and digits (U), lower case and digits (L), hexadecimal (H),
digits (D). So no credential, not even an invented one, stands in this file.
"""

from typing import NamedTuple


class Form(NamedTuple):
    """A credential known by its own form, wherever it stands. `kind` is what the mask says."""

    kind: str
    hint: str
    regex: str
    example: str


# Each begins at the edge of a word.
FORMS: tuple[Form, ...] = (
    # clouds
    Form("AWS key", r"A[KSBC][IC]A", r"(?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{16}\b", "AKIA{U16}"),
    Form("Google key", r"AIza", r"AIza[A-Za-z0-9_\-]{35}", "AIza{W35}"),
    Form("Google key", r"ya29\.", r"ya29\.[A-Za-z0-9_\-]{20,}", "ya29.{W80}"),
    Form("Google key", r"GOCSPX-", r"GOCSPX-[A-Za-z0-9_\-]{20,}", "GOCSPX-{W28}"),
    Form("Alibaba key", r"LTAI", r"LTAI[A-Za-z0-9]{16,24}\b", "LTAI{A20}"),
    Form("Tencent key", r"AKID", r"AKID[A-Za-z0-9]{32}\b", "AKID{A32}"),
    Form("DigitalOcean token", r"do[opr]_v1_", r"do[opr]_v1_[a-f0-9]{64}", "dop_v1_{H64}"),
    Form("Cloudflare key", r"v1\.0-", r"v1\.0-[a-f0-9]{24}-[a-f0-9]{140,}", "v1.0-{H24}-{H146}"),
    Form("Heroku key", r"HRKU-", r"HRKU-[A-Za-z0-9_\-]{36,}", "HRKU-AA{W58}"),
    Form("Netlify token", r"nfp_", r"nfp_[A-Za-z0-9]{30,}", "nfp_{A36}"),
    Form("Supabase token", r"sbp_", r"sbp_[a-f0-9]{40}", "sbp_{H40}"),
    Form("Supabase key", r"sb_secret_", r"sb_secret_[A-Za-z0-9_\-]{20,}", "sb_secret_{W31}"),
    Form(
        "PlanetScale token",
        r"pscale_",
        r"pscale_(?:tkn|pw|oauth)_[A-Za-z0-9_=.\-]{30,}",
        "pscale_tkn_{W43}",
    ),
    Form("Fly token", r"fm[12][ar]?_", r"fm[12][ar]?_[A-Za-z0-9+/=_\-]{60,}", "fm2_{B120}"),
    Form("Tailscale key", r"tskey-", r"tskey-[a-z]{2,12}-[A-Za-z0-9\-]{12,}", "tskey-auth-{A34}"),
    Form("Vercel token", r"vc[pkir]_", r"vc[pkir]_[A-Za-z0-9]{40,}", "vcp_{A56}"),
    Form("Render key", r"rnd_", r"rnd_[A-Za-z0-9]{28,}", "rnd_{A28}"),
    # code hosts
    Form("GitHub token", r"gh[pousr]_", r"gh[pousr]_[A-Za-z0-9]{16,}", "ghp_{A36}"),
    Form("GitHub token", r"github_pat_", r"github_pat_[A-Za-z0-9_]{20,}", "github_pat_{A22}_{A59}"),
    Form(
        "GitLab token",
        r"gl[a-z]{2,5}-",
        r"gl(?:pat|dt|rt|rtr|cbt|ptt|ft|imt|agent|oas|soat|ffct|wt)-[A-Za-z0-9_.\-]{16,}",
        "glpat-{W20}",
    ),
    Form("GitLab token", r"GR1348941", r"GR1348941[A-Za-z0-9_\-]{20,}", "GR1348941{W20}"),
    Form("Bitbucket password", r"ATBB", r"ATBB[A-Za-z0-9_=.\-]{24,}", "ATBB{A32}"),
    Form("Atlassian token", r"AT[A-Z]TT3", r"AT[A-Z]TT3[A-Za-z0-9_\-=]{20,}", "ATATT3{W186}"),
    # chat
    Form(
        "Slack token",
        r"xox[a-z]",
        r"xox[abceoprs](?:\.xox[bp])?-[A-Za-z0-9\-]{8,}",
        "xoxb-{D12}-{D12}-{A24}",
    ),
    Form("Slack token", r"xapp-", r"xapp-[0-9]-[A-Za-z0-9\-]{8,}", "xapp-1-A{U10}-{D13}-{H64}"),
    Form(
        "Discord token",
        r"[MNO][A-Za-z0-9_\-]{23,27}\.",
        r"[MNO][A-Za-z0-9_\-]{23,27}\.[A-Za-z0-9_\-]{6}\.[A-Za-z0-9_\-]{27,45}",
        "M{A23}.{A6}.{A38}",
    ),
    # payments and shops
    Form("Stripe key", r"[sr]k_", r"[sr]k_(?:live|test|prod)_[A-Za-z0-9]{8,}", "sk_live_{A24}"),
    Form("Stripe key", r"whsec_", r"whsec_[A-Za-z0-9+/=]{16,}", "whsec_{A32}"),
    Form("Square token", r"sq0[a-z]{3}-", r"sq0[a-z]{3}-[A-Za-z0-9_\-]{22,}", "sq0atp-{W22}"),
    Form("Square token", r"EAAA", r"EAAA[A-Za-z0-9_\-]{60}\b", "EAAA{A60}"),
    Form("Shopify token", r"shp[a-z]{2}_", r"shp(?:at|ca|pa|ss)_[a-fA-F0-9]{32}", "shpat_{H32}"),
    Form("Flutterwave key", r"FLWSECK", r"FLWSECK(?:_TEST)?-[A-Za-z0-9\-]{12,}", "FLWSECK-{H32}"),
    Form(
        "Braintree token",
        r"access_token\$",
        r"access_token\$(?:production|sandbox)\$[a-z0-9]{16}\$[a-f0-9]{32}",
        "access_token$production${L16}${H32}",
    ),
    # mail and phone
    Form("Twilio key", r"SK[a-f0-9]{8}", r"SK[a-f0-9]{32}\b", "SK{H32}"),
    Form(
        "SendGrid key", r"SG\.", r"SG\.[A-Za-z0-9_\-]{16,}\.[A-Za-z0-9_\-]{16,}", "SG.{W22}.{W43}"
    ),
    Form("Mailgun key", r"key-[a-f0-9]{8}", r"key-[a-f0-9]{32}\b", "key-{H32}"),
    Form("Brevo key", r"xkeysib-", r"xkeysib-[a-f0-9]{64}-[A-Za-z0-9]{16}", "xkeysib-{H64}-{A16}"),
    Form("Resend key", r"re_[A-Za-z0-9]{8}", r"re_[A-Za-z0-9]{8,}_?[A-Za-z0-9]{16,}", "re_{A32}"),
    # packages and images
    Form("npm token", r"npm_", r"npm_[A-Za-z0-9]{30,}", "npm_{A36}"),
    Form("PyPI token", r"pypi-", r"pypi-AgE[A-Za-z0-9_\-]{20,}", "pypi-AgEIcHlwaS5vcmc{W150}"),
    Form("Docker token", r"dckr_", r"dckr_(?:pat|oat)_[A-Za-z0-9_\-]{20,}", "dckr_pat_{W27}"),
    Form("RubyGems key", r"rubygems_", r"rubygems_[a-f0-9]{48}", "rubygems_{H48}"),
    Form("crates token", r"cio[A-Za-z0-9]{32}", r"cio[A-Za-z0-9]{32}\b", "cio{A32}"),
    Form("NuGet key", r"oy2[a-z0-9]{8}", r"oy2[a-z0-9]{43}\b", "oy2{L43}"),
    Form("Artifactory key", r"AKCp", r"AKCp[A-Za-z0-9]{60,}", "AKCp{A69}"),
    Form("Artifactory key", r"cmVmd", r"cmVmd[A-Za-z0-9]{59}\b", "cmVmd{A59}"),
    Form("Pulumi token", r"pul-", r"pul-[a-f0-9]{40}\b", "pul-{H40}"),
    Form("Clojars token", r"CLOJARS_", r"CLOJARS_[a-z0-9]{60}", "CLOJARS_{L60}"),
    # keepers of secrets
    Form("Vault token", r"hv[sbr]\.", r"hv[sbr]\.[A-Za-z0-9_\-]{20,}", "hvs.{W92}"),
    Form(
        "Doppler token",
        r"dp\.",
        r"dp\.(?:pt|st|ct|sa|scim|audit)\.[A-Za-z0-9_.\-]{36,}",
        "dp.pt.{A43}",
    ),
    Form("password manager token", r"ops_eyJ", r"ops_eyJ[A-Za-z0-9+/=_\-]{100,}", "ops_eyJ{A260}"),
    Form(
        "password manager key",
        r"A3-",
        r"A3-[A-Z0-9]{6}-[A-Z0-9]{6}-?[A-Z0-9]{5}-[A-Z0-9]{5}-[A-Z0-9]{5}-[A-Z0-9]{5}\b",
        "A3-{U6}-{U11}-{U5}-{U5}-{U5}",
    ),
    # data and monitoring
    Form("Databricks token", r"dapi", r"dapi[a-f0-9]{32}(?:-\d)?\b", "dapi{H32}"),
    Form("Datadog key", r"dd(?:pat|app)_", r"dd(?:pat|app)_[A-Za-z0-9_\-]{20,}", "ddpat_{A40}"),
    Form(
        "New Relic key",
        r"NR[A-Z]{2}-",
        r"NR(?:AK|II|RA|JS|SP|BR)-[A-Za-z0-9_\-]{19,}",
        "NRAK-{U27}",
    ),
    Form("Grafana token", r"gl(?:sa|c)_", r"gl(?:sa|c)_[A-Za-z0-9_+/=]{20,}", "glsa_{A32}_{H8}"),
    Form("Sentry token", r"sntry", r"sntry[us]_[A-Za-z0-9+/=_\-]{40,}", "sntryu_{H64}"),
    Form("Sonar token", r"sq[upa]_", r"sq[upa]_[a-f0-9]{40}\b", "squ_{H40}"),
    Form(
        "Dynatrace token",
        r"dt0[a-z]\d\d\.",
        r"dt0[a-z]\d\d\.[A-Z0-9]{24}\.[A-Z0-9]{64}",
        "dt0c01.{U24}.{U64}",
    ),
    Form("Honeycomb key", r"hc[a-z]ik_", r"hc[a-z]ik_[a-z0-9]{50,}", "hcaik_{L58}"),
    Form("Linear key", r"lin_", r"lin_(?:api|oauth)_[A-Za-z0-9]{32,}", "lin_api_{A40}"),
    Form("Notion token", r"ntn_|secret_", r"(?:ntn|secret)_[A-Za-z0-9]{40,}", "ntn_{A46}"),
    Form("Figma token", r"fig[a-z]_", r"fig[a-z]_[A-Za-z0-9_\-]{36,}", "figd_{W43}"),
    Form("PostHog key", r"phx_", r"phx_[A-Za-z0-9_\-]{40,}", "phx_{A43}"),
    Form("Prefect key", r"pn[ub]_", r"pn[ub]_[A-Za-z0-9]{36}\b", "pnu_{A36}"),
    Form("Postman key", r"PMAK-", r"PMAK-[a-f0-9]{24}-[a-f0-9]{34}", "PMAK-{H24}-{H34}"),
    Form(
        "Airtable token",
        r"pat[A-Za-z0-9]{14}\.",
        r"pat[A-Za-z0-9]{14}\.[a-f0-9]{64}",
        "pat{A14}.{H64}",
    ),
    Form(
        "LaunchDarkly key",
        r"(?:sdk|api)-[0-9a-f]{8}-",
        r"(?:sdk|api)-[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}",
        "sdk-{H8}-{H4}-{H4}-{H4}-{H12}",
    ),
    # hosts of models
    Form("Anthropic key", r"sk-ant-", r"sk-ant-[A-Za-z0-9_\-]{8,}", "sk-ant-api03-{W95}"),
    Form(
        "API key",
        r"sk-",
        r"sk-(?:proj|svcacct|admin|or-v1|lf)-[A-Za-z0-9_\-]{12,}",
        "sk-proj-{W156}",
    ),
    Form("API key", r"sk-", r"sk-[A-Za-z0-9_\-]{20,}", "sk-{A48}"),
    Form("Hugging Face token", r"hf_", r"hf_[A-Za-z0-9]{30,}", "hf_{A34}"),
    Form("Groq key", r"gsk_", r"gsk_[A-Za-z0-9]{40,}", "gsk_{A52}"),
    Form("Perplexity key", r"pplx-", r"pplx-[A-Za-z0-9]{40,}", "pplx-{A48}"),
    Form("Replicate token", r"r8_", r"r8_[A-Za-z0-9]{36,}", "r8_{A37}"),
    Form("xAI key", r"xai-", r"xai-[A-Za-z0-9]{60,}", "xai-{A80}"),
    Form(
        "LangSmith key", r"lsv2_", r"lsv2_(?:pt|sk)_[a-f0-9]{32}(?:_[a-f0-9]{10})?", "lsv2_pt_{H32}"
    ),
    Form("NVIDIA key", r"nvapi-", r"nvapi-[A-Za-z0-9_\-]{50,}", "nvapi-{W64}"),
    # signed tokens and keys
    Form(
        "JWT",
        r"eyJ",
        r"eyJ[A-Za-z0-9_\-]{8,}\.eyJ[A-Za-z0-9_\-]{8,}(?:\.[A-Za-z0-9_\-]*)?",
        "eyJ{W30}.eyJ{W40}.{W43}",
    ),
    Form(
        "JWT",  # encrypted: five parts
        r"eyJ",
        r"eyJ[A-Za-z0-9_\-]{16,}\.[A-Za-z0-9_\-]*\.[A-Za-z0-9_\-]{12,}\.[A-Za-z0-9_\-]{16,}\.[A-Za-z0-9_\-]{16,}",
        "eyJ{W40}.{W342}.{W16}.{W60}.{W22}",
    ),
    Form(
        "registry password",
        r"eyJhdXRocyI6",
        r"eyJhdXRocyI6[A-Za-z0-9+/]{16,}={0,2}",
        "eyJhdXRocyI6{B60}",
    ),
    Form(
        "Helm release",
        r"SDRzSUFBQUFB",
        r"SDRzSUFBQUFB[A-Za-z0-9+/]{40,}={0,2}",
        "SDRzSUFBQUFB{B200}",
    ),
    Form("age key", r"AGE-SECRET-KEY-", r"AGE-SECRET-KEY-1[A-Z0-9]{40,}", "AGE-SECRET-KEY-1{U58}"),
    Form("private key", r"LS0tLS1", r"LS0tLS1CRUdJTi[A-Za-z0-9+/=]{20,}", ""),  # "-----BEGIN "
)

# These begin with a sign, or with what is no word: no edge is asked for.
HASHES: tuple[Form, ...] = (
    Form("password hash", r"\$2[abxy]\$", r"\$2[abxy]\$\d\d\$[A-Za-z0-9./]{53}", "$2b$12${A53}"),
    Form(
        "password hash",
        r"\$(?:[1567y]|apr1|gy|2y)\$",
        r"\$(?:[1567y]|apr1|gy)\$(?:[A-Za-z0-9=,./]{1,40}\$){1,2}[A-Za-z0-9./]{22,90}",
        "$6${A16}${A86}",
    ),
    Form(
        "password hash",
        r"\$argon2",
        r"\$argon2(?:id|i|d)\$v=\d+\$[a-z0-9=,]{5,40}\$[A-Za-z0-9+/]{8,90}\$[A-Za-z0-9+/]{16,120}",
        "$argon2id$v=19$m=65536,t=3,p=4${A22}${A43}",
    ),
    Form(
        "password hash",
        r"pbkdf2[_:\-]",
        r"pbkdf2[_:\-]sha\d{1,3}[$:]\d+[$:][A-Za-z0-9+/=]{4,90}[$:][A-Za-z0-9+/]{16,180}={0,2}",
        "pbkdf2_sha256$600000${A22}${B43}=",
    ),
    Form(
        "password hash",
        r"SCRAM-SHA-",
        r"SCRAM-SHA-\d+\$\d+:[A-Za-z0-9+/=]{8,90}\$[A-Za-z0-9+/=]{20,90}:[A-Za-z0-9+/=]{20,90}",
        "SCRAM-SHA-256$4096:{B22}==${B43}=:{B43}=",
    ),
    Form(
        "password hash",
        r"\{S?SHA",
        r"\{S?SHA(?:256|512)?\}[A-Za-z0-9+/]{20,180}={0,2}",
        "{SHA}{B27}=",
    ),
)


class Within(NamedTuple):
    """A credential known by a mark inside it: `mark`, at most `lead` characters from its start."""

    kind: str
    mark: str
    lead: int
    regex: str
    example: str


WITHIN: tuple[Within, ...] = (
    Within(
        "Azure secret", "Q~", 4, r"[A-Za-z0-9_~.\-]{3}\dQ~[A-Za-z0-9_~.\-]{31,34}", "{A3}8Q~{A34}"
    ),
    Within("Azure DevOps token", "AZDO", 76, r"[A-Za-z0-9]{76}AZDO[A-Za-z0-9]{4}", "{A76}AZDO{A4}"),
    Within("Azure key", "+ASt", 76, r"[A-Za-z0-9+/]{76}\+ASt[A-Za-z0-9+/]{6}==", "{B76}+ASt{A6}=="),
    Within(
        "Azure key", "+ACDb", 76, r"[A-Za-z0-9+/]{76}\+ACDb[A-Za-z0-9+/]{5}==", "{B76}+ACDb{A5}=="
    ),
    Within("New Relic key", "NRAL", 36, r"[A-Za-z0-9]{36}NRAL", "{H32}FFFFNRAL"),
    Within("Mailchimp key", "-us", 32, r"[a-f0-9]{32}-us\d{1,2}", "{H32}-us7"),
    Within(
        "Terraform token",
        ".atlasv1.",
        14,
        r"[A-Za-z0-9]{14}\.atlasv1\.[A-Za-z0-9_=\-]{60,70}",
        "{A14}.atlasv1.{A67}",
    ),
    Within("Telegram token", ":AA", 10, r"\d{8,10}:AA[A-Za-z0-9_\-]{33}", "{D10}:AA{A33}"),
)
WITHIN_LONGEST = 120  # characters from the mark on


class Place(NamedTuple):
    """What stands where only a credential stands: the pattern has one group, the credential.

    `check` names a further look at what was found, for places that are loose: see credentials.py.
    """

    hint: str
    regex: str
    kind: str = ""
    check: str = ""


# A value on a command line, quoted or not, that is no further flag.
_WORD = r"(?:'([^'\r\n]+)'|\"([^\"\r\n]+)\"|([^\s\"'\-][^\s\"']*))"
_TO = r"[^\r\n|;]*[ \t]"
_IS = r"\\*[\"']?[ \t]*[:=][ \t]*\\*[\"']?"  # what is between a key and its value

PLACES: tuple[Place, ...] = (
    # --- URLs. The password may itself hold an @, the host cannot.
    Place("@", r"[A-Za-z][A-Za-z0-9+.\-]+://[^\s/:@\"'<>]*:([^\s/\"'<>`\\]+)@"),
    Place("@", r"[A-Za-z][A-Za-z0-9+.\-]+://([A-Za-z0-9_\-]{20,})(?::x-oauth-basic)?@"),
    Place("@", r"[A-Za-z0-9_.\-]+:([^\s@/\"']+)@(?:tcp|unix)\("),
    Place("@", r"jdbc:oracle:[a-z]+:[^\s/@\"']+/([^\s/@\"']+)@"),
    Place(
        r"hooks\.slack",
        r"hooks\.slack(?:-gov)?\.com/(?:services|workflows|triggers)/([\w/\-]+)",
        "Slack webhook",
    ),
    Place(r"/webhooks/", r"discord(?:app)?\.com/api/(?:v\d+/)?webhooks/([\w/\-]+)", "webhook"),
    Place(r"webhookb2", r"webhook\.office\.com/webhookb2/([^\s\"'<>\\]+)", "webhook"),
    Place(
        r"pagerduty\.com",
        r"events\.(?:eu\.)?pagerduty\.com/(?:integration|generic|x-ere)/(?:[a-z\-]+/)?([A-Za-z0-9]{20,40})",
        "PagerDuty key",
    ),
    Place(
        r"(?i)[?&;](?:sig|x-amz|x-goog|client_assertion|assertion|jwt)|\\u0026",
        r"(?i:(?:[?&]|&amp;|\\u0026)(?:sig|signature|x-amz-signature|x-goog-signature"
        r"|x-amz-security-token|client_assertion|assertion|jwt)=)"
        r"([A-Za-z0-9%+/=_.\-]{16,})",
    ),
    Place(
        r"[?&](?:code|key)=",
        r"(?:[?&]|&amp;|\\u0026)(?:code|key)=([A-Za-z0-9%+=_.\-]{20,})",
        check="mixed",
    ),
    # --- headers
    Place(
        r"(?i)auth",
        rf"(?i:\bauthorization{_IS}\[?\\*[\"']?(?:bearer|basic|token|apikey|api-key|digest|negotiate"
        r"|splunk|geniekey|ntlm|bot|sso-key)[ \t]+)([^\s\"'\\,;\]]{4,})",
        check="scheme",
    ),
    Place(
        r"(?i)bearer|basic",
        r"(?i:\b(?:bearer|basic)[ \t]+)([A-Za-z0-9._~+/\-]{12,}=*)",
        check="digit",
    ),
    Place(r"Signature=", r"\bSignature=([0-9a-f]{64})\b"),
    Place(r"(?i)auth", rf"(?i:\bauthorization{_IS})([^\s\"'\\,;]{{16,}})", check="digit"),
    Place(
        r"(?i)cookie",
        rf"(?i:\b(?:set-cookie|cookie){_IS})([^\s\"'\\=;,]+=[^\r\n\"'\\]+)",
    ),
    Place(
        r"bearer\.authorization",
        r"base64url\.bearer\.authorization\.k8s\.io\.([A-Za-z0-9_\-]+)",
    ),
    Place(
        r"(?i)auth",
        r"(?i:\\*\"auth\\*\"[ \t]*:[ \t]*\\*\")([A-Za-z0-9+/]{8,}={0,2})",
        check="pair",
    ),
    Place(r"_auth", rf"\b_auth{_IS}([A-Za-z0-9+/]{{8,}}={{0,2}})", check="pair"),
    # --- SQL
    Place(
        r"(?i)identified",
        r"(?i:\bidentified[ \t]+(?:by|with[ \t]+[\w']+[ \t]+(?:by|as))[ \t]+(?:password[ \t]+)?"
        r"['\"])([^'\"\r\n]+)",
    ),
    Place(r"(?i)password", r"(?i:\bpassword(?:[ \t]+|[ \t]*\([ \t]*)')([^'\r\n]{3,})'"),
    Place(r"md5", r"\bmd5([0-9a-f]{32})\b", "password hash"),
    # --- command lines
    Place(
        "machine",  # .netrc
        r"\bmachine[ \t]+\S+[ \t]+login[ \t]+\S+[ \t]+password[ \t]+(\S+)",
    ),
    Place(r"mysql|mariadb", rf"\b(?:mysql\w*|mariadb[\w\-]*)\b{_TO}-p{_WORD}"),
    Place("redis-cli", rf"\bredis-cli\b{_TO}-a[ \t]*{_WORD}"),
    Place("sshpass", rf"\bsshpass[ \t]+-p[ \t]*{_WORD}"),
    Place(
        r"login",
        r"\b(?:docker|podman|nerdctl|buildah|skopeo|oras|oc|az|registry|crane|argocd)[ \t]+login\b"
        rf"{_TO}-p[ \t]*{_WORD}",
    ),
    Place(r"vault", r"\bvault[ \t]+login[ \t]+((?:hv[sbr]|s)\.[\w\-]{8,}|[\w\-]{20,})"),
    Place(
        r"password-stdin",
        rf"\b(?:echo|printf|<<<)[ \t]+(?:-n[ \t]+)?{_WORD}[ \t]*\|[^\r\n|;]*--password-stdin",
    ),
    Place(
        r"(?i:contrase|senha|mot[ _-]de|wachtwoord)",  # as people write them, not configurations
        r"(?i:\b(?:contrase\S{1,2}a|senha|mot[ _-]de[ _-]passe|wachtwoord))"
        rf"[ \t]*[:=][ \t]*{_WORD}",
    ),
    Place(r"mongo|cypher-shell", rf"\b(?:mongo\w*|cypher-shell)\b{_TO}-p[ \t]*{_WORD}"),
    Place(r"sqlcmd|bcp", rf"\b(?:sqlcmd|bcp)\b{_TO}-P[ \t]*{_WORD}"),
    Place(
        r"curl|wget",
        rf"\b(?:curl|wget)\b{_TO}(?:-u|--user|--proxy-user)[ =]?[\"']?[^\s:\"'$]+:([^\s\"']+)",
    ),
    Place(
        r"\b(?:setenv|ENV)\b",  # csh, and what a Dockerfile had before its sign
        r"\b(?:setenv|ENV)[ \t]+[A-Z0-9_]*"
        rf"(?:PASS(?:WORD|WD)?|SECRET|TOKEN|(?:API|ACCESS|SECRET)_?KEY)[ \t]+{_WORD}",
    ),
    Place(r"-pass", r"-pass(?:in|out)?[ \t]+pass:([^\s\"']+)"),
    Place(r"ldap", rf"\bldap[a-z]+\b{_TO}-w[ \t]*{_WORD}"),
    Place(
        r"htpasswd",
        r"\bhtpasswd[ \t]+(?:-[A-Za-z]+[ \t]+)*-[A-Za-z]*b[A-Za-z]*[ \t]+(?:-\S+[ \t]+)*"
        rf"\S+[ \t]+\S+[ \t]+{_WORD}",
    ),
    Place(
        r"rabbitmqctl",
        r"\brabbitmqctl\b[^\r\n|;]*[ \t](?:add_user|change_password)[ \t]+"
        rf"\S+[ \t]+{_WORD}",
    ),
    Place(r"aws", rf"\baws[ \t]+configure[ \t]+set[ \t]+\S*(?:secret|token)\S*[ \t]+{_WORD}"),
    Place(
        r"\bmc\b",
        r"\bmc[ \t]+(?:alias[ \t]+set|config[ \t]+host[ \t]+add)[ \t]+"
        rf"\S+[ \t]+\S+[ \t]+\S+[ \t]+{_WORD}",
    ),
    Place(
        r"requirepass|masterauth|auth-pass",
        rf"\b(?:requirepass|masterauth|sentinel[ \t]+auth-pass[ \t]+\S+)[ \t]+{_WORD}",
    ),
    Place(r"storepass|keypass", rf"-(?:(?:src|dest)?(?:store|key)pass)[ \t]+{_WORD}"),
    Place(
        r"chpasswd",
        r"\becho[ \t]+[\"']?[\w.\-]+:([^\s\"']+)[\"']?[ \t]*\|[ \t]*(?:sudo[ \t]+)?chpasswd",
    ),
    # --- files
    Place(
        r":\d{4,5}:",  # .pgpass
        r"(?m:^)[\w.\-*]+:(?:\d{4,5}|\*):[\w\-*]+:[\w.\-*]+:(\S+)(?m:$)",
    ),
    Place(
        r"userlist\.txt",  # pgbouncer
        r"userlist\.txt\\*[\"']?[ \t]*[:=]?[\s'|>\\\-]*\"[^\"\r\n]+\" \"([^\"\r\n]+)\"",
    ),
    Place(
        r"dockerc",
        rf"\.?dockerc(?:onfigjson|fg){_IS}([A-Za-z0-9+/]{{16,}}={{0,2}})",
        "registry password",
    ),
    Place(r"H4sI", rf"\brelease{_IS}(H4sI[A-Za-z0-9+/]{{20,}}={{0,2}})", "Helm release"),
    Place(
        r"Private-Lines",  # PuTTY
        r"Private-Lines: \d{1,4}\s{1,2}((?:[A-Za-z0-9+/=]{40,}\s{1,2})+(?:[A-Za-z0-9+/=]+\s)?)",
        "private key",
    ),
    Place(
        r"(?i)kubeadm|bootstrap|token",
        r"(?i:(?:--token|bootstrap[ \-]token|using token)[ \t:=]+)([a-z0-9]{6}\.[a-z0-9]{16})\b",
    ),
    Place(
        r"\"kty\\*\"",  # the private members of a JSON web key
        r"\"(?:d|p|q|dp|dq|qi|k)\\*\"[ \t]*:[ \t]*\\*\"([A-Za-z0-9_\-]{20,})\\*\"",
        check="jwk",
    ),
)

# Names that hint at a credential in free text, whatever their value looks like.
NAME_HINTS = r"pass|pwd|pw|secret|token|key|cred|dsn|connection|signature|auth|salt|cookie"
