#include "boot/boot.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "base/mem.h"
#include "base/strv.h"
#include "base/text.h"
#include "base/units.h"
#include "boot/config.h"
#include "boot/disks.h"
#include "boot/folder.h"
#include "boot/machine.h"
#include "boot/tpm.h"
#include "boot/watch.h"
#include "storage/archive-name.h"
#include "vma/random.h"

#define CONFIG_NAME  "qemu-server.conf"
#define DEFAULT_VMID 100 /* of an archive whose name does not tell */
#define LIFELESS_S   30
#define TAIL_LINES   12
#define ROOM_MIN     (64 * MIB)
#define SCREEN_MAX   (64 * MIB)

struct boot {
	const struct boot_options *o;
	struct vma_random *archive;
	char *config; /* text of qemu-server.conf */
	uint32_t vmid;
	uint64_t max_written;
	struct expected expect;
	struct boot_folder folder;
	struct boot_disks disks;
	struct boot_tpm tpm;
};

enum boot_accel boot_accel_parse(const char *name)
{
	if (!strcmp(name, "kvm"))
		return BOOT_ACCEL_KVM;
	return strcmp(name, "tcg") == 0 ? BOOT_ACCEL_TCG : BOOT_ACCEL_AUTO;
}

/* ---- the archive ---- */

static uint32_t vmid_of(const char *path)
{
	_cleanup_archive_name_ struct archive_name name = { 0 };

	if (archive_name_parse(path, &name, NULL) < 0 || !name.vmid)
		return DEFAULT_VMID;
	return name.vmid;
}

static int find_config(struct boot *b, struct error **err)
{
	const struct vma_header *h = vma_random_header(b->archive);

	for (unsigned i = 0; i < h->n_configs; i++)
		if (!strcmp(h->configs[i].name, CONFIG_NAME))
			b->config = xstrndup((const char *)h->configs[i].data, h->configs[i].len);
	return b->config ? 0
			 : error_set(err, ERR_NOT_FOUND,
				     "'%s' has no " CONFIG_NAME
				     ", so it is not known what its guest looks like",
				     b->o->archive);
}

/* What is wrong with it is always its content, as far as its guest is concerned. */
static int open_archive(struct boot *b, struct error **err)
{
	int r = vma_random_open(b->o->archive, 0, &b->archive, err);

	if (r == 0)
		r = find_config(b, err);
	b->vmid = vmid_of(b->o->archive);
	return r < 0 ? ERR_CORRUPT : 0;
}

/* Half of what is free stays for others. */
static int limit_writes(struct boot *b, struct error **err)
{
	const uint64_t room = boot_folder_room(&b->folder);
	_cleanup_free_ char *text = units_bytes(room, 1);

	if (room < ROOM_MIN)
		return error_set(
			err, -ENOSPC,
			"what the guest writes goes to '%s', where only %s are free: make room there, or "
			"set TMPDIR to another folder",
			b->folder.path, text);
	b->max_written = room / 2 < b->o->max_written ? room / 2 : b->o->max_written;
	return 0;
}

static int prepare(struct boot *b, struct error **err)
{
	const struct boot_options *o = b->o;
	int r = expected_init(&b->expect, o->expect, err);

	if (r == 0)
		r = open_archive(b, err);
	if (r == 0)
		r = boot_folder_make(&b->folder, NULL, o->log, err);
	if (r == 0)
		r = limit_writes(b, err);
	if (r == 0)
		r = boot_disks_serve(&b->disks, o->archive, vma_random_header(b->archive), b->folder.path,
				     o->cancel, err);
	return r;
}

/* ---- one attempt ---- */

static bool has_agent(const struct boot *b, const struct guest_config *c)
{
	struct guest_agent agent;

	if (b->o->agent != BOOT_AGENT_AS_CONFIGURED)
		return b->o->agent == BOOT_AGENT_ON;
	guest_config_agent(c, NULL, &agent);
	return agent.enabled;
}

static void fill_options(const struct boot *b, const struct guest_config *own,
			 const struct guest_config *config, struct boot_machine_options *ret)
{
	const char *agent = guest_config_get(own, "agent");

	*ret = (struct boot_machine_options){ .config = config,
					      .disks = (struct boot_disks *)&b->disks,
					      .paths = b->o->paths,
					      .log = b->o->log,
					      .cancel = b->o->cancel,
					      .folder = b->folder.path,
					      .display = b->o->display,
					      .tpm_socket = b->tpm.socket,
					      .agent = has_agent(b, own),
					      .agent_is_isa = agent && strstr(agent, "type=isa"),
					      .max_file = b->max_written + GIB };
}

static int keep_file(const char *path, const char *data, size_t len, char **ret, const struct log *log)
{
	_cleanup_error_ struct error *err = NULL, *not_synced = NULL;

	if (io_write_file_atomic(path, data, len, 0600, &not_synced, &err) < 0) {
		log_warn(log, "%s", error_message(err));
		return -1;
	}
	*ret = xstrdup(path);
	return 0;
}

/* What an earlier boot has kept under the same name goes, so that it is not taken for this one's. */
static void forget_kept(const char *keep)
{
	static const char *const ends[] = { "png", "ppm", "log" };

	for (size_t i = 0; i < ARRAY_SIZE(ends); i++) {
		_cleanup_free_ char *path = xasprintf("%s.%s", keep, ends[i]);

		unlink(path);
	}
}

