"""The check of recorded requests takes what boto3 sent in all tests before, and no mutation of it."""

import contextlib
import io
import json
import pathlib
import tempfile
import unittest

import check
import support


class Check(unittest.TestCase):
    def test_what_boto3_sent_is_valid_and_every_mutation_is_noticed(self):
        operations, count = set(), 0
        for record in unique(support.SENT):
            operations.add((record["service"], check.check(record)))
            missed, mutated = check.accepted_mutations(record)
            self.assertEqual(missed, [])
            count += mutated
        # Run alone, it has nothing to look at.
        self.assertEqual(len(operations), 17 + 23, "an operation was never called")
        self.assertGreater(count, 1000)

    def test_it_says_what_is_wrong_and_never_a_value(self):
        secret = "live_7f3a"
        arn = "arn%3Aaws%3Amediaconnect%3Aus-west-2%3A123456789012%3Aflow%3A1-a%3Aa"
        record = {"service": "mediaconnect", "method": "POST", "path": f"/v1/flows/{arn}/outputs", "query": ""}
        bodies = [
            {"outputs": [{"protocol": secret}]},
            {"outputs": [{"rtmpPushSettings": {"streamName": secret}}]},
            {"outputs": [{"port": secret}]},
            {"outputs": [{secret: secret}]},
            secret,
            "{",
        ]
        for body in bodies:
            with self.assertRaises(check.Invalid) as caught:
                check.check({**record, "body": body})
            self.assertNotIn(secret, str(caught.exception))

    def test_a_file_with_one_wrong_line_fails(self):
        good = {"service": "medialive", "method": "GET", "path": "/prod/inputs", "query": "maxResults=1", "body": ""}
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder, "requests.jsonl")
            for records, status in (([good], 0), ([good, {**good, "query": "maxResults=x"}], 1), ([], 1)):
                path.write_text("".join(json.dumps(record) + "\n" for record in records))
                with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()) as said:
                    self.assertEqual(check.main([path]), status)
                self.assertEqual(bool(said.getvalue()), status != 0)


def unique(records):
    seen = {json.dumps(record, sort_keys=True) for record in records}
    return [json.loads(each) for each in sorted(seen)]
