"""Another implementation of HPKE (pyhpke) that reads and makes what `node/factory/src/lib.rs` documents.

A line of JSON comes in, a line goes out: {"do": "open" | "seal" | "keygen", ...}.
"""

import base64
import hashlib
import json
import sys

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from pyhpke import AEADId, CipherSuite, KDFId, KEMId, KEMKey

SUITE = CipherSuite.new(KEMId.DHKEM_X25519_HKDF_SHA256, KDFId.HKDF_SHA256, AEADId.AES128_GCM)


def unb64(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def texts(*parts):
    return b"".join(len(part).to_bytes(4, "big") + part for part in parts)


def thumbprint(x):
    json_text = '{"crv":"X25519","kty":"OKP","x":"%s"}' % x
    return b64(hashlib.sha256(json_text.encode()).digest())


def bound(asked):
    info = texts(b"claviger factory 1", asked["key"].get("tenant", "").encode())
    aad = texts(asked["purpose"].encode(), asked["endpoint"].encode(), asked["identity"].encode())
    return info, aad


def do_open(asked):
    info, aad = bound(asked)
    version, kid, body = asked["value"].split(".")
    assert version == "1", version
    assert kid == thumbprint(asked["key"]["x"]), kid
    data = unb64(body)
    private = KEMKey.from_pyca_cryptography_key(X25519PrivateKey.from_private_bytes(unb64(asked["key"]["d"])))
    context = SUITE.create_recipient_context(data[:32], private, info=info)
    return {"secret": context.open(data[32:], aad).hex()}


def do_seal(asked):
    info, aad = bound(asked)
    x = asked["key"]["x"]
    public = KEMKey.from_pyca_cryptography_key(X25519PublicKey.from_public_bytes(unb64(x)))
    enc, context = SUITE.create_sender_context(public, info=info)
    ciphertext = context.seal(bytes.fromhex(asked["secret"]), aad)
    return {"value": "1.%s.%s" % (thumbprint(x), b64(enc + ciphertext))}


def do_keygen(_):
    private = X25519PrivateKey.generate()
    raw = serialization.Encoding.Raw
    d = private.private_bytes(raw, serialization.PrivateFormat.Raw, serialization.NoEncryption())
    x = b64(private.public_key().public_bytes(raw, serialization.PublicFormat.Raw))
    return {"kty": "OKP", "crv": "X25519", "x": x, "d": b64(d), "kid": thumbprint(x)}


def do_pem(asked):
    public = serialization.load_pem_public_key(asked["pem"].encode())
    data = public.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    return {"x": b64(data)}


for line in sys.stdin:
    asked = json.loads(line)
    try:
        answer = globals()["do_" + asked["do"]](asked)
    except Exception as error:  # The test reads it; a value that does not open is one.
        answer = {"error": "%s: %s" % (type(error).__name__, error)}
    print(json.dumps(answer), flush=True)
