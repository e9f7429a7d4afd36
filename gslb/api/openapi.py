#!/usr/bin/env python3
"""openapi.json and the schema of fleet documents → one OpenAPI document, as a file and as a constant of the daemon.

usage: openapi.py OPENAPI.json FLEET-SCHEMA.json VERSION HEADER OUTPUT.json OUTPUT.c

What a fleet document may hold is written once, in the schema: its definitions come in as `fleet.…`, and a
schema with the key `x-fleet` is an object of that kind with members of its own. A document that refers to none of
them has none. HEADER declares the constant.
"""
import json
import pathlib
import sys


def take_in(value):
    """A part of the fleet's schema with its references as they are in the whole document."""
    if isinstance(value, dict):
        return {key: "#/components/schemas/fleet." + one.removeprefix("#/$defs/") if key == "$ref" else take_in(one)
                for key, one in value.items()}
    return [take_in(one) for one in value] if isinstance(value, list) else value


def shown(schema, fleet):
    """An object of the fleet as the API shows it: what a document says of it, and what the node knows."""
    own = dict(schema)
    written = fleet["fleet." + own.pop("x-fleet")]
    left_out = own.pop("x-without", [])
    return {
        "type": "object", **{key: own[key] for key in own if key not in ("required", "properties")},
        "required": own["required"] + written.get("required", []),
        "properties": {**own["properties"],
                       **{key: one for key, one in written["properties"].items() if key not in left_out}},
        "additionalProperties": False,
    }


def build(openapi, fleet_schema, version):
    openapi["info"]["version"] = version
    if not any(word in json.dumps(openapi) for word in ("x-fleet", "/fleet.")):
        return openapi
    fleet = {f"fleet.{name}": take_in(one) for name, one in fleet_schema["$defs"].items()}
    fleet["fleet.document"] = take_in({key: one for key, one in fleet_schema.items() if key not in ("$schema", "$defs")})
    schemas = openapi["components"]["schemas"]
    openapi["components"]["schemas"] = {
        **{name: shown(one, fleet) if "x-fleet" in one else one for name, one in schemas.items()}, **fleet}
    return openapi


def main():
    source, fleet, version, header, document, constant = sys.argv[1:]
    openapi = build(*(json.loads(pathlib.Path(path).read_text()) for path in (source, fleet)), version)
    text = json.dumps(openapi, indent=1) + "\n"
    pathlib.Path(document).write_text(text)
    lines = ["/* Written by gslb/api/openapi.py. */", f'#include "{header}"', "const char api_openapi_text[] ="]
    lines += ["\t" + json.dumps(line + "\n") for line in text.splitlines()]
    pathlib.Path(constant).write_text("\n".join(lines) + ";\n")


if __name__ == "__main__":
    main()
