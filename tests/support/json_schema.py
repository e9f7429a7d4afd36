"""JSON Schema, draft 2020-12, for the words that our schemas use; another word is an error of the schema."""

import re

IS_TYPE = {"object": dict, "array": list, "string": str, "integer": int, "number": (int, float), "boolean": bool,
           "null": type(None)}
# What only tells people, or is OpenAPI's.
ANNOTATIONS = {"$schema", "$defs", "title", "description", "default", "contentEncoding"}


def has_type(value, name):
    return isinstance(value, IS_TYPE[name]) and (name == "boolean" or not isinstance(value, bool))


def is_equal(value, wanted):
    return value == wanted and isinstance(value, bool) == isinstance(wanted, bool)


def look_up(reference, root):
    at = root
    for step in reference.removeprefix("#/").split("/"):
        at = at[step]
    return at


def check_ref(wanted, value, where, schema, root):
    return errors_of(look_up(wanted, root), value, root, where)


def check_type(wanted, value, where, schema, root):
    names = [wanted] if isinstance(wanted, str) else wanted
    return [] if any(has_type(value, name) for name in names) else [f"{where}: not of type {wanted}"]


def check_const(wanted, value, where, schema, root):
    return [] if is_equal(value, wanted) else [f"{where}: not {wanted}"]


def check_enum(wanted, value, where, schema, root):
    return [] if any(is_equal(value, one) for one in wanted) else [f"{where}: {value!r} is none of {wanted}"]


def check_any_of(wanted, value, where, schema, root):
    found = [errors_of(one, value, root, where) for one in wanted]
    return [] if [] in found else [f"{where}: fits none of the forms: {min(found, key=len)}"]


def check_pattern(wanted, value, where, schema, root):
    is_good = not isinstance(value, str) or re.search(wanted, value)
    return [] if is_good else [f"{where}: {value!r} does not match {wanted}"]


def check_minimum(wanted, value, where, schema, root):
    return [f"{where}: {value} is below {wanted}"] if has_type(value, "number") and value < wanted else []


def check_maximum(wanted, value, where, schema, root):
    return [f"{where}: {value} is above {wanted}"] if has_type(value, "number") and value > wanted else []


def check_size(kind, is_minimum):
    def check(wanted, value, where, schema, root):
        if not isinstance(value, kind) or (len(value) >= wanted if is_minimum else len(value) <= wanted):
            return []
        return [f"{where}: has {len(value)}, {'at least' if is_minimum else 'at most'} {wanted} are allowed"]
    return check


def check_required(wanted, value, where, schema, root):
    return [f"{where}: {key} is missing" for key in wanted if key not in value] if isinstance(value, dict) else []


def check_names(wanted, value, where, schema, root):
    return [error for key in value for error in errors_of(wanted, key, root, f"{where}.{key}")] \
        if isinstance(value, dict) else []


def check_properties(wanted, value, where, schema, root):
    return [error for key in value if key in wanted
            for error in errors_of(wanted[key], value[key], root, f"{where}.{key}")] if isinstance(value, dict) else []


def check_additional(wanted, value, where, schema, root):
    others = value.keys() - schema.get("properties", {}).keys() if isinstance(value, dict) else ()
    if wanted is False:
        return [f"{where}: unknown key {key}" for key in others]
    return [error for key in others for error in errors_of(wanted, value[key], root, f"{where}.{key}")]


def check_prefix_items(wanted, value, where, schema, root):
    return [error for one, item in zip(wanted, value) for error in errors_of(one, item, root, where)] \
        if isinstance(value, list) else []


def check_items(wanted, value, where, schema, root):
    return [error for at, item in enumerate(value) for error in errors_of(wanted, item, root, f"{where}[{at}]")] \
        if isinstance(value, list) else []


CHECKS = {
    "$ref": check_ref, "type": check_type, "const": check_const, "enum": check_enum, "anyOf": check_any_of,
    "pattern": check_pattern, "minimum": check_minimum, "maximum": check_maximum, "required": check_required,
    "minLength": check_size(str, True), "maxLength": check_size(str, False),
    "minItems": check_size(list, True), "maxItems": check_size(list, False),
    "minProperties": check_size(dict, True), "maxProperties": check_size(dict, False),
    "propertyNames": check_names, "properties": check_properties, "additionalProperties": check_additional,
    "prefixItems": check_prefix_items, "items": check_items,
}


def errors_of(schema, value, root, where="$"):
    """What is wrong with the value; [] is good. `root` is the document that references are looked up in."""
    found = []
    for word, wanted in schema.items():
        if word not in ANNOTATIONS and not word.startswith("x-"):
            found += CHECKS[word](wanted, value, where, schema, root)
    return found
