/* A backup that is being taken (api_backup.c); control.c ends it with the process. */
#pragma once

struct backup_job;

void backup_job_free(struct backup_job *job); /* NULL is fine; before store_close */
