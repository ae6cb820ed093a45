"""What the tests have in common: boto3 against the simulator, and nothing taken on trust.

Every reply is compared, member by member, with what botocore made of it: a member that
botocore does not know, or of another type, would be missing there.
"""

import json
import os
import unittest
import urllib.request

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError
from botocore.utils import parse_timestamp

import check

URL = os.environ["LUNORA_SIMULATOR"]
CONFIG = Config(
    region_name="us-west-2",
    retries={"total_max_attempts": 1},
    connect_timeout=5,
    read_timeout=20,
)
WAIT = {"Delay": 0.05, "MaxAttempts": 100}

# Every request that boto3 sent, as scripts/boto check reads it.
SENT = []


def client(service):
    made = boto3.client(
        service,
        endpoint_url=URL,
        config=CONFIG,
        aws_access_key_id="none",
        aws_secret_access_key="none",
    )
    made.meta.events.register("before-send", lambda request, **_: record(service, request))
    made.meta.events.register("after-call", compare)
    return made


def record(service, request):
    path, _, query = request.url.removeprefix(URL).partition("?")
    body = request.body or b""
    body = body.decode() if isinstance(body, bytes) else body
    SENT.append({"service": service, "method": request.method, "path": path, "query": query, "body": body})


def compare(http_response, parsed, model, **_):
    """botocore has everything that was in the body, and of the type that the model says."""
    if http_response.status_code >= 300 or not http_response.content:
        return
    parsed = {name: value for name, value in parsed.items() if name != "ResponseMetadata"}
    raw = json.loads(http_response.content)
    if serialised(parsed, model.output_shape) != timed(raw, model.output_shape):
        raise AssertionError(f"{model.name}: botocore read something else than the simulator wrote")
    if http_response.status_code != model.http["responseCode"]:
        raise AssertionError(f"{model.name}: HTTP {http_response.status_code}")
    check.check_value(model.output_shape, raw, model.name)


def serialised(value, shape):
    """What botocore read, with the names that stand on the wire."""
    kind = shape.type_name
    if kind == "structure":
        names = {name: member.serialization.get("name", name) for name, member in shape.members.items()}
        return {names[name]: serialised(each, shape.members[name]) for name, each in value.items()}
    if kind == "list":
        return [serialised(each, shape.member) for each in value]
    if kind == "map":
        return {key: serialised(each, shape.value) for key, each in value.items()}
    return value


def timed(value, shape):
    """What stands on the wire, with times as botocore reads them."""
    kind = shape.type_name
    if kind == "structure":
        members = {member.serialization.get("name", name): member for name, member in shape.members.items()}
        return {
            name: timed(each, members[name]) if name in members else each for name, each in value.items()
        }
    if kind == "list":
        return [timed(each, shape.member) for each in value]
    if kind == "timestamp":
        return parse_timestamp(value)
    return value


def simulator(method, path, body=None):
    """The simulator's own API."""
    data = None if body is None else json.dumps(body).encode()
    headers = {"content-type": "application/json"}
    request = urllib.request.Request(f"{URL}/_simulator/{path}", data, headers, method=method)
    with urllib.request.urlopen(request, timeout=20) as answer:
        content = answer.read()
    return json.loads(content) if content else None


class Case(unittest.TestCase):
    """A test that begins with an empty account."""

    @classmethod
    def setUpClass(cls):
        cls.mediaconnect = client("mediaconnect")
        cls.medialive = client("medialive")

    def setUp(self):
        simulator("POST", "reset")

    def tearDown(self):
        # What boto3 sends is valid, and so is every answer.
        self.assertEqual(simulator("GET", "violations"), [])

    def refused(self, code, status, call, **arguments):
        with self.assertRaises(ClientError) as caught:
            call(**arguments)
        error = caught.exception
        self.assertEqual(error.response["Error"]["Code"], code)
        self.assertEqual(error.response["ResponseMetadata"]["HTTPStatusCode"], status)
        self.assertTrue(error.response["Error"]["Message"], "the refusal says nothing")
        # The class that the model has for it: botocore knew the error.
        self.assertIs(type(error), getattr(call.__self__.exceptions, code))
        return error.response

    def wait(self, service, waiter, **arguments):
        service.get_waiter(waiter).wait(**arguments, WaiterConfig=WAIT)
