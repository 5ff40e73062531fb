"""grpcio's client against a server with the service of probe.proto: prints a line "ok NAME" or "failed NAME: WHY" for each scenario. Arguments: HOST:PORT"""
import os
import sys
import threading
import traceback

import grpc

from probe import DETAILS, METHODS, OPTIONS, SERVICE, Answer, Ask, details

CHUNK, CHUNKS, PATIENCE = 256 << 10, 200, 20
MESSAGE = "no such thing: \u00c4pfel, 100 % \u6f22\nsecond line"

channel = grpc.insecure_channel(sys.argv[1], options=OPTIONS)
call = {name: getattr(channel, kind)(f"/{SERVICE}/{name}", Ask.encode, Answer.decode) for name, kind in METHODS.items()}
unary, server_stream, client_stream, duplex = (call[name] for name in METHODS)


def signal(name):
    unary(Ask("signal", name.encode()), timeout=PATIENCE)


def fails(code, act):
    try:
        act()
    except grpc.RpcError as failure:
        assert failure.code() == code, failure
        return failure
    raise AssertionError(f"{code} was expected")


def fails_with_details(act):
    failure = fails(grpc.StatusCode.NOT_FOUND, act)
    assert failure.details() == MESSAGE, failure.details()
    assert dict(failure.trailing_metadata())[DETAILS] == details(5, MESSAGE)


def unary_answers():
    assert unary(Ask(payload=b"hello"), timeout=PATIENCE) == Answer(b"hello")


def unary_empty():
    assert unary(Ask(), timeout=PATIENCE) == Answer()


def unary_large():
    payload = os.urandom(3 << 20)
    assert unary(Ask(payload=payload), timeout=PATIENCE).payload == payload


def unary_too_large():
    fails(grpc.StatusCode.RESOURCE_EXHAUSTED, lambda: unary(Ask(payload=bytes(5 << 20)), timeout=PATIENCE))


def unary_fails():
    fails_with_details(lambda: unary(Ask("fail", MESSAGE.encode()), timeout=PATIENCE))


def unary_throws():
    failure = fails(grpc.StatusCode.UNKNOWN, lambda: unary(Ask("throw"), timeout=PATIENCE))
    assert "swordfish" not in failure.details()


def unary_missing():
    missing = channel.unary_unary(f"/{SERVICE}/Missing", Ask.encode, Answer.decode)
    fails(grpc.StatusCode.UNIMPLEMENTED, lambda: missing(Ask(), timeout=PATIENCE))
    nowhere = channel.unary_unary("/no.Service/Method", Ask.encode, Answer.decode)
    fails(grpc.StatusCode.UNIMPLEMENTED, lambda: nowhere(Ask(), timeout=PATIENCE))


def unary_compressed():
    fails(grpc.StatusCode.UNIMPLEMENTED, lambda: unary(Ask(payload=bytes(1000)), timeout=PATIENCE, compression=grpc.Compression.Gzip))


def unary_metadata():
    sent = (("x-text", "plain, with a comma"), ("x-bytes-bin", bytes(range(256))), ("x-many", "one"), ("x-many", "two"))
    _, done = unary.with_call(Ask("metadata"), timeout=PATIENCE, metadata=sent)
    for came in (done.initial_metadata(), done.trailing_metadata()):
        values = dict(came)
        assert values["x-text"] == "plain, with a comma" and values["x-bytes-bin"] == bytes(range(256)), came
        assert ",".join(value for key, value in came if key == "x-many") == "one,two", came


def unary_deadline():
    name = "python-unary-deadline"
    fails(grpc.StatusCode.DEADLINE_EXCEEDED, lambda: unary(Ask("wait", name.encode()), timeout=1))
    signal(name + " cancelled")


def unary_cancelled():
    name = "python-unary-cancelled"
    pending = unary.future(Ask("wait", name.encode()), timeout=PATIENCE)
    signal(name + " begun")
    pending.cancel()
    assert pending.code() == grpc.StatusCode.CANCELLED
    signal(name + " cancelled")


