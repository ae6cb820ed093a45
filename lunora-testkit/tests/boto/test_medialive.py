"""boto3 drives inputs, channels and schedules."""

import copy
import datetime
import time

import support

ROLE = "arn:aws:iam::123456789012:role/channel"
SECRET = "arn:aws:secretsmanager:us-west-2:123456789012:secret:srt"
NONE = "arn:aws:medialive:us-west-2:123456789012:channel:1"


def channel(inputs, url="srt://198.51.100.7:5000"):
    attachments = [{"InputId": each, "InputAttachmentName": name} for name, each in inputs.items()]
    srt = {"DestinationRefId": "flow"}
    output = {
        "OutputName": "flow",
        "VideoDescriptionName": "video",
        "AudioDescriptionNames": ["audio"],
        "OutputSettings": {
            "SrtOutputSettings": {"ContainerSettings": {"M2tsSettings": {}}, "Destination": srt, "Latency": 200}
        },
    }
    return {
        "Name": "studio",
        "ChannelClass": "SINGLE_PIPELINE",
        "RoleArn": ROLE,
        "InputAttachments": attachments,
        "InputSpecification": {"Codec": "AVC", "MaximumBitrate": "MAX_20_MBPS", "Resolution": "HD"},
        "Destinations": [
            {
                "Id": "flow",
                "SrtSettings": [
                    {"Url": url, "ConnectionMode": "CALLER", "EncryptionPassphraseSecretArn": SECRET}
                ],
            }
        ],
        "EncoderSettings": {
            "AudioDescriptions": [{"Name": "audio", "AudioSelectorName": "default"}],
            "VideoDescriptions": [{"Name": "video", "Width": 1920, "Height": 1080}],
            "TimecodeConfig": {"Source": "SYSTEMCLOCK"},
            "OutputGroups": [
                {"Name": "flow", "OutputGroupSettings": {"SrtGroupSettings": {}}, "Outputs": [output]}
            ],
        },
    }


def switch(name, to, start):
    settings = {"InputSwitchSettings": {"InputAttachmentNameReference": to}}
    return {"ActionName": name, "ScheduleActionSettings": settings, "ScheduleActionStartSettings": start}


AT_ONCE = {"ImmediateModeScheduleActionStartSettings": {}}


def after(seconds):
    then = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=seconds)
    text = then.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return {"FixedModeScheduleActionStartSettings": {"Time": text}}


class MediaLive(support.Case):
    def group(self):
        made = self.medialive.create_input_security_group(WhitelistRules=[{"Cidr": "0.0.0.0/0"}])
        return made["SecurityGroup"]["Id"]

    def pull(self, name="a"):
        sources = [{"Url": "https://a.example/live.m3u8"}]
        made = self.medialive.create_input(Name=name, Type="URL_PULL", Sources=sources)
        return made["Input"]["Id"]

    def channel(self, *names):
        inputs = {name: self.pull(name) for name in names or ("a",)}
        made = self.medialive.create_channel(**channel(inputs))["Channel"]
        self.wait(self.medialive, "channel_created", ChannelId=made["Id"])
        return made["Id"]

    def running(self, *names):
        id = self.channel(*names)
        self.medialive.start_channel(ChannelId=id)
        self.wait(self.medialive, "channel_running", ChannelId=id)
        return id

    def describe(self, id):
        return self.medialive.describe_channel(ChannelId=id)

    def unprocessable(self, call, places, **arguments):
        error = self.refused("UnprocessableEntityException", 422, call, **arguments)
        self.assertEqual([each["ElementPath"] for each in error["ValidationErrors"]], places)
        self.assertTrue(all(each["ErrorMessage"] for each in error["ValidationErrors"]))


