"""What client.py and server.py share: the messages of probe.proto, and a failure with details, encoded by hand."""
from dataclasses import dataclass

METHODS = {"Unary": "unary_unary", "ServerStream": "unary_stream", "ClientStream": "stream_unary", "Duplex": "stream_stream"}
SERVICE = "fedcore.tests.Probe"
DETAILS = "grpc-status-details-bin"
OPTIONS = [("grpc.max_receive_message_length", 4 << 20)]


def number(value: int) -> bytes:
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)


def read_number(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        part = data[at]
        value |= (part & 127) << shift
        at, shift = at + 1, shift + 7
        if part < 128:
            return value, at


def encode(*values) -> bytes:
    """A message whose fields are numbered from 1: integers, text and bytes. Defaults are left out."""
    out = []
    for field, value in enumerate(values, 1):
        if not value:
            continue
        if isinstance(value, int):
            out += [number(field << 3), number(value)]
        else:
            content = value.encode() if isinstance(value, str) else value
            out += [number(field << 3 | 2), number(len(content)), content]
    return b"".join(out)


def decode(data: bytes) -> dict:
    """The fields of a message by their numbers: integers and bytes."""
    fields, at = {}, 0
    while at < len(data):
        tag, at = read_number(data, at)
        value, at = read_number(data, at)
        if tag & 7 == 2:
            value, at = data[at:at + value], at + value
        fields[tag >> 3] = value
    return fields


@dataclass
class Ask:
    command: str = ""
    payload: bytes = b""
    count: int = 0
    size: int = 0

    def encode(self) -> bytes:
        return encode(self.command, self.payload, self.count, self.size)

    @staticmethod
    def decode(data: bytes) -> "Ask":
        fields = decode(data)
        return Ask(fields.get(1, b"").decode(), fields.get(2, b""), fields.get(3, 0), fields.get(4, 0))


@dataclass
class Answer:
    payload: bytes = b""
    bytes: int = 0
    messages: int = 0

    def encode(self):
        return encode(self.payload, self.bytes, self.messages)

    @staticmethod
    def decode(data) -> "Answer":
        fields = decode(data)
        return Answer(fields.get(1, b""), fields.get(2, 0), fields.get(3, 0))


def details(code: int, message: str) -> bytes:
    fault = encode("probe.missing", "payload")
    return encode(code, message, encode("type.googleapis.com/fedcore.v1.Fault", fault))
