"""boto3 drives flows, their sources and their outputs."""

import time
import urllib.error
import urllib.parse
import urllib.request

import botocore.exceptions

import support

ROLE = "arn:aws:iam::123456789012:role/media"
SECRET = "arn:aws:secretsmanager:us-west-2:123456789012:secret:srt"
NONE = "arn:aws:mediaconnect:us-west-2:123456789012:flow:1-none:none"
NO_OUTPUT = "arn:aws:mediaconnect:us-west-2:123456789012:output:1-none:none"
NO_SOURCE = "arn:aws:mediaconnect:us-west-2:123456789012:source:1-none:none"
SOURCE = {
    "Name": "main",
    "Protocol": "srt-listener",
    "IngestPort": 5000,
    "WhitelistCidr": "192.0.2.0/24",
    "MinLatency": 200,
    "Decryption": {"KeyType": "srt-password", "SecretArn": SECRET, "RoleArn": ROLE},
}
TLS = {"EncryptionType": "PUBLIC", "EncryptionConfiguration": {"Public": {}}}


def rtmp(name, **changes):
    output = {
        "Name": name,
        "Protocol": "rtmp-push",
        "Destination": f"{name}.example.com",
        "Port": 443,
        "OutputStatus": "DISABLED",
        "Description": "lunora",
        "RtmpPushSettings": {
            "ApplicationName": "live2?backup=1",
            "StreamName": "a key",
            "TlsEncryption": TLS,
        },
    }
    return {**output, **changes}


class Flow(support.Case):
    def flow(self, name="studio", **more):
        created = self.mediaconnect.create_flow(Name=name, Source=SOURCE, **more)
        return created["Flow"]["FlowArn"]

    def running(self):
        arn = self.flow()
        self.mediaconnect.start_flow(FlowArn=arn)
        self.wait(self.mediaconnect, "flow_active", FlowArn=arn)
        return arn

    def add(self, arn, *outputs):
        added = self.mediaconnect.add_flow_outputs(FlowArn=arn, Outputs=list(outputs))
        self.settled(arn)
        return [output["OutputArn"] for output in added["Outputs"]]

    def settled(self, arn):
        """A running flow is UPDATING for a while after each write."""
        flow = self.describe(arn)
        while flow["Status"] == "UPDATING":
            time.sleep(0.05)
            flow = self.describe(arn)
        return flow

    def describe(self, arn):
        return self.mediaconnect.describe_flow(FlowArn=arn)["Flow"]

    def output(self, arn, output):
        return next(each for each in self.describe(arn)["Outputs"] if each["OutputArn"] == output)


