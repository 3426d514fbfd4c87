"""The other side of the tests of gRPC, by grpcio.

    interop.py PROTO ask PORT     asks the server on that port whatever a client can, and says "passed"
    interop.py PROTO serve        serves until its standard input ends, and says on which port
"""

import concurrent.futures
import sys
import tempfile
import threading
import time
from importlib import resources
from pathlib import Path

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase
from grpc_tools import protoc

proto = Path(sys.argv[1])
generated = tempfile.TemporaryDirectory()
arguments = ["protoc", f"-I{proto.parent}", f"-I{resources.files('grpc_tools') / '_proto'}"]
arguments += [f"--python_out={generated.name}", f"--grpc_python_out={generated.name}", str(proto)]
if protoc.main(arguments) != 0:
    sys.exit("protoc failed")
sys.path.insert(0, generated.name)
import greeter_pb2 as pb  # noqa: E402
import greeter_pb2_grpc as services  # noqa: E402


def fails(code, call):
    try:
        call()
    except grpc.RpcError as error:
        assert error.code() == code, f"{error.code()} and not {code}: {error.details()}"
        return error
    raise AssertionError(f"it did not fail by {code}")


def ask(port):
    channel = grpc.insecure_channel(f"127.0.0.1:{port}")
    greeter = services.GreeterStub(channel)
    hello = pb.HelloRequest(name="Ada")

    reply, call = greeter.SayHello.with_call(hello, metadata=[("echo", "text"), ("echo-bin", b"\0\xff")])
    assert reply.message == "Hello, Ada!"
    assert ("echo", "text") in call.initial_metadata() and ("echo-bin", b"\0\xff") in call.initial_metadata()

    error = fails(grpc.StatusCode.FAILED_PRECONDITION, lambda: greeter.SayHello(pb.HelloRequest(name="fails")))
    assert error.details() == "no – not now"
    assert ("reason", "none") in error.trailing_metadata()
    assert ("grpc-status-details-bin", b"\0details") in error.trailing_metadata()

    # A deadline that the server is told, and one that nobody needs.
    left = greeter.SayHello(pb.HelloRequest(name="deadline"), timeout=60).number
    # grpcio rounds it up a little.
    assert 1000 < left <= 61000, left
    assert greeter.SayHello(pb.HelloRequest(name="deadline")).message == "None"
    began = time.monotonic()
    fails(grpc.StatusCode.DEADLINE_EXCEEDED, lambda: greeter.SayHello(pb.HelloRequest(name="waits"), timeout=0.2))
    assert time.monotonic() - began >= 0.19

    # A call that is cancelled once it has begun: its server waits for that.
    replies = greeter.SayManyTimes(pb.HelloRequest(name="waits"))
    assert next(replies).number == 1
    replies.cancel()
    fails(grpc.StatusCode.CANCELLED, lambda: next(replies))

    numbers = [reply.number for reply in greeter.SayManyTimes(pb.HelloRequest(name="Ada", times=50))]
    assert numbers == list(range(1, 51))
    assert greeter.GreetAll(pb.HelloRequest(name=str(n)) for n in range(50)).number == 50
    assert greeter.GreetAll(iter([])).number == 0
    talk = greeter.Converse(pb.HelloRequest(name=str(n)) for n in range(50))
    assert [reply.message for reply in talk] == [f"Hello, {n}!" for n in range(50)]

    # A stream that is read in part, slowly, and larger messages than windows.
    flood = greeter.SayManyTimes(pb.HelloRequest(name="floods"))
    for number in range(300):
        reply = next(flood)
        assert reply.number == number and len(reply.padding) == 16 * 1024
    flood.cancel()
    assert len(greeter.SayHello(pb.HelloRequest(name="large", times=3_000_000)).padding) == 3_000_000
    fails(grpc.StatusCode.RESOURCE_EXHAUSTED, lambda: greeter.SayHello(pb.HelloRequest(name="large", times=5_000_000)))
    too_large = pb.HelloRequest(name="Ada", padding=bytes(5_000_000))
    fails(grpc.StatusCode.OUT_OF_RANGE, lambda: greeter.SayHello(too_large))
    fails(grpc.StatusCode.RESOURCE_EXHAUSTED,
          lambda: greeter.GreetAll(iter([hello]), metadata=[("mode", "refuses")]))
    say_nothing = channel.unary_unary("/greeter.Greeter/SayNothing")
    fails(grpc.StatusCode.UNIMPLEMENTED, lambda: say_nothing(b""))

    # Many at once.
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        names = [f"number {n}" for n in range(200)]
        replies = pool.map(lambda name: greeter.SayHello(pb.HelloRequest(name=name)).message, names)
        assert list(replies) == [f"Hello, {name}!" for name in names]

    health = health_pb2_grpc.HealthStub(channel)
    for service in ["", "greeter.Greeter"]:
        serving = health.Check(health_pb2.HealthCheckRequest(service=service))
        assert serving.status == health_pb2.HealthCheckResponse.SERVING
    fails(grpc.StatusCode.NOT_FOUND, lambda: health.Check(health_pb2.HealthCheckRequest(service="nobody")))
    watch = health.Watch(health_pb2.HealthCheckRequest(service="greeter.Greeter"))
    assert next(watch).status == health_pb2.HealthCheckResponse.SERVING
    watch.cancel()

    reflected = ProtoReflectionDescriptorDatabase(channel)
    assert "greeter.Greeter" in reflected.get_services()
    assert reflected.FindFileContainingSymbol("greeter.HelloReply").name == "greeter.proto"
    try:
        reflected.FindFileByName("nobody.proto")
        raise AssertionError("there is such a file")
    except KeyError:
        pass
    channel.close()
    print("passed")


