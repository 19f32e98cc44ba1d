"""Makes the golden vectors of the sealed form in docs/vdp.md, with PyPI cryptography and msgpack alone.

Knows nothing of this project but that page. Prints the three contents and both tables, for each AEAD.
"""

import base64

import msgpack
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

ROOM = "!qPNOnUsNsZrToFZqxB:half-shot.uk"
SILENCE = bytes.fromhex("f8fffe")
CHANNEL = 0x8F3A5C1E90B7D264

ASKING = bytes(range(1, 33))
ANSWERING = bytes(range(33, 65))
# By the name that each has in the format's.
AEADS = {"chacha20poly1305": ChaCha20Poly1305, "aes256gcm": AESGCM}
# Canonical JSON, as docs/signalling.md says.
REQUEST = '{"format":"sealed-opus-AEAD","formats":["sealed-opus-AEAD"],"room_id":"!r:x","transaction_id":"t1","version":1}'
OFFER = (
    '{"address":"192.0.2.20","channel_id":"8f3a5c1e90b7d264","epoch":1,"format":"sealed-opus-AEAD","port":29401,'
    '"room_id":"!r:x","share":"%s","transaction_id":"t1","version":1}'
)
ACCEPT = (
    '{"address":"192.0.2.10","channel_id":"8f3a5c1e90b7d264","epoch":1,"format":"sealed-opus-AEAD","port":29400,'
    '"room_id":"!r:x","share":"%s","transaction_id":"t1","version":1}'
)


def share(secret):
    public = X25519PrivateKey.from_private_bytes(secret).public_key()
    return public.public_bytes(Encoding.Raw, PublicFormat.Raw)


def unpadded(data):
    return base64.b64encode(data).rstrip(b"=").decode()


def transcript(aead):
    digest = hashes.Hash(hashes.SHA256())
    for text in contents(aead):
        digest.update(text.encode())
    return digest.finalize()


def keys(aead, salt):
    secret = X25519PrivateKey.from_private_bytes(ASKING).exchange(X25519PublicKey.from_public_bytes(share(ANSWERING)))
    material = HKDF(algorithm=hashes.SHA256(), length=64, salt=salt, info=transcript(aead)).derive(secret)
    return material[:32], material[32:]


def seal(aead, key, counter, voice, index):
    header = bytes([0xC1, 1]) + CHANNEL.to_bytes(8, "big") + counter.to_bytes(8, "big")
    nonce = bytes(4) + counter.to_bytes(8, "big")
    packet = msgpack.packb({"r": ROOM, "d": voice, "i": index})
    return header + AEADS[aead](key).encrypt(nonce, packet, header)


def contents(aead):
    texts = REQUEST, OFFER % unpadded(share(ANSWERING)), ACCEPT % unpadded(share(ASKING))
    return [text.replace("AEAD", aead) for text in texts]


def main():
    for aead in AEADS:
        print("\n".join(contents(aead)), end="\n\n")
        for name, salt in (("none", b""), ("`shared secret`", b"shared secret")):
            from_asking, from_answering = keys(aead, salt)
            print(f"| {name} | `{from_asking.hex()}` | `{from_answering.hex()}` |")
        print()
        from_asking, from_answering = keys(aead, b"")
        for direction, key, counter, voice, index in (
            ("asking to answering", from_asking, 0, b"", 0),
            ("asking to answering", from_asking, 1, SILENCE, 1),
            ("asking to answering", from_asking, 300, SILENCE, 297),
            ("answering to asking", from_answering, 0, b"", 0),
            ("answering to asking", from_answering, 1, SILENCE, 1),
        ):
            datagram = seal(aead, key, counter, voice, index)
            print(f"| {direction} | {counter} | `{datagram.hex()}` | `{ROOM}` | `{voice.hex()}` | {index} |")
        print()


if __name__ == "__main__":
    main()
