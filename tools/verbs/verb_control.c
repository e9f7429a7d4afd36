/* The verbs that steer: region, vip and flip. One thread. */
#include "lib/json_text.h"
#include "lib/mem.h"
#include "lib/net.h"
#include "lib/text.h"
#include "tools/ctl.h"
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* {share, for, reason} from the options; where `share` is NULL, --share or 0 is the share. NULL: a usage
 * mistake, which is printed. */
static json_t *control_body(struct ctl *ctl, json_t *share)
{
	const char *share_written = ctl_option(ctl, "share");
	const char *duration = ctl_option(ctl, "for"), *reason = ctl_option(ctl, "reason");
	uint64_t number = 0;
	assert(!share || !share_written); /* a verb that fixes the share has no option for it */
	if (share_written) {
		size_t length = strlen(share_written);
		bool has_sign = length > 1 && share_written[length - 1] == '%';
		char *digits = xstrndup(share_written, length - has_sign);
		bool is_good = text_to_uint(digits, &number) && number <= 100;
		free(digits);
		if (!is_good) {
			ctl_usage(ctl, "--share %s: the part that stays, 0 to 100", share_written);
			json_decref(share);
			return NULL;
		}
	}
	uint64_t ms;
	if (duration && (!text_to_duration_ms(duration, &ms) || ms == 0)) {
		ctl_usage(ctl, "--for %s: not a duration (30s, 10m, 2h)", duration);
		json_decref(share);
		return NULL;
	}
	json_t *body = json_object();
	json_object_set_new(body, "share", share ? share : json_integer((json_int_t)number));
	if (duration)
		json_object_set_new(body, "for", json_text(duration));
	if (reason)
		json_object_set_new(body, "reason", json_text(reason));
	return body;
}

static char *region_path(struct ctl *ctl)
{
	const char *service = ctl_option(ctl, "service");
	assert(ctl->arg_count == 1);
	char *path = ctl_path("/v1/controls/regions", ctl->args[0]);
	if (!service)
		return path;
	char *base = xasprintf("%s/services", path);
	char *whole = ctl_path(base, service);
	free(base);
	free(path);
	return whole;
}

/* DELETE has no body, so that the reason goes into the query. */
static char *with_reason(struct ctl *ctl, char *path)
{
	const char *reason = ctl_option(ctl, "reason");
	if (!reason)
		return path;
	char *escaped = ctl_path("", reason);
	char *whole = xasprintf("%s?reason=%s", path, escaped + 1);
	free(escaped);
	free(path);
	return whole;
}

/* "eu (shop): share 50 % for 10m" */
static char *done_words(struct ctl *ctl, const char *object, const char *what)
{
	const char *service = ctl_option(ctl, "service"), *duration = ctl_option(ctl, "for");
	return xasprintf("%s%s%s%s: %s%s%s", object, service ? " (" : "", service ? service : "",
			 service ? ")" : "", what, duration ? " for " : "", duration ? duration : "");
}

static void tell_service_controls(const json_t *region)
{
	const char *id = json_string_value(json_object_get(region, "id")), *service;
	json_t *control;
	json_object_foreach (json_object_get(region, "service_controls"), service, control) {
		char *share = ctl_words(json_object_get(control, "share"));
		fprintf(stderr,
			"note: in %s service %s has a control of its own, share %s, and that one counts\n"
			"      (gslbctl region restore %s --service %s ends it)\n",
			id, service, share, id, service);
		free(share);
	}
}

/* A service's own control on a region overrides the region's. An operator who drains a region expects it to
 * be empty, so each verb that steers a region names the services that do not follow. */
static void note_service_controls(const struct ctl *ctl, const char *const *regions, size_t count)
{
	struct ctl_http_request request = {.method = "GET", .path = "/v1/regions"};
	struct ctl_http_reply reply;
	if (ctl->output == CTL_JSON || ctl_option(ctl, "service") || !ctl_call(ctl, &request, NULL, &reply))
		return;
	json_t *json = ctl_json(&reply);
	const json_t *items = json_object_get(json, "items");
	for (size_t i = 0; i < json_array_size(items); i++) {
		const json_t *region = json_array_get(items, i);
		const char *id = json_string_value(json_object_get(region, "id"));
		for (size_t j = 0; j < count; j++)
			if (id && strcmp(id, regions[j]) == 0)
				tell_service_controls(region);
	}
	json_decref(json);
	ctl_http_reply_done(&reply);
}

static enum ctl_exit put(struct ctl *ctl, char *path, json_t *body, const char *object, const char *what)
{
	enum ctl_exit code = CTL_USAGE;
	if (body) {
		char *done = done_words(ctl, object, what);
		code = ctl_change(ctl, "PUT", path, body, done);
		free(done);
	}
	free(path);
	return code;
}

