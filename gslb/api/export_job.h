/* An export that is being written (api_export.c); control.c ends it with the process. */
#pragma once

struct export_job;

void export_jobs_free(struct export_job *jobs); /* NULL is fine; before fleet_free */
