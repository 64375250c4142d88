"""Makes tokens of every class of attack that RFC 8725 and public sets of test vectors know, each with
the verdict it must get, and beside them tokens that must pass.

    make_attacks.py FOLDER    writes configurations, keys and tokens there, for a look by hand

Keys are new each time. A case that fails is shown whole, with its keys.
"""

import base64
import dataclasses
import hashlib
import hmac
import json
import pathlib
import sys
import time
import zlib

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, ed448, padding, rsa, utils

NOW = int(time.time())
SECRET = b"a secret of thirty-two bytes, or more"
USER = {"sub": "alice", "tier": "premium"}
VALID = "valid"


@dataclasses.dataclass
class Case:
    name: str
    authorization: list[str]
    verdict: str
    user: str = "alice"  # whom a valid one names


@dataclasses.dataclass
class Suite:
    """Cases under one table `jwt`."""
    name: str
    jwt: str
    files: dict[str, str] = dataclasses.field(default_factory=dict)
    environment: dict[str, str] = dataclasses.field(default_factory=dict)
    cases: list[Case] = dataclasses.field(default_factory=list)

    def add(self, name: str, token: str, verdict: str, user: str = "alice") -> None:
        self.cases.append(Case(name, [f"Bearer {token}"], verdict, user))


# --- writing tokens -------------------------------------------------------------------------------

def b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def raw(part) -> bytes:
    """A part as bytes: what is no bytes yet is written as JSON."""
    return part if isinstance(part, bytes) else json.dumps(part, separators=(",", ":")).encode()


def jws(header, payload, sign) -> str:
    text = f"{b64(raw(header))}.{b64(raw(payload))}"
    return f"{text}.{b64(sign(text.encode()))}"


def hs(secret: bytes, digest=hashlib.sha256):
    return lambda text: hmac.new(secret, text, digest).digest()


def rs(key, digest=None):
    return lambda text: key.sign(text, padding.PKCS1v15(), digest or hashes.SHA256())


def ps(key, salt: int):
    scheme = padding.PSS(padding.MGF1(hashes.SHA256()), salt)
    return lambda text: key.sign(text, scheme, hashes.SHA256())


def es(key, digest=None, size: int = 32, make=lambda r, s: (r, s)):
    def sign(text: bytes) -> bytes:
        r, s = make(*utils.decode_dss_signature(key.sign(text, ec.ECDSA(digest or hashes.SHA256()))))
        return r.to_bytes(size, "big") + s.to_bytes(size, "big")
    return sign


def always(signature: bytes):
    return lambda text: signature


# --- writing keys ---------------------------------------------------------------------------------

def public_bytes(key, encoding=serialization.Encoding.PEM,
                 form=serialization.PublicFormat.SubjectPublicKeyInfo) -> bytes:
    return key.public_key().public_bytes(encoding, form)


def pem_of(key) -> str:
    return public_bytes(key).decode()