class FlowLife(Flow):
    def test_a_flow_lives_from_standby_to_gone(self):
        mediaconnect = self.mediaconnect
        arn = self.flow(FlowTags={"a": "1"})
        flow = self.describe(arn)
        self.assertEqual((flow["Name"], flow["Status"]), ("studio", "STANDBY"))
        self.assertEqual(flow["Source"]["IngestPort"], 5000)
        self.assertEqual(flow["Source"]["Transport"]["MinLatency"], 200)
        self.assertEqual(flow["Source"]["Decryption"]["KeyType"], "srt-password")
        self.assertEqual(mediaconnect.start_flow(FlowArn=arn)["Status"], "STARTING")
        self.wait(mediaconnect, "flow_active", FlowArn=arn)
        self.assertEqual(mediaconnect.stop_flow(FlowArn=arn)["Status"], "STOPPING")
        self.wait(mediaconnect, "flow_standby", FlowArn=arn)
        self.assertEqual(mediaconnect.delete_flow(FlowArn=arn)["Status"], "DELETING")
        self.wait(mediaconnect, "flow_deleted", FlowArn=arn)
        self.refused("NotFoundException", 404, mediaconnect.describe_flow, FlowArn=arn)

    def test_a_wrong_status_is_a_bad_request(self):
        arn = self.flow()
        bad = ("BadRequestException", 400)
        self.refused(*bad, self.mediaconnect.stop_flow, FlowArn=arn)
        self.mediaconnect.start_flow(FlowArn=arn)
        for call in (self.mediaconnect.start_flow, self.mediaconnect.delete_flow):
            self.refused(*bad, call, FlowArn=arn)
        self.refused(*bad, self.mediaconnect.add_flow_outputs, FlowArn=arn, Outputs=[rtmp("a")])
        self.wait(self.mediaconnect, "flow_active", FlowArn=arn)
        self.refused(*bad, self.mediaconnect.delete_flow, FlowArn=arn)

    def test_what_is_not_there_is_not_found(self):
        missing = ("NotFoundException", 404)
        mediaconnect = self.mediaconnect
        for call in (
            mediaconnect.describe_flow, mediaconnect.start_flow, mediaconnect.stop_flow,
            mediaconnect.delete_flow, mediaconnect.update_flow, mediaconnect.describe_flow_source_metadata,
        ):
            self.refused(*missing, call, FlowArn=NONE)
        arn = self.flow()
        for flow in (NONE, arn):
            self.refused(*missing, mediaconnect.update_flow_output, FlowArn=flow, OutputArn=NO_OUTPUT)
            self.refused(*missing, mediaconnect.remove_flow_output, FlowArn=flow, OutputArn=NO_OUTPUT)
            self.refused(*missing, mediaconnect.update_flow_source, FlowArn=flow, SourceArn=NO_SOURCE)
            self.refused(*missing, mediaconnect.remove_flow_source, FlowArn=flow, SourceArn=NO_SOURCE)
        self.refused(*missing, mediaconnect.add_flow_outputs, FlowArn=NONE, Outputs=[rtmp("a")])
        self.refused(*missing, mediaconnect.add_flow_sources, FlowArn=NONE, Sources=[SOURCE])
        self.refused(*missing, mediaconnect.list_tags_for_resource, ResourceArn=NONE)
        self.refused(*missing, mediaconnect.tag_resource, ResourceArn=NONE, Tags={"a": "1"})
        self.refused(*missing, mediaconnect.untag_resource, ResourceArn=NONE, TagKeys=["a"])

    def test_twenty_flows_are_most_and_pages_have_each_once(self):
        arns = [self.flow(f"flow-{number}") for number in range(20)]
        self.refused("CreateFlow420Exception", 420, self.mediaconnect.create_flow, Name="more", Source=SOURCE)
        pages = self.mediaconnect.get_paginator("list_flows").paginate(PaginationConfig={"PageSize": 7})
        listed = [[flow["FlowArn"] for flow in page["Flows"]] for page in pages]
        self.assertEqual([len(page) for page in listed], [7, 7, 6])
        self.assertEqual(sorted(sum(listed, [])), sorted(arns))
        self.refused("BadRequestException", 400, self.mediaconnect.list_flows, NextToken="x")

    def test_tags_are_kept(self):
        arn = self.flow(FlowTags={"a": "1"})
        [output] = self.add(arn, rtmp("a", OutputTags={"c": "3"}))
        self.mediaconnect.tag_resource(ResourceArn=arn, Tags={"b": "2"})
        self.mediaconnect.untag_resource(ResourceArn=arn, TagKeys=["a"])
        tags = self.mediaconnect.list_tags_for_resource
        self.assertEqual(tags(ResourceArn=arn)["Tags"], {"b": "2"})
        self.assertEqual(tags(ResourceArn=output)["Tags"], {"c": "3"})

    def test_too_many_calls_are_refused(self):
        with self.assertRaises(self.mediaconnect.exceptions.TooManyRequestsException) as caught:
            for _ in range(60):
                self.mediaconnect.list_flows()
        self.assertEqual(caught.exception.response["ResponseMetadata"]["HTTPStatusCode"], 429)

    def test_planned_faults_are_what_botocore_reads(self):
        for status, code in ((500, "InternalServerErrorException"), (503, "ServiceUnavailableException")):
            fault = {"operation": "ListFlows", "fault": "status", "status": status}
            support.simulator("POST", "faults", fault)
            self.refused(code, status, self.mediaconnect.list_flows)
        support.simulator("POST", "faults", {"fault": "reply_lost"})
        with self.assertRaises(botocore.exceptions.HTTPClientError):
            self.mediaconnect.create_flow(Name="lost", Source=SOURCE)
        self.assertEqual([flow["Name"] for flow in self.mediaconnect.list_flows()["Flows"]], ["lost"])


