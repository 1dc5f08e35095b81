"""Prints what botocore sends for every operation of the services that are named, one JSON object a line.

Nothing is sent: each request is caught when it is signed and about to leave. Members that an operation needs are
filled with made-up values.
"""

import base64
import json
import sys
import time

import botocore.session
from botocore.awsrequest import AWSResponse
from botocore.config import Config


class Raw:
    """The answer to everything: nothing."""

    def stream(self, *args, **kwargs):
        return iter(())

    def read(self, *args, **kwargs):
        return b""


def value(shape, name, depth=0):
    kind = shape.type_name
    if depth > 8:
        return None
    if kind == "structure":
        members = {}
        wanted = list(shape.required_members)
        if getattr(shape, "is_tagged_union", False) and not wanted:
            wanted = list(shape.members)[:1]
        for member in wanted:
            made = value(shape.members[member], member, depth + 1)
            if made is not None:
                members[member] = made
        return members
    if kind == "list":
        made = value(shape.member, name, depth + 1)
        return [] if made is None else [made]
    if kind == "map":
        return {"key": value(shape.value, name, depth + 1)}
    if kind == "string":
        if shape.enum:
            return shape.enum[0]
        lower = name.lower()
        if "bucket" in lower:
            return "bucket-name"
        if "accountid" in lower:
            return "123456789012"
        return "x" * max(shape.metadata.get("min", 1), 1)
    if kind in ("integer", "long"):
        return max(shape.metadata.get("min", 1), 1)
    if kind in ("float", "double"):
        return 1.5
    if kind == "boolean":
        return True
    if kind == "timestamp":
        return 1700000000
    if kind == "blob":
        return b"blob"
    return None


def main():
    names = sys.argv[1:]
    session = botocore.session.get_session()
    session.set_credentials("AKIAPLACEHOLDER", "placeholder", "the-token")
    config = Config(parameter_validation=False, retries={"total_max_attempts": 1})
    for name in names or session.get_available_services():
        try:
            client = session.create_client(name, region_name="eu-west-1", config=config)
        except Exception as error:
            print(f"{name}: {error}", file=sys.stderr)
            continue
        caught, wanted = [], [""]

        def catch(request, event_name, **kwargs):
            # Some look for their endpoint first; what comes then is not what was asked for.
            if event_name.rsplit(".", 1)[-1] == wanted[0]:
                caught.append(request)
            return AWSResponse(request.url, 200, {}, Raw())

        client.meta.events.register("before-send", catch)
        model = client.meta.service_model
        for operation in model.operation_names:
            shape = model.operation_model(operation)
            if getattr(shape, "auth_type", None) == "none":
                continue
            made = value(shape.input_shape, "") if shape.input_shape else {}
            caught.clear()
            wanted[0] = operation
            try:
                client._make_api_call(operation, made)
            except Exception as error:
                if not caught:
                    print(f"{name}.{operation}: {type(error).__name__} {error}"[:200], file=sys.stderr)
            if not caught:
                continue
            request = caught[0]
            body = request.body
            if hasattr(body, "read"):
                body = body.read()
            if isinstance(body, str):
                body = body.encode()
            decode = lambda text: text.decode() if isinstance(text, bytes) else str(text)
            print(
                json.dumps(
                    {
                        "service": name,
                        "operation": operation,
                        "now": int(time.time()),
                        "method": request.method,
                        "url": request.url,
                        "headers": {key: decode(text) for key, text in request.headers.items()},
                        "body": base64.b64encode(body or b"").decode(),
                    }
                )
            )


main()