static enum ctl_exit run_region_drain(struct ctl *ctl)
{
	json_t *body = control_body(ctl, NULL);
	json_int_t share = json_integer_value(json_object_get(body, "share"));
	char *what = share ? xasprintf("%lld %% stays", (long long)share) : xstrdup("drained");
	enum ctl_exit code = put(ctl, region_path(ctl), body, ctl->args[0], what);
	free(what);
	if (code == CTL_DONE)
		note_service_controls(ctl, ctl->args, 1);
	return code;
}

const struct ctl_verb verb_region_drain = {
	.group = "Steer",
	.words = "region drain",
	.args = "NAME",
	.options = "service: share: for: reason:",
	.later = "over: confirm-within: dry-run: override:",
	.least = 1,
	.most = 1,
	.run = run_region_drain,
	.help = "send a region fewer clients, or none",
	.more = "  --share N    the part that stays, in percent (0 to 100); 0 when not given\n"
		"  --service S  only for this service\n"
		"  --for T      it ends by itself after T (30s, 10m, 2h)\n"
		"  --reason R   for the audit\n"
		"\n"
		"A region of share 0 is still used when no other region has a healthy VIP.\n"
		"\n"
		"  gslbctl region drain eu --share 50 --for 30m --reason 'new kernel'\n",
};

static enum ctl_exit run_region_force_down(struct ctl *ctl)
{
	enum ctl_exit code = put(ctl, region_path(ctl), control_body(ctl, json_string("down")), ctl->args[0],
				 "forced down");
	if (code == CTL_DONE)
		note_service_controls(ctl, ctl->args, 1);
	return code;
}

const struct ctl_verb verb_region_force_down = {
	.group = "Steer",
	.words = "region force-down",
	.args = "NAME",
	.options = "service: for: reason:",
	.later = "over: confirm-within: dry-run: override:",
	.least = 1,
	.most = 1,
	.run = run_region_force_down,
	.help = "never answer with a region, come what may",
	.more = "  --service S  only for this service\n"
		"  --for T      it ends by itself after T (30s, 10m, 2h)\n"
		"  --reason R   for the audit\n"
		"\n"
		"With every region of a tenant forced down its names have no address (NODATA).\n",
};

static enum ctl_exit run_region_restore(struct ctl *ctl)
{
	char *path = with_reason(ctl, region_path(ctl));
	char *done = done_words(ctl, ctl->args[0], "restored");
	enum ctl_exit code = ctl_change(ctl, "DELETE", path, NULL, done);
	free(done);
	free(path);
	if (code == CTL_DONE)
		note_service_controls(ctl, ctl->args, 1);
	return code;
}

const struct ctl_verb verb_region_restore = {
	.group = "Steer",
	.words = "region restore",
	.args = "NAME",
	.options = "service: reason:",
	.later = "over: confirm-within: dry-run: override:",
	.least = 1,
	.most = 1,
	.run = run_region_restore,
	.help = "end drain or force-down",
	.more = "  --service S  end the control of this service alone\n"
		"  --reason R   for the audit\n",
};

/* NULL: a usage mistake, which is printed. */
static char *vip_path(struct ctl *ctl)
{
	struct ip ip;
	assert(ctl->arg_count == 2);
	if (!ip_parse(ctl->args[1], &ip)) {
		ctl_usage(ctl, "'%s' is not an address", ctl->args[1]);
		return NULL;
	}
	char *region = ctl_path("/v1/controls/vips", ctl->args[0]);
	char address[IP_TEXT_MAX];
	ip_format(&ip, address);
	char *path = ctl_path(region, address);
	free(region);
	return path;
}

static enum ctl_exit run_vip_drain(struct ctl *ctl)
{
	char *path = vip_path(ctl);
	if (!path)
		return CTL_USAGE;
	char *object = xasprintf("%s %s", ctl->args[0], ctl->args[1]);
	enum ctl_exit code = put(ctl, path, control_body(ctl, NULL), object, "drained");
	free(object);
	return code;
}

const struct ctl_verb verb_vip_drain = {
	.group = "Steer",
	.words = "vip drain",
	.args = "REGION ADDRESS",
	.options = "for: reason:",
	.least = 2,
	.most = 2,
	.run = run_vip_drain,
	.help = "take one VIP out of the split",
	.more = "  --for T     it ends by itself after T (30s, 10m, 2h)\n"
		"  --reason R  for the audit\n"
		"\n"
		"  gslbctl vip drain eu 192.0.2.11 --for 1h --reason 'new disk'\n",
};

