"""Checks recorded requests against botocore's own model, and proves that it would notice.

Each line of the file is an object with `service`, `method`, `path`, `query` and `body`: a text,
or the JSON itself. No value of a request is ever printed: one may be a stream key.

This shares nothing with the Rust validator but AWS's model, and reads that from botocore.
"""

import copy
import datetime
import json
import re
import sys
import urllib.parse

import botocore.loaders
import botocore.model
import botocore.validate

UNKNOWN = "lunoraHasNoSuchMember"


class Invalid(Exception):
    """What is not so, and where."""


def model(service, cache={}):
    if service not in cache:
        if service not in ("mediaconnect", "medialive"):
            raise Invalid("service: is none of ours")
        data = botocore.loaders.Loader().load_service_model(service, "service-2")
        cache[service] = botocore.model.ServiceModel(data, service)
    return cache[service]


def operation_of(service, method, path):
    found = []
    for name in service.operation_names:
        operation = service.operation_model(name)
        labels = match(operation.http["requestUri"], path)
        if operation.http["method"] == method and labels is not None:
            found.append((len(labels), name, operation, labels))
    if not found:
        raise Invalid("request: no operation has this method and path")
    # The template with the fewest labels says most.
    _, _, operation, labels = min(found, key=lambda each: each[:2])
    return operation, labels


def match(template, path):
    parts, sent = template.split("?")[0].split("/"), path.split("/")
    if len(parts) != len(sent):
        return None
    labels = {}
    for part, value in zip(parts, sent):
        if part.startswith("{"):
            if not value:
                return None
            labels[part.strip("{}")] = urllib.parse.unquote(value, errors="strict")
        elif part != value:
            return None
    return labels


def check(record):
    """Raises Invalid unless the request is as botocore's model says."""
    service = model(record["service"])
    operation, labels = operation_of(service, record["method"], record["path"])
    shape = operation.input_shape
    queried = query_of(shape, record.get("query") or "")
    body = body_of(record.get("body"))
    parameters = {}
    for location, members in (("uri", labels), ("querystring", queried), (None, body)):
        names = {
            member.serialization.get("name", name): name
            for name, member in shape.members.items()
            if member.serialization.get("location") == location
        }
        for wire, value in members.items():
            if wire not in names:
                raise Invalid(f"{operation.name}: has an unknown member in {location or 'body'}")
            member = shape.members[names[wire]]
            check_value(member, value, f"{operation.name}.{wire}")
            parameters[names[wire]] = named(member, value)
    # botocore's own opinion, on what its user would have passed.
    report = botocore.validate.ParamValidator().validate(parameters, shape)
    if report.has_errors():
        kinds = sorted({kind for kind, _, _ in report._errors})
        raise Invalid(f"{operation.name}: botocore says {', '.join(kinds)}")
    return operation.name


def query_of(shape, query):
    members = {member.serialization.get("name", name): member for name, member in shape.members.items()}
    values = {}
    for name, value in urllib.parse.parse_qsl(query, keep_blank_values=True, strict_parsing=bool(query)):
        kind = members[name].type_name if name in members else "string"
        if kind == "list":
            values.setdefault(name, []).append(value)
            continue
        if name in values:
            raise Invalid("query: a member is there twice")
        values[name] = int(value) if kind == "integer" and re.fullmatch("-?[0-9]+", value) else value
    return values


def body_of(body):
    if body is None or body == "":
        return {}
    if isinstance(body, str):
        try:
            body = json.loads(body)
        except ValueError:
            raise Invalid("body: is not JSON") from None
    if not isinstance(body, dict):
        raise Invalid("body: is no structure")
    return body


TYPES = {
    "structure": dict,
    "list": list,
    "map": dict,
    "string": str,
    "timestamp": str,
    "integer": int,
    "long": int,
    "double": (int, float),
    "boolean": bool,
}


def check_value(shape, value, place):
    """Raises Invalid unless a value, as it stands on the wire, is of its shape."""
    kind = shape.type_name
    if not isinstance(value, TYPES[kind]) or (isinstance(value, bool) and kind != "boolean"):
        raise Invalid(f"{place}: is no {kind}")
    if kind == "structure":
        names = {member.serialization.get("name", name): name for name, member in shape.members.items()}
        for wire, each in value.items():
            if wire not in names:
                raise Invalid(f"{place}: has an unknown member")
            check_value(shape.members[names[wire]], each, f"{place}.{wire}")
        wires = {name: wire for wire, name in names.items()}
        for name in shape.required_members:
            if wires[name] not in value:
                raise Invalid(f"{place}.{wires[name]}: is missing")
        if getattr(shape, "is_tagged_union", False) and len(value) != 1:
            raise Invalid(f"{place}: has not exactly one member")
    elif kind == "list":
        for index, each in enumerate(value):
            check_value(shape.member, each, f"{place}[{index}]")
    elif kind == "map":
        for each in value.values():
            check_value(shape.value, each, f"{place}.*")
    elif kind == "timestamp":
        try:
            datetime.datetime.fromisoformat(value)
        except ValueError:
            raise Invalid(f"{place}: is no time") from None
    elif kind == "string":
        if shape.enum and value not in shape.enum:
            raise Invalid(f"{place}: is not of the enum")
        pattern = shape.metadata.get("pattern")
        if pattern and not re.fullmatch(pattern, value):
            raise Invalid(f"{place}: does not match the pattern")
        check_range(bounds(shape), len(value), place)
    elif kind in ("integer", "long", "double"):
        if kind == "integer" and not -(2**31) <= value < 2**31:
            raise Invalid(f"{place}: has more than 32 bits")
        check_range(bounds(shape), value, place)