def number(value: int, size: int | None = None) -> str:
    return b64(value.to_bytes(size or (value.bit_length() + 7) // 8 or 1, "big"))


def jwk_of(key, **more) -> dict:
    if isinstance(key, bytes):
        return {"kty": "oct", "k": b64(key)} | more
    numbers = key.public_key()
    if isinstance(key, rsa.RSAPrivateKey):
        numbers = numbers.public_numbers()
        return {"kty": "RSA", "n": number(numbers.n), "e": number(numbers.e)} | more
    if isinstance(key, ed25519.Ed25519PrivateKey):
        point = public_bytes(key, serialization.Encoding.Raw, serialization.PublicFormat.Raw)
        return {"kty": "OKP", "crv": "Ed25519", "x": b64(point)} | more
    numbers = numbers.public_numbers()
    curve, size = {"secp256r1": ("P-256", 32), "secp384r1": ("P-384", 48)}[numbers.curve.name]
    return {"kty": "EC", "crv": curve, "x": number(numbers.x, size),
            "y": number(numbers.y, size)} | more


def jwks(*keys: dict) -> str:
    return json.dumps({"keys": keys})


def rsa_key(bits: int = 2048, exponent: int = 65537):
    return rsa.generate_private_key(exponent, bits)


# --- suites ---------------------------------------------------------------------------------------

def hmac_suite(name: str, more: str = "") -> Suite:
    return Suite(name, f'algorithms = ["HS256"]\n{more}', environment={"JWT_SECRET": SECRET.decode()})


def form_suite() -> Suite:
    """What is no compact JWS, no strict base64url, or no strict JSON, though it is signed."""
    suite = hmac_suite("form")
    sign = hs(SECRET)
    header = {"alg": "HS256"}
    good = jws(header, USER, sign)
    head, body, tail = good.split(".")
    suite.add("sibling", good, VALID)
    suite.add("one part", head, "malformed")
    suite.add("two parts", f"{head}.{body}", "malformed")
    suite.add("an empty signature", f"{head}.{body}.", "bad_signature")
    suite.add("four parts", f"{good}.{tail}", "malformed")
    suite.add("five parts, as a JWE has", f"{good}.{tail}.{tail}", "malformed")
    suite.add("a dot behind", good + ".", "malformed")
    suite.add("a dot in front", "." + good, "malformed")
    suite.add("only dots", "..", "malformed")
    suite.add("an empty header", f".{body}.{tail}", "malformed")
    suite.add("JSON serialization", json.dumps({"protected": head, "payload": body,
                                                "signature": tail}), "malformed")

    # base64: of what stands in the parts, and of what was signed.
    for part in range(3):
        for what, change in {"padding": lambda it: it + "=" * (-len(it) % 4 or 4),
                             "one more character": lambda it: it + "A" * (1 + (len(it) % 4 == 0)),
                             "a line break": lambda it: it[:4] + "\t" + it[4:],
                             "a blank": lambda it: it[:4] + " " + it[4:],
                             "a percent escape": lambda it: it[:4] + "%41" + it[5:],
                             "a byte above 0x7f": lambda it: it[:4] + "\u00e4" + it[5:]}.items():
            parts = good.split(".")
            parts[part] = change(parts[part])
            signed = f"{parts[0]}.{parts[1]}"
            if part < 2:  # and the mistake is signed
                parts[2] = b64(sign(signed.encode("latin-1")))
            only_longer = part == 2 and what == "one more character"
            suite.add(f"{what} in part {part + 1}", ".".join(parts),
                      "bad_signature" if only_longer else "malformed")
    stray = tail[:-1] + chr(ord(tail[-1]) + 1)  # 32 bytes leave two bits over
    suite.add("stray bits in the signature", f"{head}.{body}.{stray}", "malformed")
    for spaces in range(20):
        text = b64(json.dumps(USER | {"x": " " * spaces}).encode())
        if len(text) % 4 == 0:
            continue
        loose = f"{head}.{text[:-1]}{chr(ord(text[-1]) + 1)}"
        suite.add(f"stray bits in the payload, {spaces}", f"{loose}.{b64(sign(loose.encode()))}",
                  "malformed")
    plus = json.dumps(USER | {"x": "\u00fb\u00ff\u00fe>>>???"}, ensure_ascii=False).encode()
    standard = f"{head}.{base64.b64encode(plus).rstrip(b'=').decode()}"
    assert "+" in standard or "/" in standard
    suite.add("the alphabet of standard base64", f"{standard}.{b64(sign(standard.encode()))}",
              "malformed")
    suite.add("hexadecimal signature", f"{head}.{body}.{base64.urlsafe_b64decode(tail + '=').hex()}",
              "bad_signature")

    # JSON that two parsers could read differently, or not at all.
    for what, text in {
            "a member twice": b'{"sub":"bob","sub":"alice"}',
            "a member twice, once escaped": b'{"sub":"alice","\\u0073ub":"bob"}',
            "a member twice, within another": b'{"sub":"alice","x":{"a":1,"a":2}}',
            "a member twice, far apart": b'{"sub":"bob",' + b"".join(
                b'"x%d":0,' % i for i in range(300)) + b'"sub":"alice"}',
            "no UTF-8": b'{"sub":"alice\xff"}',
            "overlong UTF-8": b'{"sub":"alice","x":"\xc0\xae"}',
            "UTF-16": '{"sub":"alice"}'.encode("utf-16"),
            "a byte order mark": b'\xef\xbb\xbf{"sub":"alice"}',
            "half a surrogate pair": b'{"sub":"alice\\ud800"}',
            "NUL behind": b'{"sub":"alice"}\0',
            "NUL in a string": b'{"sub":"alice\0"}',
            "text behind": b'{"sub":"alice"}{"sub":"bob"}',
            "a comma too many": b'{"sub":"alice",}',
            "a comment": b'{"sub":"alice"/*,"sub":"bob"*/}',
            "single quotes": b"{'sub':'alice'}",
            "a name without quotes": b'{sub:"alice"}',
            "NaN": b'{"sub":"alice","exp":NaN}',
            "Infinity": b'{"sub":"alice","exp":Infinity}',
            "a leading zero": b'{"sub":"alice","exp":0%d}' % (NOW + 60),
            "a line break in a string": b'{"sub":"al\nice"}',
            "deep nesting": b'{"sub":"alice","x":' + b"[" * 1000 + b"]" * 1000 + b"}",
            "nesting without end": b"[" * 5000,
            "an array": b'["alice"]',
            "a string": b'"alice"',
            "a number": b"42",
            "null": b"null",
            "nothing": b"",
            "a form": b"sub=alice"}.items():
        suite.add(f"payload: {what}", jws(header, text, sign), "malformed")
    for what, text in {
            "algorithm twice": b'{"alg":"none","alg":"HS256"}',
            "algorithm twice, the other way": b'{"alg":"HS256","alg":"none"}',
            "algorithm twice, once escaped": b'{"alg":"HS256","\\u0061lg":"none"}',
            "no algorithm": b'{"typ":"JWT"}',
            "algorithm a list": b'{"alg":["HS256"]}',
            "algorithm null": b'{"alg":null}',
            "algorithm a number": b'{"alg":0}',
            "kid a number": b'{"alg":"HS256","kid":1}',
            "kid a list": b'{"alg":"HS256","kid":["a"]}',
            "an array": b'["HS256"]',
            "a string": b'"HS256"',
            "nothing": b"",
            "no JSON": b"alg=HS256",
            "no UTF-8": b'{"alg":"HS256","x":"\xff"}',
            "NUL behind": b'{"alg":"HS256"}\0',
            "deep nesting": b'{"alg":"HS256","x":' + b"[" * 1000 + b"]" * 1000 + b"}"}.items():
        suite.add(f"header: {what}", jws(text, USER, sign), "malformed")
    suite.add("sibling: escapes alone", jws(b'{"\\u0061lg":"HS\\u0032\\u0035\\u0036"}', USER, sign),
              VALID)
    suite.add("sibling: blanks in JSON", jws(b' {\r\n\t"alg" : "HS256" } ', USER, sign), VALID)
    suite.add("sibling: nesting within bounds",
              jws(header, USER | {"x": [[[[{"a": {"a": 1}}]]]]}, sign), VALID)
    suite.add("a token within a token", jws(header | {"cty": "JWT"}, good.encode(), sign),
              "malformed")
    deflate = zlib.compressobj(wbits=-15)
    suite.add("a compressed payload",
              jws(header | {"zip": "DEF"}, deflate.compress(raw(USER)) + deflate.flush(), sign),
              "malformed")
    for length, verdict in ((5_900, VALID), (7_000, "too_large"), (200_000, "too_large")):
        if length < 100_000:  # as a command line takes it
            suite.add(f"{length} bytes of payload", jws(header, USER | {"x": "x" * length}, sign),
                      verdict)
    return suite


def header_suite() -> Suite:
    """What a header may ask for in vain."""
    suite = hmac_suite("header")
    sign = hs(SECRET)
    text = f"{b64(raw({'alg': 'HS256'}))}.{b64(raw(USER))}"
    suite.add("sibling", f"{text}.{b64(sign(text.encode()))}", VALID)
    for name in ("none", "None", "NONE", "nOnE", "noNe", "none ", " none", "none\0", "", "null",
                 "no\u006ee", "HS256\0", "hs256", "Hs256", "HS-256", "HS256,none", "HMAC", "A128KW",
                 "dir", "HS384", "HS512", "RS256", "ES256", "ES256K", "EdDSA", "PS384", "HS1"):
        for what, signature in (("", b""), (", signed", None)):
            token = jws({"alg": name}, USER, sign if signature is None else always(signature))
            suite.add(f"algorithm {name!r}{what}", token, "wrong_algorithm")
    for what, digest in (("HS384", hashlib.sha384), ("HS512", hashlib.sha512)):
        suite.add(f"really signed by {what}", jws({"alg": what}, USER, hs(SECRET, digest)),
                  "wrong_algorithm")
        suite.add(f"really signed by {what}, but said otherwise",
                  jws({"alg": "HS256"}, USER, hs(SECRET, digest)), "bad_signature")
        suite.add(f"signed by {what}, cut to 32 bytes",
                  jws({"alg": "HS256"}, USER, lambda it, d=digest: hs(SECRET, d)(it)[:32]),
                  "bad_signature")
    for what, signature in {
            "of another payload": hs(SECRET)(b"x"), "all zeros": bytes(32),
            "cut by a byte": hs(SECRET)(text.encode())[:-1],
            "half": hs(SECRET)(text.encode())[:16], "one byte": hs(SECRET)(text.encode())[:1],
            "longer": hs(SECRET)(text.encode()) + b"\0",
            "twice": hs(SECRET)(text.encode()) * 2, "reversed": hs(SECRET)(text.encode())[::-1],
            "a plain hash": hashlib.sha256(text.encode()).digest(),
            "a hash behind the secret": hashlib.sha256(SECRET + text.encode()).digest()}.items():
        suite.add(f"signature: {what}", f"{text}.{b64(signature)}", "bad_signature")
    for secret in (b"", b"secret", b"\0" * 32, SECRET[:-1], SECRET + b"\n", b64(SECRET).encode(),
                   base64.b64encode(SECRET), SECRET.hex().encode(), b"JWT_SECRET", b"null"):
        suite.add(f"signed with {secret[:12]!r}", jws({"alg": "HS256"}, USER, hs(secret)),
                  "bad_signature")
    for kid in ("../../../../dev/null", "/dev/null", "file:///dev/null", "' OR 1=1 --",
                "x' UNION SELECT 'AA", "| cat /etc/passwd", "\0", "http://attacker.example/k", ""):
        suite.add(f"kid {kid!r}, and an empty secret",
                  jws({"alg": "HS256", "kid": kid}, USER, hs(b"")), "bad_signature")
        suite.add(f"kid {kid!r}, and AA", jws({"alg": "HS256", "kid": kid}, USER, hs(b"AA")),
                  "bad_signature")
        suite.add(f"sibling: kid {kid!r} names no secret",
                  jws({"alg": "HS256", "kid": kid}, USER, sign), VALID)
    for what, more in {"exp": {"crit": ["exp"], "exp": NOW + 60}, "nothing": {"crit": []},
                       "no list": {"crit": True}, "null": {"crit": None},
                       "alg": {"crit": ["alg"]}, "unknown": {"crit": ["x"], "x": 1},
                       "b64": {"crit": ["b64"], "b64": False}}.items():
        suite.add(f"critical: {what}", jws({"alg": "HS256"} | more, USER, sign), "critical")
    suite.add("sibling: b64 true", jws({"alg": "HS256", "b64": True}, USER, sign), VALID)
    for value in (False, 0, "false", None):
        suite.add(f"b64 {value!r}", jws({"alg": "HS256", "b64": value}, USER, sign), "critical")
    head = b64(raw({"alg": "HS256", "b64": False, "crit": ["b64"]}))
    suite.add("an unencoded payload", f"{head}.alice.{b64(sign(f'{head}.alice'.encode()))}",
              "critical")
    for kind in ("JWT", "at+jwt", "dpop+jwt", "secevent+jwt", "JOSE"):
        suite.add(f"sibling: type {kind}", jws({"alg": "HS256", "typ": kind}, USER, sign), VALID)
    return suite


def embedded_keys(key) -> dict[str, dict]:
    """Keys that a token brings along."""
    der = public_bytes(key, serialization.Encoding.DER)
    return {"jwk": {"jwk": jwk_of(key)}, "jku": {"jku": "https://attacker.example/jwks.json"},
            "jku of a file": {"jku": "file:///tmp/jwks.json"},
            "x5u": {"x5u": "https://attacker.example/x.pem"},
            "x5c": {"x5c": [base64.b64encode(der).decode()]},
            "x5t": {"x5t": b64(hashlib.sha1(der).digest())}, "all": {
                "jwk": jwk_of(key), "jku": "https://attacker.example/", "x5u": "x", "x5c": ["x"]}}


def confused(key) -> dict[str, bytes]:
    """A public key as somebody might take it for a secret."""
    pem = public_bytes(key)
    return {"PEM": pem, "PEM without its last line break": pem.rstrip(b"\n"),
            "PEM with CRLF": pem.replace(b"\n", b"\r\n"), "PEM in one line": pem.replace(b"\n", b""),
            "its base64": b"".join(pem.splitlines()[1:-1]),
            "DER": public_bytes(key, serialization.Encoding.DER),
            "JWK": json.dumps(jwk_of(key)).encode(), "JWK, dense": raw(jwk_of(key)),
            "a member": next(iter(value for name, value in jwk_of(key).items()
                                  if name in "nx")).encode()}


def rsa_suite() -> Suite:
    key, other = rsa_key(), rsa_key()
    size = 256
    n = key.public_key().public_numbers().n
    suite = Suite("rsa", 'algorithms = ["RS256"]\npublic_key_file = "key.pem"\n',
                  {"key.pem": pem_of(key)})
    header = {"alg": "RS256"}
    good = jws(header, USER, rs(key))
    text = good.rpartition(".")[0]
    suite.add("sibling", good, VALID)
    suite.add("sibling: a name means nothing", jws(header | {"kid": "x"}, USER, rs(key)), VALID)
    for what, secret in confused(key).items():
        suite.add(f"HS256 with the public key as {what}",
                  jws({"alg": "HS256"}, USER, hs(secret)), "wrong_algorithm")
        suite.add(f"RS256 that is an HMAC with the public key as {what}",
                  jws(header, USER, hs(secret)), "bad_signature")
    suite.add("another key", jws(header, USER, rs(other)), "bad_signature")
    for what, more in embedded_keys(other).items():
        suite.add(f"another key, embedded as {what}", jws(header | more, USER, rs(other)),
                  "bad_signature")
        suite.add(f"sibling: ours beside {what}", jws(header | more, USER, rs(key)), VALID)
    suite.add("SHA-1", jws(header, USER, rs(key, hashes.SHA1())), "bad_signature")
    suite.add("SHA-512", jws(header, USER, rs(key, hashes.SHA512())), "bad_signature")
    suite.add("RS512", jws({"alg": "RS512"}, USER, rs(key, hashes.SHA512())), "wrong_algorithm")
    suite.add("PSS that says RS256", jws(header, USER, ps(key, 32)), "bad_signature")
    suite.add("PS256", jws({"alg": "PS256"}, USER, ps(key, 32)), "wrong_algorithm")
    signature = rs(key)(text.encode())
    value = int.from_bytes(signature, "big")
    for what, forged in {
            "nothing": b"", "zero": bytes(size), "one": (1).to_bytes(size, "big"),
            "the modulus": n.to_bytes(size, "big"), "the modulus less one": (n - 1).to_bytes(size, "big"),
            "a leading zero": b"\0" + signature, "a byte short": signature[:-1],
            "without its first byte": signature[1:], "twice": signature * 2,
            "negative": (n - value).to_bytes(size, "big"),
            "plus the modulus": (value + n).to_bytes(size + 1, "big")}.items():
        suite.add(f"signature: {what}", f"{text}.{b64(forged)}", "bad_signature")
    return suite


def small_exponent_suite() -> Suite:
    """Signatures that are roots of a number whose end nobody looks at (Bleichenbacher 2006)."""
    key = rsa_key(exponent=3)
    suite = Suite("rsa exponent 3", 'algorithms = ["RS256"]\npublic_key_file = "key.pem"\n',
                  {"key.pem": pem_of(key)})
    suite.add("sibling", jws({"alg": "RS256"}, USER, rs(key)), VALID)
    text = f"{b64(raw({'alg': 'RS256'}))}.{b64(raw(USER))}"
    info = bytes.fromhex("3031300d060960864801650304020105000420")
    digest = hashlib.sha256(text.encode()).digest()
    for filling in (b"\xff", b"\xff" * 8, b""):
        front = b"\0\1" + filling + b"\0" + info + digest
        target = int.from_bytes(front + b"\xff" * (256 - len(front)), "big")
        low, high = 0, 1 << 700
        while low < high:  # the largest number whose cube is not above
            middle = (low + high + 1) // 2
            low, high = (middle, high) if middle ** 3 <= target else (low, middle - 1)
        assert (low ** 3).to_bytes(256, "big").startswith(front)
        suite.add(f"a root, {len(filling)} bytes of filling",
                  f"{text}.{b64(low.to_bytes(256, 'big'))}", "bad_signature")
    return suite


def pss_suite() -> Suite:
    key = rsa_key()
    suite = Suite("pss", 'algorithms = ["PS256"]\npublic_key_file = "key.pem"\n',
                  {"key.pem": pem_of(key)})
    header = {"alg": "PS256"}
    suite.add("sibling", jws(header, USER, ps(key, 32)), VALID)
    for salt in (0, 1, 20, 31, 33, 64, 222):
        suite.add(f"a salt of {salt} bytes", jws(header, USER, ps(key, salt)), "bad_signature")
    scheme = padding.PSS(padding.MGF1(hashes.SHA1()), 32)
    suite.add("MGF1 with SHA-1", jws(header, USER, lambda it: key.sign(it, scheme, hashes.SHA256())),
              "bad_signature")
    suite.add("PKCS #1", jws(header, USER, rs(key)), "bad_signature")
    suite.add("RS256", jws({"alg": "RS256"}, USER, rs(key)), "wrong_algorithm")
    return suite


ORDERS = {"P-256": 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551,
          "P-384": int("ffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db2"
                       "48b0a77aecec196accc52973", 16)}


def ec_suite(curve: str) -> Suite:
    size, digest, name, ours = {
        "P-256": (32, hashes.SHA256(), "ES256", ec.SECP256R1()),
        "P-384": (48, hashes.SHA384(), "ES384", ec.SECP384R1())}[curve]
    key, other = ec.generate_private_key(ours), ec.generate_private_key(ours)
    n = ORDERS[curve]
    suite = Suite(curve, f'algorithms = ["{name}"]\npublic_key_file = "key.pem"\n',
                  {"key.pem": pem_of(key)})
    header = {"alg": name}
    sign = es(key, digest, size)
    suite.add("sibling", jws(header, USER, sign), VALID)
    suite.add("sibling: the other s",
              jws(header, USER, es(key, digest, size, lambda r, s: (r, n - s))), VALID)
    suite.add("ASN.1", jws(header, USER, lambda it: key.sign(it, ec.ECDSA(digest))),
              "bad_signature")
    numbers = {"0": 0, "1": 1, "n": n, "n - 1": n - 1, "n + 1": n + 1, "2^": (1 << 8 * size) - 1}
    for first, r in numbers.items():
        for second, s in numbers.items():
            suite.add(f"r = {first}, s = {second}",
                      jws(header, USER, always(r.to_bytes(size, "big") + s.to_bytes(size, "big"))),
                      "bad_signature")
    for what, make in {"swapped": lambda r, s: (s, r), "r = 0": lambda r, s: (0, s),
                       "s = 0": lambda r, s: (r, 0), "s = n": lambda r, s: (r, n),
                       "r negative": lambda r, s: (n - r, s)}.items():
        suite.add(f"pair: {what}", jws(header, USER, es(key, digest, size, make)), "bad_signature")
    for what, change in {"nothing": lambda it: b"", "half": lambda it: it[:size],
                         "a byte short": lambda it: it[:-1], "a byte more": lambda it: it + b"\0",
                         "a zero before each": lambda it: b"\0" + it[:size] + b"\0" + it[size:],
                         "twice": lambda it: it * 2}.items():
        suite.add(f"signature: {what}", jws(header, USER, lambda it, c=change: c(sign(it))),
                  "bad_signature")
    suite.add("another key", jws(header, USER, es(other, digest, size)), "bad_signature")
    for what, more in embedded_keys(other).items():
        suite.add(f"another key, embedded as {what}",
                  jws(header | more, USER, es(other, digest, size)), "bad_signature")
    for foreign in (ec.SECP256K1(), ec.SECP521R1(), ec.BrainpoolP256R1(), ec.SECP384R1(),
                    ec.SECP256R1()):
        if foreign.name != ours.name:
            suite.add(f"a key of {foreign.name}",
                      jws(header, USER, es(ec.generate_private_key(foreign), digest, 66)),
                      "bad_signature")
    wrong = hashes.SHA384() if curve == "P-256" else hashes.SHA256()
    suite.add("another digest", jws(header, USER, es(key, wrong, size)), "bad_signature")
    for what, secret in confused(key).items():
        suite.add(f"HS256 with the public key as {what}", jws({"alg": "HS256"}, USER, hs(secret)),
                  "wrong_algorithm")
    for what in ("ES256", "ES384", "ES512", "ES256K"):
        if what != name:
            suite.add(f"{what} with our key", jws({"alg": what}, USER, sign), "wrong_algorithm")
    return suite


def eddsa_suite() -> Suite:
    order = (1 << 252) + 27742317777372353535851937790883648493
    key, other = ed25519.Ed25519PrivateKey.generate(), ed25519.Ed25519PrivateKey.generate()
    suite = Suite("EdDSA", 'algorithms = ["EdDSA"]\njwks_file = "keys.json"\n')
    neutral = (1).to_bytes(32, "little")
    suite.files["keys.json"] = jwks(jwk_of(key, kid="a"), {
        "kty": "OKP", "crv": "Ed25519", "kid": "small", "x": b64(neutral)})
    header = {"alg": "EdDSA"}
    suite.add("sibling", jws(header, USER, key.sign), VALID)
    suite.add("sibling: by name", jws(header | {"kid": "a"}, USER, key.sign), VALID)
    for factor in (1, 2, 8, 15):
        def malleable(text: bytes, factor: int = factor) -> bytes:
            signature = key.sign(text)
            s = int.from_bytes(signature[32:], "little") + factor * order
            return signature[:32] + (s % (1 << 256)).to_bytes(32, "little")
        suite.add(f"S + {factor} L", jws(header, USER, malleable), "bad_signature")
    suite.add("a key of small order", jws(header | {"kid": "small"}, USER,
                                          always(neutral + bytes(32))), "unknown_key")
    suite.add("the neutral point and zero", jws(header, USER, always(neutral + bytes(32))),
              "bad_signature")
    suite.add("all zeros", jws(header, USER, always(bytes(64))), "bad_signature")
    suite.add("nothing", jws(header, USER, always(b"")), "bad_signature")
    suite.add("a byte more", jws(header, USER, lambda it: key.sign(it) + b"\0"), "bad_signature")
    suite.add("another key", jws(header, USER, other.sign), "bad_signature")
    suite.add("another key, embedded", jws(header | {"jwk": jwk_of(other)}, USER, other.sign),
              "bad_signature")
    suite.add("Ed448", jws(header, USER, ed448.Ed448PrivateKey.generate().sign), "bad_signature")
    suite.add("Ed25519 as a name", jws({"alg": "Ed25519"}, USER, key.sign), "wrong_algorithm")
    suite.add("in small letters", jws({"alg": "eddsa"}, USER, key.sign), "wrong_algorithm")
    return suite


def key_set_suite() -> Suite:
    """Sets of many keys, of which a token may choose only by name and kind."""
    rsa_one, rsa_two, weak = rsa_key(), rsa_key(), rsa_key(1024)
    p256, p384 = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP384R1())
    encrypting, sealed = rsa_key(), rsa_key()
    secret, short = b"k" * 32, b"short"
    n = rsa_one.public_key().public_numbers().n
    suite = Suite("key set", 'algorithms = ["RS256", "RS512", "ES256", "ES384", "HS256"]\n'
                             'jwks_file = "keys.json"\n')
    suite.files["keys.json"] = jwks(
        jwk_of(rsa_one, kid="one", use="sig", alg="RS256"), jwk_of(rsa_two, kid="two"),
        jwk_of(p256, kid="p256"), jwk_of(p384, kid="p384"), jwk_of(secret, kid="secret"),
        jwk_of(weak, kid="weak"), jwk_of(encrypting, kid="enc", use="enc"),
        jwk_of(sealed, kid="ops", key_ops=["encrypt", "wrapKey"]),
        jwk_of(short, kid="short"), {"kty": "oct", "kid": "empty", "k": ""},
        {"kty": "RSA", "kid": "exponent 1", "n": number(n), "e": "AQ"},
        {"kty": "EC", "crv": "P-521", "kid": "p521", "x": "AA", "y": "AA"},
        {"kty": "EC", "crv": "P-256", "kid": "off the curve", "x": number(1, 32), "y": number(1, 32)},
        {"kty": "none", "kid": "odd"}, jwk_of(rsa_one, kid="twin"), jwk_of(p256, kid="twin"),
        jwk_of(rsa_two, kid="mixed", alg="HS256"))

    def rs256(key, **more):
        return jws({"alg": "RS256"} | more, USER, rs(key))

    suite.add("sibling: one", rs256(rsa_one, kid="one"), VALID)
    suite.add("sibling: two", rs256(rsa_two, kid="two"), VALID)
    suite.add("sibling: two without a name", rs256(rsa_two), VALID)
    suite.add("sibling: P-256", jws({"alg": "ES256", "kid": "p256"}, USER, es(p256)), VALID)
    suite.add("sibling: P-384", jws({"alg": "ES384", "kid": "p384"}, USER,
                                    es(p384, hashes.SHA384(), 48)), VALID)
    suite.add("sibling: secret", jws({"alg": "HS256", "kid": "secret"}, USER, hs(secret)), VALID)
    suite.add("sibling: RS512 where the key says nothing",
              jws({"alg": "RS512", "kid": "two"}, USER, rs(rsa_two, hashes.SHA512())), VALID)
    suite.add("sibling: two keys of one name, by kind", rs256(rsa_one, kid="twin"), VALID)
    suite.add("sibling: the other of that name",
              jws({"alg": "ES256", "kid": "twin"}, USER, es(p256)), VALID)
    suite.add("the name of another key", rs256(rsa_one, kid="two"), "bad_signature")
    for kid in ("three", "", "ONE", "one ", "one\0", "keys.json", "../keys.json", "/dev/null",
                "0", "' OR '1'='1", "https://attacker.example/jwks.json", "o\u043de"):
        suite.add(f"kid {kid!r}", rs256(rsa_one, kid=kid), "unknown_key")
    suite.add("RS512 where the key is for RS256",
              jws({"alg": "RS512", "kid": "one"}, USER, rs(rsa_one, hashes.SHA512())),
              "unknown_key")
    suite.add("a weak key", rs256(weak, kid="weak"), "unknown_key")
    suite.add("a weak key without its name", rs256(weak), "bad_signature")
    suite.add("a key for encryption", rs256(encrypting, kid="enc"), "unknown_key")
    suite.add("a key for other operations", rs256(sealed, kid="ops"), "unknown_key")
    suite.add("a key that says HS256", rs256(rsa_two, kid="mixed"), "unknown_key")
    for kid, key in (("short", short), ("empty", b""), ("odd", b""), ("p521", b"")):
        suite.add(f"secret {kid}", jws({"alg": "HS256", "kid": kid}, USER, hs(key)), "unknown_key")
    suite.add("exponent 1", jws({"alg": "RS256", "kid": "exponent 1"}, USER, padded_text),
              "unknown_key")
    suite.add("a point off the curve",
              jws({"alg": "ES256", "kid": "off the curve"}, USER, es(p256)), "unknown_key")
    suite.add("ES384 with the name of P-256",
              jws({"alg": "ES384", "kid": "p256"}, USER, es(p256, hashes.SHA384(), 48)),
              "unknown_key")
    suite.add("ES256 with the name of P-384",
              jws({"alg": "ES256", "kid": "p384"}, USER, es(p384, hashes.SHA256(), 48)),
              "unknown_key")
    suite.add("PS256", jws({"alg": "PS256", "kid": "two"}, USER, ps(rsa_two, 32)),
              "wrong_algorithm")
    for what, as_secret in (confused(rsa_one) | confused(rsa_two)).items():
        for kid, verdict in (("one", "unknown_key"), ("secret", "bad_signature"),
                             (None, "bad_signature")):
            name = {} if kid is None else {"kid": kid}
            suite.add(f"HS256 with a public key as {what}, kid {kid}",
                      jws({"alg": "HS256"} | name, USER, hs(as_secret)), verdict)
    return suite


def padded_text(text: bytes) -> bytes:
    """What a signature by an exponent of 1 would be."""
    info = bytes.fromhex("3031300d060960864801650304020105000420")
    end = info + hashlib.sha256(text).digest()
    return b"\0\1" + b"\xff" * (256 - 3 - len(end)) + b"\0" + end


def public_set_suite() -> Suite:
    """HS256 is configured, and the set has public keys only."""
    key = rsa_key()
    suite = Suite("public set", 'algorithms = ["RS256", "HS256"]\njwks_file = "keys.json"\n',
                  {"keys.json": jwks(jwk_of(key, kid="a"))})
    suite.add("sibling", jws({"alg": "RS256"}, USER, rs(key)), VALID)
    for what, secret in (confused(key) | {"nothing": b""}).items():
        for more in ({}, {"kid": "a"}):
            suite.add(f"HS256 with {what}, {more}", jws({"alg": "HS256"} | more, USER, hs(secret)),
                      "unknown_key")
    return suite


def claims_suite() -> Suite:
    # A leeway of an hour, and times far from its ends: a slow machine takes a while for them all.
    suite = hmac_suite("claims", 'issuer = "https://issuer.example"\naudience = "api"\nleeway = "1h"\n')
    right = {"iss": "https://issuer.example", "aud": "api"}

    def add(name: str, claims, verdict: str, user: str = "alice"):
        suite.add(name, jws({"alg": "HS256"}, claims, hs(SECRET)), verdict, user)

    full = USER | right
    add("sibling", full, VALID)
    add("sibling: audience in a list", full | {"aud": ["web", "api"]}, VALID)
    for what, issuer in {"another": "https://attacker.example", "a list": [right["iss"]],
                         "longer": right["iss"] + "/", "in capitals": right["iss"].upper(),
                         "null": None, "empty": "", "with NUL": right["iss"] + "\0"}.items():
        add(f"issuer {what}", full | {"iss": issuer}, "wrong_issuer")
    add("no issuer", USER | {"aud": "api"}, "wrong_issuer")
    for what, audience in {"another": "web", "a list of others": ["web", "apis"], "empty": "",
                           "an empty list": [], "an object": {"api": True}, "null": None,
                           "nested": [["api"]], "in capitals": "API", "a prefix": "ap"}.items():
        add(f"audience {what}", full | {"aud": audience}, "wrong_audience")
    add("no audience", USER | {"iss": right["iss"]}, "wrong_audience")

    for what, moment, verdict in (
            ("sibling: exp in a minute", NOW + 60, VALID), ("sibling: exp, a fraction", NOW + 60.5, VALID),
            ("sibling: exp within the leeway", NOW - 1800, VALID), ("exp two hours ago", NOW - 7200, "expired"),
            ("exp 0", 0, "expired"), ("exp negative", -1, "expired"),
            ("exp very negative", -10 ** 300, "expired"), ("exp long ago, a fraction", 1.5, "expired"),
            ("sibling: exp in the far future", 10 ** 15, VALID),
            ("sibling: exp huge", 10 ** 300, VALID), ("exp a string", str(NOW + 60), "malformed"),
            ("exp a date", "2099-01-01T00:00:00Z", "malformed"), ("exp null", None, "malformed"),
            ("exp true", True, "malformed"), ("exp a list", [NOW + 60], "malformed"),
            ("exp an object", {"at": NOW + 60}, "malformed")):
        add(what, full | {"exp": moment}, verdict)
    head = raw(full)[:-1]
    for what, text in {"exp 1e400": b"1e400", "exp -1e400": b"-1e400"}.items():
        add(what, head + b',"exp":' + text + b"}", "malformed")
    add("exp in milliseconds, long ago", full | {"exp": 1_000}, "expired")
    add("sibling: nbf now", full | {"nbf": NOW}, VALID)
    add("sibling: nbf within the leeway", full | {"nbf": NOW + 1800}, VALID)
    add("nbf in three hours", full | {"nbf": NOW + 10800}, "not_yet_valid")
    add("nbf huge", full | {"nbf": 10 ** 300}, "not_yet_valid")
    add("nbf a string", full | {"nbf": str(NOW)}, "malformed")
    add("nbf null", full | {"nbf": None}, "malformed")
    add("expired, and for others", USER | {"exp": NOW - 7200}, "expired")

    for what, user, named in (("a string", "42", "42"), ("an integer", 42, "42"),
                              ("a negative integer", -7, "-7"), ("text", "\u00e4 b", None),
                              ("256 bytes", "x" * 256, "x" * 256)):
        add(f"sibling: user {what}", full | {"user_id": user}, VALID, named or user)
    for what, user in {"empty": "", "257 bytes": "x" * 257, "a fraction": 4.2, "null": None,
                       "true": True, "a list": ["alice"], "an object": {"id": "alice"},
                       "above 64 bits": 1 << 64}.items():
        add(f"user {what}", full | {"user_id": user}, "no_user")
    add("user 1e2", raw(full)[:-1] + b',"user_id":1e2}', "no_user")
    add("nobody", right, "no_user")
    return suite


def unverified_suite() -> Suite:
    suite = Suite("unverified", 'algorithms = ["HS256"]\nverify_signature = false\n')
    suite.add("sibling: any signature", jws({"alg": "HS256"}, USER, always(b"x")), VALID)
    suite.add("none", jws({"alg": "none"}, USER, always(b"")), "wrong_algorithm")
    suite.add("expired", jws({"alg": "HS256"}, USER | {"exp": 1}, always(b"x")), "expired")
    suite.add("no payload", jws({"alg": "HS256"}, b"", always(b"x")), "malformed")
    return suite


def request_suite() -> Suite:
    """How a token comes along."""
    suite = hmac_suite("request")
    token = jws({"alg": "HS256"}, USER, hs(SECRET))
    other = jws({"alg": "HS256"}, USER | {"sub": "bob"}, hs(SECRET))
    for scheme in ("Bearer", "bearer", "BEARER", "bEaReR"):
        suite.cases.append(Case(f"sibling: {scheme}", [f"{scheme} {token}"], VALID))
    suite.cases.append(Case("sibling: two lines alike", [f"Bearer {token}"] * 2, VALID))
    for name, lines, verdict in (
            ("none", [], "missing"), ("empty", [""], "missing"), ("Basic", ["Basic YTpi"], "missing"),
            ("no scheme", [token], "missing"), ("another scheme", [f"DPoP {token}"], "missing"),
            ("no token", ["Bearer"], "malformed"),
            ("two tokens in a line", [f"Bearer {token} {other}"], "malformed"),
            ("two tokens with a comma", [f"Bearer {token}, Bearer {other}"], "malformed"),
            ("in quotes", [f'Bearer "{token}"'], "malformed"),
            ("two lines that differ", [f"Bearer {token}", f"Bearer {other}"], "ambiguous"),
            ("a bad line first", ["Bearer x", f"Bearer {token}"], "ambiguous"),
            ("a bad line behind", [f"Bearer {token}", "Basic YTpi"], "ambiguous")):
        suite.cases.append(Case(name, lines, verdict))
    return suite


def all_suites() -> list[Suite]:
    return [form_suite(), header_suite(), rsa_suite(), small_exponent_suite(), pss_suite(),
            ec_suite("P-256"), ec_suite("P-384"), eddsa_suite(), key_set_suite(),
            public_set_suite(), claims_suite(), unverified_suite(), request_suite()]


def write(suite: Suite, folder: pathlib.Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in suite.files.items():
        (folder / name).write_text(text)
    (folder / "limits.toml").write_text(
        "[rate_limiting]\n[rate_limiting.client_identification.jwt]\n" + suite.jwt +
        '[[rate_limiting.tiers]]\nname = "premium"\nlimit = 5000\nwindow = 60\n')


def main() -> None:
    root = pathlib.Path(sys.argv[1])
    for suite in all_suites():
        folder = root / suite.name.replace(" ", "-")
        write(suite, folder)
        (folder / "environment").write_text(
            "".join(f"{name}={value}\n" for name, value in suite.environment.items()))
        (folder / "cases.json").write_text(
            json.dumps([dataclasses.asdict(case) for case in suite.cases], indent=1))


if __name__ == "__main__":
    main()