class Sources(Flow):
    def test_a_second_source_needs_failover(self):
        arn = self.flow()
        second = {**SOURCE, "Name": "second", "IngestPort": 5001}
        add = self.mediaconnect.add_flow_sources
        self.refused("BadRequestException", 400, add, FlowArn=arn, Sources=[second])
        failover = {"State": "ENABLED", "FailoverMode": "MERGE"}
        update = self.mediaconnect.update_flow
        # SRT supports no merging.
        self.refused("BadRequestException", 400, update, FlowArn=arn, SourceFailoverConfig=failover)
        failover = {"State": "ENABLED", "FailoverMode": "FAILOVER", "SourcePriority": {"PrimarySource": "main"}}
        updated = update(FlowArn=arn, SourceFailoverConfig=failover)
        self.assertEqual(updated["Flow"]["SourceFailoverConfig"]["FailoverMode"], "FAILOVER")
        [added] = add(FlowArn=arn, Sources=[second])["Sources"]
        self.refused("BadRequestException", 400, add, FlowArn=arn, Sources=[{**second, "Name": "third"}])
        update = {"FlowArn": arn, "SourceArn": added["SourceArn"], "IngestPort": 5002}
        self.assertEqual(self.mediaconnect.update_flow_source(**update)["Source"]["IngestPort"], 5002)
        remove = self.mediaconnect.remove_flow_source
        self.assertEqual(remove(FlowArn=arn, SourceArn=added["SourceArn"])["SourceArn"], added["SourceArn"])
        main = self.describe(arn)["Source"]["SourceArn"]
        self.refused("BadRequestException", 400, remove, FlowArn=arn, SourceArn=main)

    def test_metadata_says_what_comes_in(self):
        arn = self.running()
        signal = {"video": "H.264", "audio": "AAC"}
        support.simulator("PUT", "sources", {"flow": arn, "source": "main", "signal": signal})
        metadata = self.mediaconnect.describe_flow_source_metadata(FlowArn=arn)
        [program] = metadata["TransportMediaInfo"]["Programs"]
        self.assertEqual([stream["Codec"] for stream in program["Streams"]], ["H.264", "AAC"])
        self.assertEqual(metadata["Timestamp"].tzinfo.utcoffset(None).total_seconds(), 0)


