/* The JSON Schemas (draft 2020-12) of tools/schema, as text. */
#pragma once

extern const char ctl_schema_node[], ctl_schema_fleet[];
