"""The encryption group of a voice channel (DAVE), on Discord's libdave: which message leads to which answer."""

import struct

import dave

KEY_PACKAGE, COMMIT_WELCOME = 26, 28
TRANSITION_READY, INVALID_COMMIT_WELCOME = 23, 31
# A group is made anew with its first epoch.
FIRST_EPOCH = 1
# Digits of a privacy code, as Discord's clients show it.
CODE_LENGTH, CODE_GROUP = 30, 5


class Group:
    """One member's end of the group. `send` and `send_binary` take (operation, data) for the voice gateway."""

    def __init__(self, user_id, channel_id, send, send_binary):
        self.user_id, self.channel_id = user_id, channel_id
        self.send, self.send_binary = send, send_binary
        self.version = 0
        self.members = {user_id}
        self.failures = []
        self.session = dave.Session(lambda source, reason: self.failures.append(f"{source}: {reason}"))
        self.encryptor = dave.Encryptor()
        self.decryptors = {}
        self.pending = {}
        self.begin(0)

    def assign(self, ssrc):
        self.encryptor.assign_ssrc_to_codec(ssrc, dave.Codec.opus)

    def begin(self, version):
        """Starts without a group; with encryption, asks to be taken into one."""
        self.version = version
        self.encryptor.set_passthrough_mode(version == 0)
        if version == 0:
            self.session.reset()
            return
        key = dave.SignatureKeyPair.generate(version)
        self.session.init(version, int(self.channel_id), self.user_id, key)
        self.send_binary(KEY_PACKAGE, self.session.get_marshalled_key_package())

    def take(self, operation, data):
        """A JSON message of the voice gateway."""
        match operation:
            case 11:
                self.members.update(data["user_ids"])
            case 13:
                self.members.discard(data["user_id"])
                self.decryptors.pop(data["user_id"], None)
            case 21:
                self.prepare(data["transition_id"], data["protocol_version"])
            case 22:
                self.execute(data["transition_id"])
            case 24 if data["epoch"] == FIRST_EPOCH:
                self.begin(data["protocol_version"])

    def take_binary(self, operation, data):
        """A binary message of the voice gateway."""
        match operation:
            case 25:
                self.session.set_external_sender(data)
            case 27:
                if commit := self.session.process_proposals(data, self.members):
                    self.send_binary(COMMIT_WELCOME, commit)
            case 29:
                self.joined(data, self.session.process_commit(data[2:]))
            case 30:
                self.joined(data, self.session.process_welcome(data[2:], self.members))

    def joined(self, data, outcome):
        """What came of a commit or welcome; `outcome` is the roster where it was good."""
        (transition,) = struct.unpack_from(">H", data)
        if outcome is dave.RejectType.ignored:
            return
        if isinstance(outcome, dict):
            self.prepare(transition, self.version)
            return
        self.send(INVALID_COMMIT_WELCOME, {"transition_id": transition})
        self.begin(self.version)

    def prepare(self, transition, version):
        """From now on frames of the new epoch may arrive; own frames follow when it is executed."""
        for member in self.members - {self.user_id}:
            self.set_up(self.decryptor(member), member, version)
        self.pending[transition] = version
        if transition == 0:
            self.execute(transition)
        else:
            self.send(TRANSITION_READY, {"transition_id": transition})

    def execute(self, transition):
        version = self.pending.pop(transition, None)
        if version is None:
            return
        self.version = version
        self.encryptor.set_passthrough_mode(version == 0)
        if version > 0:
            self.encryptor.set_key_ratchet(self.session.get_key_ratchet(self.user_id))
        else:
            self.session.reset()

    def decryptor(self, member):
        if member not in self.decryptors:
            self.decryptors[member] = dave.Decryptor()
            self.set_up(self.decryptors[member], member, self.version)
        return self.decryptors[member]

    def set_up(self, decryptor, member, version):
        decryptor.transition_to_passthrough_mode(version == 0)
        ratchet = self.session.get_key_ratchet(member) if self.session.has_established_group() else None
        if version > 0 and ratchet is not None:
            decryptor.transition_to_key_ratchet(ratchet)

    def encrypt(self, ssrc, opus):
        """The frame as it may leave, or None while there is no key for it."""
        return self.encryptor.encrypt(dave.MediaType.audio, ssrc, opus)

    def decrypt(self, member, frame):
        return self.decryptor(member).decrypt(dave.MediaType.audio, frame)

    def privacy_code(self):
        authenticator = self.session.get_last_epoch_authenticator() if self.version > 0 else None
        return dave.generate_displayable_code(authenticator, CODE_LENGTH, CODE_GROUP) if authenticator else None