class Outputs(Flow):
    def test_an_output_by_rtmp_is_added_enabled_changed_and_removed(self):
        arn = self.running()
        [output] = self.add(arn, rtmp("a"))
        added = self.output(arn, output)
        self.assertEqual((added["OutputStatus"], added["Destination"], added["Port"]), ("DISABLED", "a.example.com", 443))
        settings = added["Transport"]["RtmpPushOutputSettings"]
        self.assertEqual(settings["ApplicationName"], "live2?backup=1")
        self.assertEqual(settings["StreamName"], "a key")
        self.assertEqual(settings["TlsEncryption"], TLS)
        self.assertEqual(added["Transport"]["Protocol"], "rtmp-push")

        update = self.mediaconnect.update_flow_output
        enabled = update(FlowArn=arn, OutputArn=output, OutputStatus="ENABLED")["Output"]
        self.assertEqual(enabled["OutputStatus"], "ENABLED")
        self.assertEqual(self.settled(arn)["Status"], "ACTIVE")
        changed = {"ApplicationName": "live", "StreamName": "another"}
        update(FlowArn=arn, OutputArn=output, Protocol="rtmp-push", Port=1935, RtmpPushSettings=changed)
        self.settled(arn)
        after = self.output(arn, output)
        self.assertEqual(after["OutputStatus"], "ENABLED")
        self.assertEqual(after["Transport"]["RtmpPushOutputSettings"], changed)
        removed = self.mediaconnect.remove_flow_output(FlowArn=arn, OutputArn=output)
        self.assertEqual((removed["FlowArn"], removed["OutputArn"]), (arn, output))
        self.assertEqual(self.settled(arn)["Outputs"], [])

    def test_a_flow_that_updates_refuses_writes(self):
        arn = self.running()
        [output] = self.add(arn, rtmp("a"))
        update = self.mediaconnect.update_flow_output
        # One of them meets the other's UPDATING.
        update(FlowArn=arn, OutputArn=output, Description="one")
        self.refused("BadRequestException", 400, update, FlowArn=arn, OutputArn=output, Description="two")
        self.settled(arn)
        self.assertEqual(self.output(arn, output)["Description"], "one")

    def test_outputs_that_cannot_be_are_refused(self):
        arn = self.flow()
        self.add(arn, rtmp("a"))
        plain = {"ApplicationName": "live", "StreamName": "key"}
        wrong = {
            "the name is taken": rtmp("a", Destination="other.example.com"),
            "the place is taken": rtmp("b", Destination="A.example.com"),
            "a port below 1024": rtmp("b", Port=80, RtmpPushSettings=plain),
            "443 without TLS": rtmp("b", RtmpPushSettings=plain),
            "an address with TLS": rtmp("b", Destination="192.0.2.1"),
            "a name with a quote": rtmp("b", RtmpPushSettings={**plain, "StreamName": 'a"b'}),
            "a name that ends with a space": rtmp("b", RtmpPushSettings={**plain, "ApplicationName": "live "}),
            "a name that is too long": rtmp("b", RtmpPushSettings={**plain, "StreamName": "x" * 1025}),
            "settings of another protocol": rtmp("b", Protocol="srt-caller"),
            "a member of another protocol": rtmp("b", StreamId="x"),
            "no protocol for outputs": {"Name": "b", "Protocol": "udp", "Destination": "192.0.2.1", "Port": 5000},
        }
        for what, output in wrong.items():
            with self.subTest(what):
                # All of a batch, or none.
                batch = [rtmp("good"), output]
                error = self.refused(
                    "BadRequestException", 400, self.mediaconnect.add_flow_outputs, FlowArn=arn, Outputs=batch
                )
                self.assertNotIn("key", error["Error"]["Message"])
        self.assertEqual([output["Name"] for output in self.describe(arn)["Outputs"]], ["a"])

    def test_fifty_outputs_are_most(self):
        arn = self.flow()
        outputs = [rtmp(f"o{number}") for number in range(51)]
        add = self.mediaconnect.add_flow_outputs
        self.refused("AddFlowOutputs420Exception", 420, add, FlowArn=arn, Outputs=outputs)
        self.assertEqual(len(self.add(arn, *outputs[:50])), 50)
        self.refused("AddFlowOutputs420Exception", 420, add, FlowArn=arn, Outputs=outputs[50:])


class Wire(support.Case):
    """What boto3 would not send at all."""

    def tearDown(self):
        self.assertFalse([each for each in support.simulator("GET", "violations") if each.startswith("our own")])

    def raw(self, method, path, body):
        request = urllib.request.Request(support.URL + path, body, {"content-type": "application/json"}, method=method)
        try:
            with urllib.request.urlopen(request, timeout=20) as answer:
                return answer.status, None
        except urllib.error.HTTPError as error:
            error.close()
            return error.code, error.headers["x-amzn-errortype"]

    def test_what_the_model_does_not_have_is_refused(self):
        flow = "/v1/flows/" + urllib.parse.quote(NONE, safe="")
        cases = [
            ("POST", "/v1/flows", b'{"name":"a","nam":"b"}', 400),
            ("POST", "/v1/flows", b'{"name":7}', 400),
            ("POST", "/v1/flows", b"{", 400),
            ("POST", "/v1/flows", b"", 400),
            ("POST", flow + "/outputs", b"{}", 400),
            ("POST", flow + "/outputs", b'{"outputs":[{"protocol":"rtmp"}]}', 400),
            ("GET", "/v1/flows?maxResults=1001", None, 400),
            ("GET", "/v1/flows?maxResult=1", None, 400),
            ("GET", "/v1/nothing", None, 404),
            ("PATCH", "/prod/channels", b"{}", 404),
            ("POST", "/prod/channels", b'{"channelClass":"DOUBLE"}', 400),
        ]
        for method, path, body, status in cases:
            with self.subTest(method=method, path=path):
                code = {400: "BadRequestException", 404: "NotFoundException"}[status]
                self.assertEqual(self.raw(method, path, body), (status, code))