class Greeter(services.GreeterServicer):
    def __init__(self):
        self.cancelled = threading.Semaphore(0)

    def SayHello(self, request, context):
        if request.name == "waits":
            context.add_callback(self.cancelled.release)
            while context.is_active():
                time.sleep(0.01)
            return pb.HelloReply()
        if request.name == "was cancelled":
            return pb.HelloReply(number=int(self.cancelled.acquire(timeout=30)))
        if request.name == "deadline":
            left = context.time_remaining()
            return pb.HelloReply(message="None" if left is None else "Some", number=int((left or 0) * 1000) % 2**32)
        if request.name == "fails":
            context.set_trailing_metadata([("reason", "none"), ("grpc-status-details-bin", b"\0details")])
            context.abort(grpc.StatusCode.FAILED_PRECONDITION, "no – not now")
        if request.name == "large":
            return pb.HelloReply(padding=bytes(request.times))
        metadata = [item for item in context.invocation_metadata() if item.key.startswith("echo")]
        context.send_initial_metadata(metadata)
        return pb.HelloReply(message=f"Hello, {request.name}!")

    def SayManyTimes(self, request, context):
        if request.name == "floods":
            context.add_callback(self.cancelled.release)
            number = 0
            while context.is_active():
                yield pb.HelloReply(number=number, padding=bytes(16 * 1024))
                number += 1
            return
        for number in range(1, request.times + 1):
            yield pb.HelloReply(message=f"Hello, {request.name}!", number=number)

    def GreetAll(self, requests, context):
        count = 0
        context.add_callback(self.cancelled.release)
        for _ in requests:
            count += 1
        return pb.HelloReply(number=count)

    def Converse(self, requests, context):
        for number, request in enumerate(requests, start=1):
            yield pb.HelloReply(message=f"Hello, {request.name}!", number=number)


def serve():
    server = grpc.server(concurrent.futures.ThreadPoolExecutor(8))
    services.add_GreeterServicer_to_server(Greeter(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    print(port, flush=True)
    sys.stdin.read()
    server.stop(1).wait()


if sys.argv[2] == "ask":
    ask(sys.argv[3])
else:
    serve()
