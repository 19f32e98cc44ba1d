"""The homeserver of docker-compose.yml: writes Synapse's configuration, makes what keys are missing, and becomes Synapse."""

import datetime
import json
import os
import pathlib
import secrets

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

DATA = pathlib.Path("/vdp/synapse")
REGISTRATIONS = pathlib.Path("/vdp/registrations")


def make(name, content):
    """Writes a file that only this user may read, unless it is there."""
    path = DATA / name
    if not path.exists():
        path.write_text(content())
    return str(path)


def certificate(server_name):
    """A certificate of one's own, with which the authorisation service of LiveKit is answered, and nobody else."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "homeserver")])
    now = datetime.datetime.now(datetime.timezone.utc)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=3650))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(server_name)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    unencrypted = serialization.NoEncryption()
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, unencrypted)
    return made.public_bytes(pem).decode() + private.decode()


def configuration(server_name, url, livekit_service):
    # The defaults are made for a server that anybody may register at. Here people are known, and calls have many small events.
    limit = {"per_second": 10, "burst_count": 100}
    tls = make("tls.pem", lambda: certificate(server_name))
    transport = {"type": "livekit", "livekit_service_url": livekit_service}
    return {
        "server_name": server_name,
        "public_baseurl": url,
        "pid_file": "/tmp/synapse.pid",
        "listeners": [
            {
                "port": 8008, "type": "http", "bind_addresses": ["0.0.0.0"],
                "resources": [{"names": ["client", "openid"]}],
            },
            {
                "port": 8448, "type": "http", "bind_addresses": ["127.0.0.1"], "tls": True,
                "resources": [{"names": ["openid"]}],
            },
        ],
        "tls_certificate_path": tls,
        "tls_private_key_path": tls,
        "database": {"name": "sqlite3", "args": {"database": str(DATA / "homeserver.db")}},
        "media_store_path": str(DATA / "media"),
        "signing_key_path": make("signing.key", lambda: f"ed25519 a_vdp {secrets.token_urlsafe(32)}\n"),
        "registration_shared_secret_path": make("registration_secret", secrets.token_urlsafe),
        "macaroon_secret_key_path": make("macaroon_secret", secrets.token_urlsafe),
        "form_secret_path": make("form_secret", secrets.token_urlsafe),
        "report_stats": False,
        # No federation: nobody else can come in.
        "federation_domain_whitelist": [],
        "trusted_key_servers": [],
        "app_service_config_files": [str(path) for path in sorted(REGISTRATIONS.glob("*.yaml"))],
        "experimental_features": {"msc4143_enabled": True, "msc4354_enabled": True},
        "matrix_rtc": {"transports": [transport] if livekit_service else []},
        "max_event_delay_duration": "24h",
        "rc_message": limit,
        "rc_delayed_event_mgmt": limit,
        "rc_login": {"address": limit, "account": limit},
        "rc_joins": {"local": limit, "remote": limit},
        "rc_joins_per_room": limit,
        "rc_invites": {"per_room": limit, "per_user": limit, "per_issuer": limit},
        "rc_room_creation": limit,
    }


def main():
    os.umask(0o077)
    names = ("SERVER_NAME", "HOMESERVER_URL", "LIVEKIT_SERVICE_URL")
    path = DATA / "homeserver.yaml"
    # JSON is YAML.
    path.write_text(json.dumps(configuration(*(os.environ[name] for name in names)), indent=2))
    os.chdir(DATA)
    os.execvp("python", ["python", "-m", "synapse.app.homeserver", "--config-path", str(path)])


main()
