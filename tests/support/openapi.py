"""Replies of an HTTP API against its OpenAPI document: status, type, headers and body of every call."""

import json
import urllib.parse

import json_schema

SAMPLE = 500  # items of a long list that are looked at


class Contract:
    """What one document promises."""

    def __init__(self, document):
        self.document = document
        self.paths = {tuple(path.split("/")[1:]): item for path, item in document["paths"].items()}

    def resolved(self, value):
        return json_schema.look_up(value["$ref"], self.document) if "$ref" in value else value

    def find(self, path):
        segments = path.split("/")[1:]
        for template, item in self.paths.items():
            if len(template) == len(segments) and all(
                    (one.startswith("{") and segment) or one == segment for one, segment in zip(template, segments)):
                return item
        return None

    def errors(self, method, target, status, headers, body, is_plain=False):
        """What is wrong with a reply. headers: anything with get(); body: octets; is_plain: of the plain listener."""
        kind = headers.get("Content-Type", "").split(";")[0]
        item = self.find(urllib.parse.urlsplit(target).path)
        if is_plain and item and not any("plain" in one.get("tags", ()) for one in item.values() if isinstance(one, dict)):
            item = None
        methods = {name.upper() for name in item or {} if name != "parameters"}
        methods |= {"HEAD"} if "GET" in methods else set()
        if item is None or method not in methods:
            wanted = 404 if item is None else 405
            found = [] if status in (wanted, 400, 413) else [f"{status}, not {wanted}"]
            if status == 405 and set(headers.get("Allow", "").split(", ")) != methods:
                found.append(f"Allow is {headers.get('Allow')}, not {methods}")
            return found + self.problem_errors(status, kind, body, method)
        operation = item["get" if method == "HEAD" else method.lower()]
        if str(status) not in operation["responses"]:
            return [f"status {status} is not described: {body[:500]}"]
        response = self.resolved(operation["responses"][str(status)])
        found = [error for name, header in response.get("headers", {}).items()
                 for error in json_schema.errors_of(self.resolved(header)["schema"], headers.get(name), self.document, name)]
        if kind not in response["content"]:
            return found + [f"{kind} is not described"]
        if kind == "application/problem+json":
            return found + self.problem_errors(status, kind, body, method)
        return found + (self.body_errors(kind, response["content"][kind], body) if method != "HEAD" else
                        [f"HEAD has a body: {body}"] if body else [])

    def problem_errors(self, status, kind, body, method):
        if kind != "application/problem+json":
            return [f"{status} comes as {kind}"]
        if method == "HEAD":
            return [f"HEAD has a body: {body}"] if body else []
        problem = json.loads(body)
        found = json_schema.errors_of({"$ref": "#/components/schemas/Problem"}, problem, self.document)
        return found + ([] if problem["status"] == status else [f"a problem of {problem['status']} comes as {status}"])

    def body_errors(self, kind, media, body):
        if kind == "application/jsonl":
            return [error for line in body.splitlines() for error in self.line_errors(media, line)]
        if not kind.endswith("json"):
            return []
        value = json.loads(body)
        if isinstance(value, dict) and len(value.get("items", ())) > SAMPLE:
            value["items"] = value["items"][::len(value["items"]) // SAMPLE]
        return json_schema.errors_of(media["schema"], value, self.document)

    def line_errors(self, media, line):
        return json_schema.errors_of(media["x-lineSchema"], json.loads(line), self.document)

    def schema_errors(self, name, value):
        """For what came another way: a value against a schema of the document."""
        return json_schema.errors_of({"$ref": f"#/components/schemas/{name}"}, value, self.document)