def bounds(shape):
    """Where MediaLive has bounds, they stand in the names of its shapes."""
    low, high = shape.metadata.get("min"), shape.metadata.get("max")
    named = re.fullmatch(r"__[a-z]+(?:Min(Negative)?(\d+))?(?:Max(\d+))?", shape.name)
    if named:
        negative, name_low, name_high = named.groups()
        if name_low:
            low = -int(name_low) if negative else int(name_low)
        if name_high:
            high = int(name_high)
    return low, high


def check_range(bounds, value, place):
    low, high = bounds
    if low is not None and value < low:
        raise Invalid(f"{place}: is below the minimum")
    if high is not None and value > high:
        raise Invalid(f"{place}: is above the maximum")


def named(shape, value):
    """The value with the names that botocore's users write."""
    if shape.type_name == "structure":
        names = {member.serialization.get("name", name): name for name, member in shape.members.items()}
        return {names[wire]: named(shape.members[names[wire]], each) for wire, each in value.items()}
    if shape.type_name == "list":
        return [named(shape.member, each) for each in value]
    if shape.type_name == "map":
        return {key: named(shape.value, each) for key, each in value.items()}
    return value


def mutations(record):
    """Requests with one thing wrong, each with what that is."""
    operation, _ = operation_of(model(record["service"]), record["method"], record["path"])
    yield "another method", {**record, "method": "PATCH"}
    yield "another path", {**record, "path": record["path"] + "//x"}
    query = record.get("query") or ""
    yield "an unknown member in the query", {**record, "query": "&".join(filter(None, [query, f"{UNKNOWN}=x"]))}
    yield "a body that is a list", {**record, "body": []}
    body = body_of(record.get("body"))
    shape = operation.input_shape
    yield "an unknown member in the body", {**record, "body": {**body, UNKNOWN: None}}
    members = {member.serialization.get("name", name): (name, member) for name, member in shape.members.items()}
    for wire, value in body.items():
        name, member = members[wire]
        for what, changed in around(body, wire, name in shape.required_members):
            yield what, {**record, "body": changed}
        for what, changed in inside(member, value, wire):
            yield what, {**record, "body": {**body, wire: changed}}


def around(members, wire, is_required):
    without = {key: value for key, value in members.items() if key != wire}
    if is_required:
        yield f"{wire} is missing", without
    yield f"{wire} is renamed", {**without, wire + UNKNOWN: members[wire]}


def inside(shape, value, place):
    kind = shape.type_name
    yield f"{place} is null", None
    yield f"{place} is of another type", [] if kind in ("structure", "map") else {}
    if kind == "structure":
        names = {member.serialization.get("name", name): name for name, member in shape.members.items()}
        yield f"{place} has an unknown member", {**value, UNKNOWN: None}
        for wire, each in value.items():
            is_required = names[wire] in shape.required_members or getattr(shape, "is_tagged_union", False)
            yield from ((f"{place}: {what}", changed) for what, changed in around(value, wire, is_required))
            for what, changed in inside(shape.members[names[wire]], each, f"{place}.{wire}"):
                yield what, {**value, wire: changed}
    elif kind in ("list", "map"):
        items = enumerate(value) if kind == "list" else value.items()
        member = shape.member if kind == "list" else shape.value
        for key, each in items:
            for what, changed in inside(member, each, f"{place}[{key if kind == 'list' else '*'}]"):
                again = copy.copy(value)
                again[key] = changed
                yield what, again
    elif kind == "string":
        yield f"{place} is a number", 7
        if shape.enum:
            yield f"{place} is not of the enum", UNKNOWN
        if shape.metadata.get("pattern"):
            yield f"{place} does not match", "?"
        low, high = bounds(shape)
        if high is not None:
            yield f"{place} is too long", "x" * (high + 1)
        if low:
            yield f"{place} is too short", "x" * (low - 1)
    elif kind in ("integer", "long", "double"):
        yield f"{place} is text", "7"
        low, high = bounds(shape)
        if low is not None:
            yield f"{place} is below the minimum", low - 1
        if high is not None:
            yield f"{place} is above the maximum", high + 1
    elif kind == "boolean":
        yield f"{place} is text", "true"
    elif kind == "timestamp":
        yield f"{place} is no time", "yesterday"


def accepted_mutations(record):
    """What is wrong and was not noticed. It ought to be nothing."""
    missed, count = [], 0
    for what, mutated in mutations(record):
        count += 1
        try:
            check(mutated)
        except (Invalid, ValueError):
            continue
        missed.append(what)
    return missed, count


def lines(paths):
    for path in paths:
        with open(path, encoding="utf-8") as file:
            for number, line in enumerate(file, 1):
                if line.strip():
                    yield f"{path}:{number}", line


def main(paths):
    requests = mutated = wrong = 0
    operations = set()
    for place, line in lines(paths):
        requests += 1
        try:
            record = json.loads(line)
            name = check(record)
        except (Invalid, ValueError, KeyError) as fault:
            # Of these, Invalid alone is sure to hold no value.
            says = str(fault) if isinstance(fault, Invalid) else type(fault).__name__
            print(f"{place}: {says}", file=sys.stderr)
            wrong += 1
            continue
        operations.add((record["service"], name))
        missed, count = accepted_mutations(record)
        mutated += count
        wrong += len(missed)
        for what in missed:
            print(f"{place}: {name}: not noticed: {what}", file=sys.stderr)
    if not requests:
        print("there are no requests", file=sys.stderr)
        return 1
    print(f"{requests} requests of {len(operations)} operations, {mutated} mutations of them, {wrong} wrong")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
