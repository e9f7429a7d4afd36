#!/usr/bin/env python3
"""The man pages, out of what the programs say of themselves: --help, and the JSON Schema of node.yaml.

usage: manpages.py GSLBD FORWARDERD GSLBCTL VERSION OUTPUT-DIRECTORY
"""
import json
import pathlib
import re
import subprocess
import sys


def run(*words):
    return subprocess.run(words, check=True, capture_output=True, text=True).stdout


def escape(text):
    text = text.replace("\\", "\\e").replace("-", "\\-").replace("…", "...").replace("'", "\\(aq")
    return re.sub(r"(?m)^\.", r"\\&.", text)


def verbatim(text):
    return f".nf\n{escape(text.rstrip())}\n.fi\n"


def head(name, section, version, title, what):
    return (f'.TH {name.upper()} {section} "" "gslb {version}" "{title}"\n'
            f".SH NAME\n{escape(name)} \\- {escape(what)}\n")


def daemon_page(name, what, help_text, version):
    usage, about, options, end = help_text.strip().split("\n\n")
    return (head(name, 8, version, "System manager's manual", what)
            + ".SH SYNOPSIS\n" + verbatim(usage.removeprefix("Usage: "))
            + ".SH DESCRIPTION\n" + escape(about) + "\n"
            + ".SH OPTIONS\n" + verbatim(options)
            + ".SH SIGNALS AND EXIT STATUS\n" + escape(end) + "\n"
            + ".SH SEE ALSO\n.BR gslbctl (1),\n.BR gslb\\-node.yaml (5)\n")


def verbs_of(gslbctl):
    """Headings, and under each the verbs in their order, as the overview lists them."""
    groups = {}
    for part in run(gslbctl, "--help").split("\n\n")[1:]:
        title, *lines = part.splitlines()
        if title in ("Options that stand anywhere", "Examples") or title.startswith("Exit:"):
            continue
        groups[title] = [re.match(r"  ([a-z]+(?: [a-z][a-z-]*)?)", line).group(1) for line in lines
                         if re.match(r"  [a-z]", line)]
    return groups


def gslbctl_page(gslbctl, version):
    overview = run(gslbctl, "--help").split("\n\n")
    page = head("gslbctl", 1, version, "User commands", "looks at and steers one gslbd")
    page += ".SH SYNOPSIS\n" + verbatim(overview[0].splitlines()[0])
    page += ".SH DESCRIPTION\n" + escape("\n".join(overview[0].splitlines()[1:])) + "\n"
    for title, verbs in verbs_of(gslbctl).items():
        page += f".SH {escape(title.upper())}\n"
        for verb in verbs:
            usage, _, rest = run(gslbctl, *verb.split(), "--help").partition("\n")
            page += f".SS {escape(usage.removeprefix('gslbctl '))}\n" + verbatim(rest)
    for part in overview:
        title, _, rest = part.partition("\n")
        if title in ("Options that stand anywhere", "Examples"):
            page += f".SH {escape(title.upper())}\n" + verbatim(rest)
        elif title.startswith("Exit:"):
            page += ".SH EXIT STATUS\n" + escape(title.removeprefix("Exit: ")) + "\n"
    return page + ".SH SEE ALSO\n.BR gslbd (8),\n.BR gslb\\-node.yaml (5)\n"


def form(rule, schema):
    if "$ref" in rule:
        return rule["$ref"].rsplit("/", 1)[1]
    if "anyOf" in rule:
        return " or ".join(form(one, schema) for one in rule["anyOf"])
    if "const" in rule:
        return json.dumps(rule["const"]).strip('"')
    words = rule.get("type", "value")
    if words == "array":
        words = f"list of {form(rule.get('items', {}), schema)}"
    if "minimum" in rule:
        words += f" {rule['minimum']}..{rule['maximum']}"
    return words


def node_page(schema, version):
    page = head("gslb-node.yaml", 5, version, "File formats", "configuration of gslbd and forwarderd")
    page += (".SH DESCRIPTION\n" + escape("YAML: one mapping of the keys below. 'gslbctl check FILE' says what is "
                                          "wrong with one, and where.") + "\n")
    objects = {"the top": schema, **{name: one for name, one in schema["$defs"].items() if "properties" in one}}
    for name, one in objects.items():
        page += f".SH {escape(name.upper())}\n"
        for key, rule in one["properties"].items():
            words = form(rule, schema)
            if key in one.get("required", []):
                words += ", required"
            if "default" in rule:
                words += f", {json.dumps(rule['default'])} when left out".replace('"', "")
            page += f".TP\n.B {escape(key)}\n{escape(words)}.\n" + escape(rule.get("description", "")) + "\n"
    page += ".SH VALUES\n"
    for name, one in schema["$defs"].items():
        if "properties" not in one:
            page += f".TP\n.B {escape(name)}\n{escape(one.get('pattern', form(one, schema)))}\n"
    return re.sub(r"\n\n+", "\n", page) + ".SH SEE ALSO\n.BR gslbd (8),\n.BR forwarderd (8),\n.BR gslbctl (1)\n"


def main():
    gslbd, forwarderd, gslbctl, version, directory = sys.argv[1:]
    out = pathlib.Path(directory)
    (out / "gslbd.8").write_text(daemon_page("gslbd", "authoritative DNS server that steers by place and health",
                                             run(gslbd, "--help"), version))
    (out / "forwarderd.8").write_text(daemon_page("forwarderd", "HTTP forwarder of tenants to their origins",
                                                  run(forwarderd, "--help"), version))
    (out / "gslbctl.1").write_text(gslbctl_page(gslbctl, version))
    (out / "gslb-node.yaml.5").write_text(node_page(json.loads(run(gslbctl, "schema", "node")), version))


if __name__ == "__main__":
    main()