class Channels(MediaLive):
    def test_a_channel_lives_from_creating_to_deleted(self):
        medialive = self.medialive
        id = self.channel()
        this = {"ChannelId": id}
        described = self.describe(id)
        self.assertEqual((described["State"], described["PipelinesRunningCount"]), ("IDLE", 0))
        output = described["EncoderSettings"]["OutputGroups"][0]["Outputs"][0]
        self.assertEqual(output["OutputSettings"]["SrtOutputSettings"]["Latency"], 200)
        self.assertEqual(medialive.start_channel(**this)["State"], "STARTING")
        self.wait(medialive, "channel_running", **this)
        [pipeline] = self.describe(id)["PipelineDetails"]
        self.assertEqual(pipeline["ActiveInputAttachmentName"], "a")
        self.assertEqual(medialive.stop_channel(**this)["State"], "STOPPING")
        self.wait(medialive, "channel_stopped", **this)
        self.assertEqual(medialive.delete_channel(**this)["State"], "DELETING")
        self.wait(medialive, "channel_deleted", **this)
        self.assertEqual(medialive.list_channels()["Channels"], [])
        events = [each for each in support.simulator("GET", "events") if each["source"] == "aws.medialive"]
        states = [each["detail"]["state"] for each in events]
        self.assertEqual(states, ["CREATED", "STARTING", "RUNNING", "STOPPING", "STOPPED", "DELETED"])
        self.assertEqual({each["detail-type"] for each in events}, {"MediaLive Channel State Change"})

    def test_a_running_channel_is_not_changed(self):
        id = self.running()
        conflict = ("ConflictException", 409)
        for call in (self.medialive.update_channel, self.medialive.start_channel, self.medialive.delete_channel):
            self.refused(*conflict, call, ChannelId=id)
        self.medialive.stop_channel(ChannelId=id)
        self.refused(*conflict, self.medialive.stop_channel, ChannelId=id)
        self.refused(*conflict, self.medialive.update_channel, ChannelId=id)

    def test_an_update_replaces_what_it_has_and_loses_the_role(self):
        id = self.channel()
        before = self.describe(id)
        encoder = copy.deepcopy(before["EncoderSettings"])
        encoder["VideoDescriptions"][0]["Width"] = 1280
        changed = self.medialive.update_channel(ChannelId=id, EncoderSettings=encoder)["Channel"]
        self.assertEqual(changed["EncoderSettings"], encoder)
        self.assertEqual(changed["Destinations"], before["Destinations"])
        self.assertEqual(before["RoleArn"], ROLE)
        self.assertNotIn("RoleArn", changed)

    def test_what_is_not_there_is_not_found(self):
        missing = ("NotFoundException", 404)
        medialive = self.medialive
        for call in (
            medialive.describe_channel, medialive.delete_channel, medialive.start_channel, medialive.stop_channel,
            medialive.describe_schedule, medialive.delete_schedule, medialive.batch_update_schedule,
            medialive.update_channel,
        ):
            self.refused(*missing, call, ChannelId="1")
        for call in (medialive.describe_input, medialive.update_input, medialive.delete_input):
            self.refused(*missing, call, InputId="1")
        for call in (
            medialive.describe_input_security_group, medialive.update_input_security_group,
            medialive.delete_input_security_group,
        ):
            self.refused(*missing, call, InputSecurityGroupId="1")
        self.refused(*missing, medialive.list_tags_for_resource, ResourceArn=NONE)
        self.refused(*missing, medialive.create_tags, ResourceArn=NONE, Tags={"a": "1"})
        self.refused(*missing, medialive.delete_tags, ResourceArn=NONE, TagKeys=["a"])

    def test_what_makes_no_sense_is_unprocessable_and_says_where(self):
        request = channel({"a": self.pull()})
        create = self.medialive.create_channel
        wrong = copy.deepcopy(request)
        wrong["InputAttachments"][0]["InputId"] = "1"
        self.unprocessable(create, ["inputAttachments[0].inputId"], **wrong)
        wrong = copy.deepcopy(request)
        del wrong["Destinations"][0]["SrtSettings"][0]["EncryptionPassphraseSecretArn"]
        self.unprocessable(create, ["destinations[0].srtSettings[0].encryptionPassphraseSecretArn"], **wrong)
        wrong = copy.deepcopy(request)
        wrong["Destinations"][0]["Id"] = "other"
        place = "encoderSettings.outputGroups[0].outputs[0].destination.destinationRefId"
        self.unprocessable(create, [place], **wrong)
        wrong["Name"] = ""
        self.unprocessable(create, ["name", place], **wrong)

    def test_five_channels_are_most_and_the_same_request_makes_one(self):
        requests = [{**channel({"a": self.pull()}), "RequestId": f"r{number}"} for number in range(6)]
        made = [self.medialive.create_channel(**request)["Channel"]["Id"] for request in requests[:5]]
        self.refused("BadRequestException", 400, self.medialive.create_channel, **requests[5])
        again = self.medialive.create_channel(**requests[0])["Channel"]["Id"]
        self.assertEqual(again, made[0])
        other = {**requests[0], "Name": "other"}
        self.refused("ConflictException", 409, self.medialive.create_channel, **other)
        pages = self.medialive.get_paginator("list_channels").paginate(PaginationConfig={"PageSize": 2})
        listed = [[each["Id"] for each in page["Channels"]] for page in pages]
        self.assertEqual(listed, [made[:2], made[2:4], made[4:]])
        self.refused("BadRequestException", 400, self.medialive.list_channels, NextToken="x")

    def test_tags_are_kept(self):
        id = self.channel()
        arn = self.describe(id)["Arn"]
        self.medialive.create_tags(ResourceArn=arn, Tags={"a": "1", "b": "2"})
        self.medialive.delete_tags(ResourceArn=arn, TagKeys=["a"])
        self.assertEqual(self.medialive.list_tags_for_resource(ResourceArn=arn)["Tags"], {"b": "2"})
        self.assertEqual(self.describe(id)["Tags"], {"b": "2"})

    def test_too_many_calls_are_refused(self):
        with self.assertRaises(self.medialive.exceptions.TooManyRequestsException):
            for _ in range(120):
                self.medialive.list_channels()


