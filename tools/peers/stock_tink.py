"""Format v2 as a program with stock Tink alone reads and writes it: no code of ours, only what docs/format_v2.md says.

open SMALL BIG DEVICE_KEY OUT     the grant by HybridDecrypt, the big part by StreamingAead
encrypt CEK_HEX AAD_HEX IN OUT    a big part by StreamingAead
decrypt CEK_HEX AAD_HEX IN OUT    the other way round
wrap PUBLIC_HEX INFO_HEX CEK_HEX  prints enc || ct of HybridEncrypt in hex
"""
import base64
import hashlib
import json
import sys

import tink
from tink import hybrid, secret_key_access, streaming_aead

COPY_BYTES = 1 << 20
STREAMING_PARAMS = "0880804010201803"  # AesGcmHkdfStreamingParams: segments of 1 MiB, derived key of 32 B, SHA-256
HPKE_PARAMS = "080110011802"  # DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, AES-256-GCM


def field(number, payload):
    """A length-delimited field of a protocol buffer."""
    size, length = len(payload), b""
    while size > 0x7F:
        length += bytes([size & 0x7F | 0x80])
        size >>= 7
    return bytes([number << 3 | 2]) + length + bytes([size]) + payload


def handle(type_name, value, material):
    keyset = {
        "primaryKeyId": 1,
        "key": [{
            "keyData": {
                "typeUrl": "type.googleapis.com/google.crypto.tink." + type_name,
                "value": base64.b64encode(value).decode(),
                "keyMaterialType": material,
            },
            "status": "ENABLED",
            "keyId": 1,
            "outputPrefixType": "RAW",
        }],
    }
    return tink.json_proto_keyset_format.parse(json.dumps(keyset), secret_key_access.TOKEN)


def streaming(cek):
    value = field(2, bytes.fromhex(STREAMING_PARAMS)) + field(3, cek)
    return handle("AesGcmHkdfStreamingKey", value, "SYMMETRIC").primitive(streaming_aead.StreamingAead)


def public_key(point):
    return field(2, bytes.fromhex(HPKE_PARAMS)) + field(3, point)


def b64u(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def copy(source, sink):
    while chunk := source.read(COPY_BYTES):
        sink.write(chunk)


def encrypt(cek, aad, source, target):
    with open(source, "rb") as plain, streaming(cek).new_encrypting_stream(open(target, "wb"), aad) as sealed:
        copy(plain, sealed)


def decrypt(cek, aad, source, target):
    with open(target, "wb") as plain, streaming(cek).new_decrypting_stream(open(source, "rb"), aad) as sealed:
        copy(sealed, plain)


def open_resource(small, big, device_key, target):
    part = json.load(open(small))
    key = json.load(open(device_key))
    payload = b64u(part["manifest"].split(".")[1])
    manifest, grant = json.loads(payload), part["grant"]
    info = b"v2-grant\0" + hashlib.sha256(payload).digest() + "\0{kid}\0{user}\0{exp}".format(**grant).encode()
    value = field(2, public_key(b64u(key["x"]))) + field(3, b64u(key["d"]))
    primitive = handle("HpkePrivateKey", value, "ASYMMETRIC_PRIVATE").primitive(hybrid.HybridDecrypt)
    cek = primitive.decrypt(b64u(grant["enc"]) + b64u(grant["ct"]), info)
    aad = "\0".join(["v2", manifest["folder"], manifest["name"], manifest["version"]]).encode()
    decrypt(cek, aad, big, target)


def wrap(public, info, cek):
    primitive = handle("HpkePublicKey", public_key(public), "ASYMMETRIC_PUBLIC").primitive(hybrid.HybridEncrypt)
    print(primitive.encrypt(cek, info).hex())


def main(command, *args):
    hybrid.register()
    streaming_aead.register()
    if command == "open":
        open_resource(*args)
    elif command == "wrap":
        wrap(*map(bytes.fromhex, args))
    else:
        cek, aad, source, target = args
        {"encrypt": encrypt, "decrypt": decrypt}[command](bytes.fromhex(cek), bytes.fromhex(aad), source, target)


if __name__ == "__main__":
    main(*sys.argv[1:])