def server_stream_answers():
    assert list(server_stream(Ask(payload=b"again", count=100), timeout=PATIENCE)) == [Answer(b"again")] * 100


def server_stream_empty():
    assert list(server_stream(Ask(), timeout=PATIENCE)) == []


def server_stream_fails():
    answers = server_stream(Ask("fail", MESSAGE.encode(), 3), timeout=PATIENCE)
    for _ in range(3):
        next(answers)
    fails_with_details(lambda: next(answers))


def server_stream_deadline():
    name = "python-stream-deadline"
    fails(grpc.StatusCode.DEADLINE_EXCEEDED, lambda: list(server_stream(Ask("wait", name.encode(), 1), timeout=1)))
    signal(name + " cancelled")


def server_stream_cancelled():
    name = "python-stream-cancelled"
    answers = server_stream(Ask("wait", name.encode(), 1), timeout=PATIENCE)
    next(answers)
    signal(name + " begun")
    answers.cancel()
    fails(grpc.StatusCode.CANCELLED, lambda: next(answers))
    signal(name + " cancelled")


def server_stream_big():
    payload = os.urandom(CHUNK)
    count = 0
    for answer in server_stream(Ask(payload=payload, count=CHUNKS), timeout=PATIENCE):
        assert answer.payload == payload
        count += 1
    assert count == CHUNKS


def client_stream_counts():
    for count in (0, 1, 100):
        assert client_stream(iter([Ask(payload=b"ten bytes.")] * count), timeout=PATIENCE) == Answer(b"", 10 * count, count)


def client_stream_fails_early():
    def asks():
        yield Ask("fail", MESSAGE.encode())
        yield from endless()
    fails_with_details(lambda: client_stream(asks(), timeout=PATIENCE))


def client_stream_answered_early():
    def asks():
        yield Ask(payload=b"one")
        yield Ask("early")
        yield from endless()
    assert client_stream(asks(), timeout=PATIENCE) == Answer(b"", 3, 1)


def client_stream_cancelled():
    name, over = "python-client-stream-cancelled", threading.Event()

    def asks():
        yield Ask("wait", name.encode())
        over.wait()
    pending = client_stream.future(asks(), timeout=PATIENCE)
    signal(name + " begun")
    pending.cancel()
    signal(name + " cancelled")
    over.set()


def client_stream_big():
    payload = os.urandom(CHUNK)
    answer = client_stream((Ask(payload=payload) for _ in range(CHUNKS)), timeout=PATIENCE)
    assert answer == Answer(b"", CHUNK * CHUNKS, CHUNKS), answer


def duplex_converses():
    answered = threading.Semaphore()

    def asks():
        for i in range(50):
            answered.acquire()
            yield Ask(payload=b"%d" % i)
    for i, answer in enumerate(duplex(asks(), timeout=PATIENCE)):
        assert answer.payload == b"%d" % i
        answered.release()
    assert i == 49


def duplex_fails():
    answers = duplex(iter([Ask(payload=b"well"), Ask("fail", MESSAGE.encode())]), timeout=PATIENCE)
    assert next(answers) == Answer(b"well")
    fails_with_details(lambda: next(answers))


def duplex_big():
    payload = os.urandom(CHUNK)
    count = 0
    for answer in duplex((Ask(payload=payload) for _ in range(CHUNKS)), timeout=PATIENCE):
        assert answer.payload == payload
        count += 1
    assert count == CHUNKS


def endless():
    while True:
        yield Ask(payload=bytes(1000))


for name, scenario in [(name, act) for name, act in globals().items() if name.startswith(("unary_", "server_stream_", "client_stream_", "duplex_"))]:
    try:
        scenario()
        print(f"ok {name}", flush=True)
    except Exception as fault:
        print(f"failed {name}: {type(fault).__name__} {fault}".replace("\n", " "), flush=True)
        traceback.print_exc()