class Inputs(MediaLive):
    def test_an_input_lives_from_creating_to_deleted(self):
        medialive = self.medialive
        id = self.pull()
        this = {"InputId": id}
        self.wait(medialive, "input_detached", **this)
        made = medialive.create_channel(**channel({"a": id}))["Channel"]["Id"]
        self.wait(medialive, "input_attached", **this)
        self.assertEqual(medialive.describe_input(**this)["AttachedChannels"], [made])
        self.refused("ConflictException", 409, medialive.delete_input, **this)
        self.wait(medialive, "channel_created", ChannelId=made)
        medialive.delete_channel(ChannelId=made)
        self.wait(medialive, "channel_deleted", ChannelId=made)
        medialive.delete_input(**this)
        self.refused("ConflictException", 409, medialive.update_input, **this)
        self.wait(medialive, "input_deleted", **this)
        self.assertEqual(medialive.list_inputs()["Inputs"], [])

    def test_a_push_input_needs_a_group_and_has_urls(self):
        group = self.group()
        create = self.medialive.create_input
        names = [{"StreamName": "live/a"}, {"StreamName": "live/b"}]
        push = {"Name": "obs", "Type": "RTMP_PUSH", "Destinations": names}
        self.refused("BadRequestException", 400, create, **push)
        self.refused("BadRequestException", 400, create, **push, InputSecurityGroups=["1"])
        made = create(**push, InputSecurityGroups=[group])["Input"]
        self.assertEqual(made["SecurityGroups"], [group])
        for destination, name in zip(made["Destinations"], names):
            url = f"rtmp://{destination['Ip']}:{destination['Port']}/{name['StreamName']}"
            self.assertEqual(destination["Url"], url)
        state = self.medialive.describe_input_security_group(InputSecurityGroupId=group)
        self.assertEqual((state["State"], state["Inputs"]), ("IN_USE", [made["Id"]]))
        delete = self.medialive.delete_input_security_group
        self.refused("BadRequestException", 400, delete, InputSecurityGroupId=group)
        for number in range(4):
            create(Name=f"p{number}", Type="RTP_PUSH", InputSecurityGroups=[group])
        self.refused("BadRequestException", 400, create, Name="p", Type="RTP_PUSH", InputSecurityGroups=[group])

    def test_five_groups_are_most(self):
        groups = [self.group() for _ in range(5)]
        self.refused("BadRequestException", 400, self.medialive.create_input_security_group)
        pages = self.medialive.get_paginator("list_input_security_groups").paginate(PaginationConfig={"PageSize": 3})
        listed = [[each["Id"] for each in page["InputSecurityGroups"]] for page in pages]
        self.assertEqual(listed, [groups[:3], groups[3:]])
        update = self.medialive.update_input_security_group
        updated = update(InputSecurityGroupId=groups[0], WhitelistRules=[{"Cidr": "192.0.2.0/24"}])
        self.assertEqual(updated["SecurityGroup"]["WhitelistRules"], [{"Cidr": "192.0.2.0/24"}])
        self.medialive.delete_input_security_group(InputSecurityGroupId=groups[0])

    def test_pages_of_inputs_have_each_once(self):
        made = [self.pull() for _ in range(5)]
        pages = self.medialive.get_paginator("list_inputs").paginate(PaginationConfig={"PageSize": 2})
        self.assertEqual([each["Id"] for page in pages for each in page["Inputs"]], made)

    def test_an_input_from_a_flow_has_an_output_there(self):
        source = {"Name": "main", "Protocol": "rtp", "IngestPort": 5000}
        flow = self.mediaconnect.create_flow(Name="studio", Source=source)["Flow"]["FlowArn"]
        create = self.medialive.create_input
        of_flow = {"Name": "a", "Type": "MEDIACONNECT", "MediaConnectFlows": [{"FlowArn": flow}]}
        self.refused("BadRequestException", 400, create, **of_flow)
        made = create(**of_flow, RoleArn=ROLE)["Input"]
        self.assertEqual(made["MediaConnectFlows"], [{"FlowArn": flow}])
        [output] = self.mediaconnect.describe_flow(FlowArn=flow)["Flow"]["Outputs"]
        self.assertEqual(output["MediaLiveInputArn"], made["Arn"])
        remove = self.mediaconnect.remove_flow_output
        self.refused("BadRequestException", 400, remove, FlowArn=flow, OutputArn=output["OutputArn"])