static enum ctl_exit run_vip_restore(struct ctl *ctl)
{
	char *path = vip_path(ctl);
	if (!path)
		return CTL_USAGE;
	path = with_reason(ctl, path);
	char *done = xasprintf("%s %s: restored", ctl->args[0], ctl->args[1]);
	enum ctl_exit code = ctl_change(ctl, "DELETE", path, NULL, done);
	free(done);
	free(path);
	return code;
}

const struct ctl_verb verb_vip_restore = {
	.group = "Steer",
	.words = "vip restore",
	.args = "REGION ADDRESS",
	.options = "reason:",
	.least = 2,
	.most = 2,
	.run = run_vip_restore,
	.help = "put it back into the split",
	.more = "  --reason R  for the audit\n",
};

static char *origin_path(const struct ctl *ctl)
{
	char *service = ctl_path("/v1/controls/origins", ctl->args[0]),
	     *pool = ctl_path(service, ctl->args[1]);
	char *path = ctl_path(pool, ctl->args[2]);
	assert(ctl->arg_count == 3);
	free(service);
	free(pool);
	return path;
}

static enum ctl_exit run_origin_drain(struct ctl *ctl)
{
	char *object = xasprintf("%s %s %s", ctl->args[0], ctl->args[1], ctl->args[2]);
	enum ctl_exit code = put(ctl, origin_path(ctl), control_body(ctl, NULL), object, "drained");
	free(object);
	return code;
}

const struct ctl_verb verb_origin_drain = {
	.group = "Steer",
	.words = "origin drain",
	.args = "SERVICE ORIGINS ADDRESS",
	.options = "for: reason:",
	.least = 3,
	.most = 3,
	.run = run_origin_drain,
	.help = "no new requests for one origin, at all forwarders",
	.more = "  --for T     it ends by itself after T (30s, 10m, 2h)\n"
		"  --reason R  for the audit\n"
		"\n"
		"  gslbctl origin drain shop web 10.1.0.5:8080 --for 10m --reason deploy\n",
};

static enum ctl_exit run_origin_restore(struct ctl *ctl)
{
	char *path = with_reason(ctl, origin_path(ctl));
	char *done = xasprintf("%s %s %s: restored", ctl->args[0], ctl->args[1], ctl->args[2]);
	enum ctl_exit code = ctl_change(ctl, "DELETE", path, NULL, done);
	free(done);
	free(path);
	return code;
}

const struct ctl_verb verb_origin_restore = {
	.group = "Steer",
	.words = "origin restore",
	.args = "SERVICE ORIGINS ADDRESS",
	.options = "reason:",
	.least = 3,
	.most = 3,
	.run = run_origin_restore,
	.help = "it gets requests again",
	.more = "  --reason R  for the audit\n",
};

static enum ctl_exit run_flip(struct ctl *ctl)
{
	assert(ctl->arg_count == 2);
	if (strcmp(ctl->args[0], ctl->args[1]) == 0)
		return ctl_usage(ctl, "flip needs two regions, not '%s' twice", ctl->args[0]);
	const char *service = ctl_option(ctl, "service");
	json_t *changes = json_array();
	for (size_t i = 0; i < 2; i++) {
		json_t *change = control_body(ctl, json_integer(i ? 100 : 0));
		if (!change) {
			json_decref(changes);
			return CTL_USAGE;
		}
		json_object_set_new(change, "region", json_text(ctl->args[i]));
		if (service)
			json_object_set_new(change, "service", json_text(service));
		json_array_append_new(changes, change);
	}
	json_t *body = json_object();
	json_object_set_new(body, "changes", changes);
	char *object = xasprintf("%s -> %s", ctl->args[0], ctl->args[1]);
	char *done = done_words(ctl, object, "flipped");
	enum ctl_exit code = ctl_change(ctl, "POST", "/v1/batch", body, done);
	free(done);
	free(object);
	if (code == CTL_DONE)
		note_service_controls(ctl, ctl->args, 2);
	return code;
}

const struct ctl_verb verb_flip = {
	.group = "Steer",
	.words = "flip",
	.args = "FROM TO",
	.options = "service: for: reason:",
	.later = "over: confirm-within: dry-run: override:",
	.least = 2,
	.most = 2,
	.run = run_flip,
	.help = "drain FROM and restore TO, in one change",
	.more = "  --service S  only for this service\n"
		"  --for T      both controls end by themselves after T (30s, 10m, 2h)\n"
		"  --reason R   for the audit\n"
		"\n"
		"  gslbctl flip eu us --reason 'power work in Frankfurt'\n",
};
