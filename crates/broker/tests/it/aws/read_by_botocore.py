"""Shows what botocore makes of an answer: reads JSON objects with a call and an answer, prints code and message."""

import base64
import json
import sys

import botocore.session
from botocore.awsrequest import AWSResponse
from botocore.config import Config
from botocore.exceptions import ClientError


class Raw:
    def __init__(self, body):
        self.body = body

    def stream(self, *args, **kwargs):
        return iter((self.body,))

    def read(self, *args, **kwargs):
        return self.body


def main():
    session = botocore.session.get_session()
    session.set_credentials("AKIAPLACEHOLDER", "placeholder")
    config = Config(parameter_validation=False, retries={"total_max_attempts": 3, "mode": "standard"})
    for line in sys.stdin:
        case = json.loads(line)
        client = session.create_client(case["service"], region_name="eu-west-1", config=config)
        sent = []

        def answer(request, **kwargs):
            sent.append(request)
            body = base64.b64decode(case["body"])
            return AWSResponse(request.url, case["status"], case["headers"], Raw(body))

        client.meta.events.register("before-send", answer)
        try:
            client._make_api_call(case["operation"], case["params"])
            result = {"code": "none", "message": ""}
        except ClientError as error:
            result = {"code": error.response["Error"]["Code"], "message": error.response["Error"].get("Message", "")}
        print(json.dumps({**result, "tries": len(sent)}))


main()