class Schedules(MediaLive):
    def update(self, id, *creates, deletes=()):
        arguments = {"ChannelId": id}
        if creates:
            arguments["Creates"] = {"ScheduleActions": list(creates)}
        if deletes:
            arguments["Deletes"] = {"ActionNames": list(deletes)}
        return arguments

    def test_a_switch_at_once_is_seen_and_told(self):
        id = self.running("a", "b")
        support.simulator("GET", "events")
        action = switch("to-b", "b", AT_ONCE)
        created = self.medialive.batch_update_schedule(**self.update(id, action))
        self.assertEqual(created["Creates"]["ScheduleActions"], [action])
        [pipeline] = self.describe(id)["PipelineDetails"]
        self.assertEqual(pipeline["ActiveInputAttachmentName"], "b")
        self.assertEqual(pipeline["ActiveInputSwitchActionName"], "to-b")
        [event] = [each for each in support.simulator("GET", "events") if each["source"] == "aws.medialive"]
        self.assertEqual(event["detail-type"], "MediaLive Channel Input Change")
        self.assertEqual(event["detail"]["active_input_attachment_name"], "b")

    def test_actions_are_listed_by_pages_and_deleted(self):
        id = self.running("a", "b")
        actions = [switch(f"s{number}", "b", after(60 + number)) for number in range(5)]
        self.medialive.batch_update_schedule(**self.update(id, *actions))
        pages = self.medialive.get_paginator("describe_schedule").paginate(
            ChannelId=id, PaginationConfig={"PageSize": 2}
        )
        self.assertEqual([each for page in pages for each in page["ScheduleActions"]], actions)
        deleted = self.medialive.batch_update_schedule(**self.update(id, deletes=["s0"]))
        self.assertEqual(deleted["Deletes"]["ScheduleActions"], actions[:1])
        self.medialive.delete_schedule(ChannelId=id)
        self.assertEqual(self.medialive.describe_schedule(ChannelId=id)["ScheduleActions"], [])

    def test_actions_that_make_no_sense_are_unprocessable(self):
        id = self.running("a", "b")
        call = self.medialive.batch_update_schedule
        place = "creates.scheduleActions[0]."
        start = place + "scheduleActionStartSettings"
        reference = place + "scheduleActionSettings.inputSwitchSettings.inputAttachmentNameReference"
        self.unprocessable(call, [reference], **self.update(id, switch("x", "c", AT_ONCE)))
        self.unprocessable(call, [start], **self.update(id, switch("x", "b", after(1))))
        self.unprocessable(call, [start], **self.update(id, switch("x", "b", after(15 * 24 * 3600))))
        self.unprocessable(call, ["deletes.actionNames[0]"], **self.update(id, deletes=["x"]))
        self.medialive.stop_channel(ChannelId=id)
        self.unprocessable(call, [start], **self.update(id, switch("x", "b", AT_ONCE)))


class Feeds(MediaLive):
    def test_a_running_channel_feeds_the_flow_that_it_calls(self):
        source = {
            "Name": "main", "Protocol": "srt-listener", "IngestPort": 5000,
            "Decryption": {"KeyType": "srt-password", "SecretArn": SECRET, "RoleArn": ROLE},
        }
        flow = self.mediaconnect.create_flow(Name="studio", Source=source)["Flow"]
        this = {"FlowArn": flow["FlowArn"]}
        self.mediaconnect.start_flow(**this)
        self.wait(self.mediaconnect, "flow_active", **this)
        url = f"srt://{flow['Source']['IngestIp']}:5000"
        request = channel({"a": self.pull()}, url)
        id = self.medialive.create_channel(**request)["Channel"]["Id"]
        self.wait(self.medialive, "channel_created", ChannelId=id)
        self.assertEqual(self.programs(this), [])
        self.medialive.start_channel(ChannelId=id)
        self.wait(self.medialive, "channel_running", ChannelId=id)
        deadline = time.monotonic() + 5
        while not self.programs(this) and time.monotonic() < deadline:
            time.sleep(0.05)
        [program] = self.programs(this)
        self.assertEqual([stream["Codec"] for stream in program["Streams"]], ["H.264", "AAC"])

    def programs(self, flow):
        metadata = self.mediaconnect.describe_flow_source_metadata(**flow)
        return metadata.get("TransportMediaInfo", {}).get("Programs", [])
