/* backup and restore of the store. backup asks a running node; restore works on files. One thread. */
#include "gslb/control/gslb_config.h"
#include "lib/json_text.h"
#include "lib/mem.h"
#include "store/migrations.h"
#include "store/store_restore.h"
#include "tools/ctl.h"
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define STATE_DIR_DEFAULT "/var/lib/gslb"

static void print_summary(const struct ctl *ctl, const char *file, const char *what,
			  const struct store_summary *summary)
{
	if (ctl->output == CTL_JSON) {
		json_t *json = json_pack(
			"{s:o, s:I, s:I, s:I, s:I, s:I}", "file", json_text(file), "format",
			(json_int_t)summary->format, "fleet_version", (json_int_t)summary->fleet_version,
			"objects", (json_int_t)summary->objects, "controls", (json_int_t)summary->controls,
			"audit_lines", (json_int_t)summary->audit_lines);
		json_dumpf(json, stdout, JSON_COMPACT);
		putchar('\n');
		json_decref(json);
		return;
	}
	printf("%s: %s, ", file, what);
	if (summary->format < migrations_newest())
		printf("format %lld (now %d), ", (long long)summary->format, migrations_newest());
	printf("fleet version %lld: %lld objects, %lld controls, %lld lines of audit\n",
	       (long long)summary->fleet_version, (long long)summary->objects, (long long)summary->controls,
	       (long long)summary->audit_lines);
}

/* Saves the store into `part`, flushes it to the disk and verifies it. False: it has printed why. */
static bool fetch(const struct ctl *ctl, const char *part, struct store_summary *summary)
{
	int fd = open(part, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600); /* it names all customers */
	FILE *into = fd < 0 ? NULL : fdopen(fd, "w");
	if (!into) {
		fprintf(stderr, "%s: %s\n", part, strerror(errno));
		return false;
	}
	struct ctl_http_request request = {.method = "GET", .path = "/v1/backup", .into = into};
	struct ctl_http_reply reply;
	bool is_done = ctl_call(ctl, &request, NULL, &reply);
	if (is_done)
		ctl_http_reply_done(&reply);
	bool is_written = fflush(into) == 0 && fsync(fd) == 0 && !ferror(into);
	int reason = errno;
	fclose(into);
	if (is_done && !is_written)
		fprintf(stderr, "%s: %s\n", part, strerror(reason));
	if (!is_done || !is_written)
		return false;
	struct err_list errors = {0};
	bool is_good = store_verify(part, summary, &errors);
	assert(is_good == !err_has_errors(&errors));
	err_print(&errors, stderr);
	err_done(&errors);
	return is_good;
}

static enum ctl_exit run_backup(struct ctl *ctl)
{
	const char *file = ctl->args[0];
	char *part = xasprintf("%s.part", file);
	struct store_summary summary;
	bool is_good = fetch(ctl, part, &summary);
	if (is_good && rename(part, file) < 0) {
		fprintf(stderr, "%s: %s\n", file, strerror(errno));
		is_good = false;
	}
	if (is_good)
		print_summary(ctl, file, "saved and verified", &summary);
	else
		unlink(part);
	free(part);
	return is_good ? CTL_DONE : CTL_FAILED;
}

const struct ctl_verb verb_backup = {
	.group = "Node",
	.words = "backup",
	.args = "FILE",
	.least = 1,
	.most = 1,
	.run = run_backup,
	.help = "save the node's store into a file, and verify it",
	.more = "The store holds what came by the API (objects, controls) and the audit; base documents\n"
		"and zone files are files already. The node goes on meanwhile. An older FILE is replaced\n"
		"once the new one is whole. --timeout is for the time in which nothing comes.\n"
		"\n"
		"  gslbctl backup /srv/backup/gslb-$(date +%F).db\n",
};

static enum ctl_exit run_restore(struct ctl *ctl)
{
	const char *state_dir = ctl_option(ctl, "state-dir"), *config_path = ctl_option(ctl, "config");
	struct err_list errors = {0};
	struct gslb_config *config = NULL;
	if (state_dir && config_path)
		return ctl_usage(ctl, "restore takes --config or --state-dir, not both");
	if (config_path && (config = gslb_config_load(config_path, &errors)))
		state_dir = config->node.state_dir;
	if (!state_dir && !config_path)
		state_dir = STATE_DIR_DEFAULT;
	struct store_summary summary;
	bool is_good = state_dir && !err_has_errors(&errors);
	if (is_good && ctl_option(ctl, "dry-run"))
		is_good = store_verify(ctl->args[0], &summary, &errors);
	else if (is_good)
		is_good = store_restore(ctl->args[0], state_dir, &summary, &errors);
	assert(is_good == !err_has_errors(&errors)); /* nothing fails without a word */
	err_print(&errors, stderr);
	err_done(&errors);
	if (is_good)
		print_summary(ctl, ctl->args[0], ctl_option(ctl, "dry-run") ? "good" : "restored", &summary);
	gslb_config_free(config);
	return is_good ? CTL_DONE : CTL_FAILED;
}

const struct ctl_verb verb_restore = {
	.group = "Node",
	.words = "restore",
	.args = "FILE",
	.options = "config@ state-dir@ dry-run",
	.least = 1,
	.most = 1,
	.run = run_restore,
	.help = "put a backup into the state directory of a node that is stopped",
	.more = "  --config NODE.YAML  the node whose state directory it is\n"
		"  --state-dir DIR     or the directory itself; /var/lib/gslb when neither is given\n"
		"  --dry-run           only verify the backup\n"
		"\n"
		"The backup is verified first; one of an earlier version is brought to the format of this\n"
		"one. What the directory held stays beside it, as gslb.db.before-restore.\n"
		"Refused while a gslbd uses the directory.\n",
};