static void keep_screen(const struct boot *b, const struct boot_watch *w, struct boot_report *ret)
{
	const char *from = w->screenshot;
	_cleanup_free_ char *to = NULL;
	_cleanup_buf_ struct buf data = BUF_INIT;

	if (!from || io_read_file(from, SCREEN_MAX, &data, NULL) < 0)
		return;
	to = xasprintf("%s%s", b->o->keep, strrchr(from, '.'));
	keep_file(to, buf_str(&data), data.len, &ret->screenshot, b->o->log);
}

static void keep_console(const struct boot *b, const struct boot_watch *w, struct boot_report *ret)
{
	_cleanup_free_ char *to = xasprintf("%s.log", b->o->keep);
	_cleanup_buf_ struct buf text = BUF_INIT;

	boot_watch_text(w, &text);
	if (text.len)
		keep_file(to, buf_str(&text), text.len, &ret->console, b->o->log);
}

static void keep(const struct boot *b, const struct boot_watch *w, struct boot_report *ret)
{
	if (!b->o->keep)
		return;
	forget_kept(b->o->keep);
	keep_screen(b, w, ret);
	keep_console(b, w, ret);
}

/* Why it does not start is often in the last lines. */
static void say_tail(const struct boot *b, const struct boot_watch *w)
{
	_cleanup_free_ char *tail = boot_console_tail(&w->console, TAIL_LINES);
	const char *text = *tail || !w->screen ? tail : w->screen, *line;
	size_t len;

	while (str_next_line(&text, &line, &len))
		if (len)
			log_info(b->o->log, "console: %.*s", (int)len, line);
}

static int watch(struct boot *b, struct boot_machine *m, bool may_be_lifeless, struct boot_report *ret,
		 struct error **err)
{
	struct boot_watch w = { .machine = m,
				.disks = &b->disks,
				.expect = &b->expect,
				.cancel = b->o->cancel,
				.timeout_s = b->o->timeout_s,
				.lifeless_s = may_be_lifeless ? LIFELESS_S : 0,
				.max_written = b->max_written,
				.folder = b->o->keep ? b->folder.path : NULL };
	int r = boot_watch(&w, ret, err);

	if (r == BOOT_DECIDED) {
		keep(b, &w, ret);
		if (ret->state == BOOT_FAILED)
			say_tail(b, &w);
	}
	boot_watch_clear(&w);
	return r;
}

static int run_machine(struct boot *b, const struct guest_config *config, bool may_be_lifeless,
		       struct boot_report *ret, struct error **err)
{
	_cleanup_guest_config_ struct guest_config own = { 0 };
	struct boot_machine_options mo;
	struct boot_machine m;
	int r;

	guest_config_parse(b->vmid, b->config, NULL, &own);
	fill_options(b, &own, config, &mo);
	r = boot_machine_start(&m, &mo, err);
	if (r == 0)
		r = watch(b, &m, may_be_lifeless, ret, err);
	boot_machine_stop(&m);
	return r;
}

/* kvm: with KVM; may_be_lifeless: and there is another attempt without it. */
static int attempt(struct boot *b, bool kvm, bool may_be_lifeless, struct boot_report *ret,
		   struct error **err)
{
	const struct boot_options *o = b->o;
	_cleanup_guest_config_ struct guest_config config = { 0 };
	struct boot_config_options co = {
		.vmid = b->vmid, .memory_mib = o->memory_mib, .kvm = kvm, .log = o->log
	};
	int r = boot_disks_empty(&b->disks, o->cancel, err);

	if (r == 0)
		r = boot_tpm_start(&b->tpm, b->archive, b->folder.path, o->log, o->cancel, err);
	if (r == 0)
		r = boot_config_make(b->config, &co, &config, err);
	if (r == 0)
		r = run_machine(b, &config, may_be_lifeless, ret, err);
	boot_tpm_stop(&b->tpm);
	return r;
}

/* ---- all of it ---- */

static bool has_kvm(void)
{
	return access("/dev/kvm", R_OK | W_OK) == 0;
}

static int try_kvm_first(struct boot *b, struct boot_report *ret, struct error **err)
{
	_cleanup_error_ struct error *why = NULL;
	int r;

	if (!has_kvm()) {
		log_info(b->o->log, "there is no KVM here: the guest is tried by TCG, which is slow");
		return attempt(b, false, false, ret, err);
	}
	r = attempt(b, true, true, ret, &why);
	if (r != BOOT_LIFELESS && r != ERR_PEER) {
		error_keep_first(err, &why);
		return r;
	}
	log_warn(b->o->log, "with KVM it gets nowhere (%s): the guest is tried again by TCG, which is slow",
		 why ? error_message(why) : "there is no sign of a start, and none of a failure");
	boot_report_clear(ret);
	return attempt(b, false, false, ret, err);
}

static int try_it(struct boot *b, struct boot_report *ret, struct error **err)
{
	switch (b->o->accel) {
	case BOOT_ACCEL_KVM:
		return attempt(b, true, false, ret, err);
	case BOOT_ACCEL_TCG:
		return attempt(b, false, false, ret, err);
	case BOOT_ACCEL_AUTO:
		break;
	}
	return try_kvm_first(b, ret, err);
}

int boot_run(const struct boot_options *o, struct boot_report *ret, struct error **err)
{
	struct boot b = { .o = o, .folder.lock = -1 };
	int r;

	*ret = (struct boot_report){ 0 };
	r = prepare(&b, err);
	if (r == 0)
		r = try_it(&b, ret, err);
	boot_disks_stop(&b.disks);
	boot_folder_remove(&b.folder);
	expected_clear(&b.expect);
	vma_random_free(b.archive);
	free(b.config);
	return r < 0 ? r : 0;
}
