"""The first start of docker-compose.yml, after the homeserver: makes the operator, the people, and the room of the voice channel.

What it has made is noted in people.json; what is noted there is not made again. `python /start/people.py --show` prints it.
"""

import hashlib
import hmac
import json
import os
import pathlib
import secrets
import sys
import urllib.error
import urllib.parse
import urllib.request

HOMESERVER = "http://synapse:8008"
NOTED = pathlib.Path("/vdp/people/people.json")
OPERATOR = "operator"
# Everybody may call in the room, and the bridge show who is in the voice channel; links only the operator sets, whom the bridges trust.
FREE = ("m.call.invite", "org.matrix.msc3401.call.member", "vdp.member")


def ask(method, path, body=None, token=None, allowed=None):
    """The homeserver's answer. Any error ends this program, but that of the allowed code."""
    request = urllib.request.Request(HOMESERVER + path, method=method)
    request.add_header("Content-Type", "application/json")
    if token:
        request.add_header("Authorization", f"Bearer {token}")
    data = None if body is None else json.dumps(body).encode()
    try:
        with urllib.request.urlopen(request, data, timeout=30) as response:
            return json.load(response)
    except urllib.error.HTTPError as error:
        answer = error.read().decode(errors="replace")
        if allowed and allowed in answer:
            return json.loads(answer)
        raise SystemExit(f"{method} {path}: {error.code} {answer}")


def register(name, password):
    """Registers somebody who is not there yet, by the secret that the homeserver keeps for this."""
    path = "/_synapse/admin/v1/register"
    secret = pathlib.Path("/vdp/synapse/registration_secret").read_text().strip()
    nonce = ask("GET", path)["nonce"]
    proof = hmac.new(secret.encode(), "\0".join([nonce, name, password, "notadmin"]).encode(), hashlib.sha1)
    ask("POST", path, {
        "nonce": nonce, "username": name, "password": password, "admin": False, "mac": proof.hexdigest(),
    }, allowed="M_USER_IN_USE")


def log_in(name, password):
    return ask("POST", "/_matrix/client/v3/login", {
        "type": "m.login.password", "password": password, "identifier": {"type": "m.id.user", "user": name},
        "device_id": "FIRSTSTART",
    })["access_token"]


def make_room(server, token, guild, channel):
    bots = [f"@voicebridge:{server}", f"@discordbridge:{server}"]
    link = {
        "bridgebot": bots[1],
        "creator": f"@{OPERATOR}:{server}",
        "protocol": {"id": "discord", "displayname": "Discord"},
        "network": {"id": guild},
        "channel": {"id": channel, "displayname": "Voice"},
    }
    return ask("POST", "/_matrix/client/v3/createRoom", {
        "name": "Voice",
        "preset": "private_chat",
        "power_level_content_override": {"events": {kind: 0 for kind in FREE}},
        "initial_state": [{"type": "m.bridge", "state_key": f"discord://{guild}/{channel}", "content": link}],
        "invite": bots,
    }, token)["room_id"]


def bring_in(server, token, room, name, password):
    """Brings somebody into a room, unless he is there."""
    user, room = f"@{name}:{server}", urllib.parse.quote(room)
    if user not in ask("GET", f"/_matrix/client/v3/rooms/{room}/joined_members", token=token)["joined"]:
        ask("POST", f"/_matrix/client/v3/rooms/{room}/invite", {"user_id": user}, token)
        ask("POST", f"/_matrix/client/v3/join/{room}", {}, log_in(name, password))


def note(noted):
    part = NOTED.with_suffix(".part")
    part.write_text(json.dumps(noted, indent=2))
    part.rename(NOTED)


def main():
    os.umask(0o077)
    noted = json.loads(NOTED.read_text()) if NOTED.exists() else {"passwords": {}, "rooms": {}}
    if "--show" in sys.argv:
        print(json.dumps(noted, indent=2))
        return
    server = os.environ["SERVER_NAME"]
    people = os.environ["PEOPLE"].split()
    place = (os.environ["DISCORD_GUILD"], os.environ["DISCORD_CHANNEL"])
    passwords = noted["passwords"]
    for name in [OPERATOR, *people]:
        passwords.setdefault(name, secrets.token_urlsafe(16))
    # Noted first: a password that got lost on the way could not be made again.
    note(noted)
    for name in [OPERATOR, *people]:
        register(name, passwords[name])
    operator = log_in(OPERATOR, passwords[OPERATOR])
    rooms = noted["rooms"]
    key = "/".join(place)
    if key not in rooms:
        rooms[key] = make_room(server, operator, *place)
    noted["room"] = {"id": rooms[key], "guild_id": place[0], "channel_id": place[1]}
    note(noted)
    for name in people:
        bring_in(server, operator, rooms[key], name, passwords[name])
    print(f"the room of voice channel {place[1]} is {rooms[key]}, its people are {', '.join(people)}")


main()
