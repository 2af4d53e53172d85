"""What Schemathesis cannot know from the document: lines of devices, signatures, and times."""

import base64
import hashlib
import hmac
import itertools
import json
import os
import re
import time

import requests
import schemathesis
from hypothesis import strategies as st

SECRET = base64.b64decode(os.environ["CLAVIGER_CONNECTOR_SECRET"].removeprefix("whsec_"))


class Signed(requests.auth.AuthBase):
    """Signs what an LwM2M server sends, as Standard Webhooks has it."""

    def __call__(self, request):
        body = request.body or b""
        body = body.encode() if isinstance(body, str) else body
        now = str(int(time.time()))
        signed = b".".join([b"msg_1", now.encode(), body])
        tag = hmac.new(SECRET, signed, hashlib.sha256).digest()
        request.headers["webhook-id"] = "msg_1"
        request.headers["webhook-timestamp"] = now
        request.headers["webhook-signature"] = "v1," + base64.b64encode(tag).decode()
        return request


used = itertools.count()


@schemathesis.hook
def before_call(context, case, kwargs):
    if case.operation.path.endswith("/psk") and case.meta.generation.mode.is_positive:
        kwargs["auth"] = Signed()
    # Schemathesis 4.32.5 sends 0 as an optional header when it covers them, whatever the pattern.
    for name, value in {"If-Match": '"1"', "If-None-Match": "*", "Last-Event-ID": "17-0"}.items():
        if case.meta.generation.mode.is_positive and (case.headers or {}).get(name) == "0":
            case.headers[name] = value
    # Drawn keys are often the same, and a key stands for one request.
    if case.meta.generation.mode.is_positive and "Idempotency-Key" in (case.headers or {}):
        case.headers["Idempotency-Key"] = f"key-{next(used)}"


def line(number, key):
    """A device, as a line of a bulk enrolment has it."""
    name = f"urn:dev:bulk-{number}"
    psk = {"identity": name, "key": {"format": "hex", "value": key}}
    return json.dumps({"endpoint": name, "profile": "profile", "psk": psk})


lines = st.one_of(
    st.builds(line, st.integers(0, 99), st.sampled_from(["00" * 16, "ff" * 64, "00", "x"])),
    st.sampled_from(["", "{", "[]", "null", '{"endpoint":"x"}']),
    st.text(max_size=20),
)
bodies = st.lists(lines, max_size=5).map(lambda some: "\n".join(some).encode())
schemathesis.openapi.media_type("application/x-ndjson", bodies)

# Nobody guesses a thumbprint, or a key that is encrypted to an import key: in what would be in order they are put right.
B32 = re.compile(r"^[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]$")
HPKE = re.compile(r"^1\.[A-Za-z0-9_-]{43}\.([A-Za-z0-9_-]{4}){21,48}$")


def member(value, *names):
    """What stands below these names, if all are there."""
    for name in names:
        value = value.get(name) if isinstance(value, dict) else None
    return value


@schemathesis.hook
def map_body(context, body):
    recipient, key = member(body, "recipient"), member(body, "psk", "key")
    kid, x = member(recipient, "kid"), member(recipient, "x")
    if all(isinstance(text, str) and B32.match(text) for text in (kid, x)):
        text = '{"crv":"X25519","kty":"OKP","x":"%s"}' % x
        kid = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
        return {**body, "recipient": {**recipient, "kid": kid}}
    value = member(key, "value")
    if member(key, "format") == "hpke" and isinstance(value, str) and HPKE.match(value):
        return {**body, "psk": {**body["psk"], "key": {**key, "format": "hex", "value": "00" * 16}}}
    return body


# The document says in words that times are from 1970 on: JSON Schema has no form for that.
moments = st.integers(0, 4_102_444_800)
written = moments.map(lambda at: time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(at)))
schemathesis.openapi.format("date-time", written)
