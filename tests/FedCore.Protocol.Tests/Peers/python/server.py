"""grpcio's server with the service of probe.proto. Prints its port, and ends with its standard input."""
import collections
import sys
import threading
from concurrent import futures

import grpc

from probe import DETAILS, METHODS, OPTIONS, SERVICE, Answer, Ask, details

signals = collections.defaultdict(threading.Event)


def obey(ask: Ask, context: grpc.ServicerContext) -> bool:
    """Whether a stream shall end here."""
    name = ask.payload.decode() if ask.command in ("wait", "signal", "fail") else ""
    if ask.command == "fail":
        context.set_trailing_metadata(((DETAILS, details(grpc.StatusCode.NOT_FOUND.value[0], name)),))
        context.abort(grpc.StatusCode.NOT_FOUND, name)
    elif ask.command == "throw":
        raise ValueError("thrown")
    elif ask.command == "wait":
        ended = threading.Event()
        context.add_callback(ended.set)
        signals[name + " begun"].set()
        ended.wait()
        signals[name + " cancelled"].set()
        context.abort(grpc.StatusCode.CANCELLED, "waited")
    elif ask.command == "signal":
        signals[name].wait(timeout=context.time_remaining())
    elif ask.command == "metadata":
        sent = [(key, value) for key, value in context.invocation_metadata() if key.startswith("x-")]
        context.send_initial_metadata(sent)
        context.set_trailing_metadata(sent)
    return ask.command == "early"


def answer_to(ask: Ask) -> Answer:
    return Answer(ask.payload + bytes(ask.size))


def unary(ask, context):
    obey(ask, context)
    return answer_to(ask)


def server_stream(ask, context):
    for _ in range(ask.count):
        yield answer_to(ask)
    obey(ask, context)


def client_stream(asks, context):
    answer = Answer()
    for ask in asks:
        if obey(ask, context):
            break
        answer.messages += 1
        answer.bytes += len(ask.payload)
    return answer


def duplex(asks, context):
    for ask in asks:
        if obey(ask, context):
            return
        yield answer_to(ask)


handlers = {"Unary": unary, "ServerStream": server_stream, "ClientStream": client_stream, "Duplex": duplex}
server = grpc.server(futures.ThreadPoolExecutor(max_workers=32), options=OPTIONS)
server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, {
    name: getattr(grpc, kind + "_rpc_method_handler")(handlers[name], Ask.decode, Answer.encode) for name, kind in METHODS.items()
}),))
print(server.add_insecure_port("127.0.0.1:0"), flush=True)
server.start()
sys.stdin.read()
server.stop(None)
