#include "boot/machine.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/io.h"
#include "base/mem.h"
#include "base/process.h"
#include "base/strv.h"
#include "base/units.h"
#include "base/unix-socket.h"
#include "guest/qemu-args.h"
#include "qemu/version.h"

#define START_MS      60000
#define END_MS        2000 /* from closing its monitor to its end */
#define POLL_MS       50
#define VGA_TEXT      UINT64_C(0xb8000)
#define SCREENSHOT_MS 20000
#define LOG_FLAGS     (O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC)

/* ---- the command line ---- */

static const char *program(const struct guest_config *c)
{
	const char *arch = guest_config_get(c, "arch");

	return arch && !strcmp(arch, "aarch64") ? "qemu-system-aarch64" : "qemu-system-x86_64";
}

static bool is_x86(const struct guest_config *c)
{
	return !strcmp(program(c), "qemu-system-x86_64");
}

/*
 * In JSON, as all others are: QEMU makes those that are written in key=value before these, and would give
 * them PCI addresses that belong to others.
 */
static void add_device(char ***argv, const char *json)
{
	strv_add(argv, "-device");
	strv_add(argv, json);
}

static void add_agent(char ***argv, const struct boot_machine *m, bool isa)
{
	strv_add(argv, "-chardev");
	strv_addf(argv, "socket,id=boot-agent,path=%s,server=on,wait=off", m->agent_socket);
	if (isa) {
		add_device(argv, "{\"driver\":\"isa-serial\",\"chardev\":\"boot-agent\"}");
		return;
	}
	add_device(argv, "{\"driver\":\"virtio-serial-pci\",\"id\":\"boot-agent-bus\"}");
	add_device(argv,
		   "{\"driver\":\"virtserialport\",\"chardev\":\"boot-agent\",\"bus\":\"boot-agent-bus.0\","
		   "\"name\":\"org.qemu.guest_agent.0\",\"id\":\"" BOOT_AGENT_PORT "\"}");
}

static void add_tpm(char ***argv, const char *socket)
{
	strv_add(argv, "-chardev");
	strv_addf(argv, "socket,id=boot-tpm,path=%s", socket);
	strv_add(argv, "-tpmdev");
	strv_add(argv, "emulator,id=boot-tpmdev,chardev=boot-tpm");
	add_device(argv, "{\"driver\":\"tpm-tis\",\"tpmdev\":\"boot-tpmdev\"}");
}

/* SeaBIOS writes there what it shows, and more. */
static void add_debug_port(char ***argv, int fd)
{
	strv_add(argv, "-chardev");
	strv_addf(argv, "socket,id=boot-debug,fd=%d", fd);
	add_device(argv, "{\"driver\":\"isa-debugcon\",\"iobase\":1026,\"chardev\":\"boot-debug\"}");
}

static void add_own(char ***argv, const struct boot_machine *m, const struct boot_machine_options *o,
		    int console_fd, int debug_fd)
{
	strv_add(argv, "-display");
	strv_add(argv, o->display ? o->display : "none");
	strv_add(argv, "-nic");
	strv_add(argv, "none");
	strv_add(argv, "-chardev");
	strv_addf(argv, "socket,id=boot-console,fd=%d", console_fd);
	strv_add(argv, "-serial");
	strv_add(argv, "chardev:boot-console");
	strv_add(argv, "-qmp");
	strv_addf(argv, "unix:%s/qmp.sock,server=on,wait=off", o->folder);
	strv_add(argv, "-no-shutdown");
	strv_add(argv, "-S");
	strv_add(argv, "-sandbox");
	strv_add(argv, "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny");
	if (debug_fd >= 0)
		add_debug_port(argv, debug_fd);
	if (o->agent)
		add_agent(argv, m, o->agent_is_isa);
	if (o->tpm_socket)
		add_tpm(argv, o->tpm_socket);
}

static int make_words(const struct boot_machine_options *o, char ***ret, struct error **err)
{
	struct qemu_args_options qo = {
		.paths = o->paths,
		.log = o->log,
		.flags = QEMU_ARGS_NO_MONITOR | QEMU_ARGS_NO_PIDFILE | QEMU_ARGS_NO_AGENT |
			 QEMU_ARGS_NO_NETWORK | QEMU_ARGS_NO_VNC | QEMU_ARGS_NO_SERIAL |
			 QEMU_ARGS_EMPTY_DRIVES,
		.disk = boot_disks_node,
		.opaque = o->disks,
	};

	qemu_version_ask(program(o->config), &qo.qemu_major, &qo.qemu_minor);
	return qemu_args_make(o->config, &qo, ret, err);
}

/* ---- starting ---- */

/* What a guest writes beyond any other limit does not fill the host: then its QEMU is killed by SIGXFSZ. */
static void limit_files(pid_t pid, uint64_t bytes)
{
	const struct rlimit limit = { .rlim_cur = bytes, .rlim_max = bytes };

	prlimit(pid, RLIMIT_FSIZE, &limit, NULL);
}

static int spawn_qemu(struct boot_machine *m, const struct boot_machine_options *o, char *const *argv,
		      const int *fds, size_t n_fds, struct error **err)
{
	_cleanup_close_ int log_fd = open(m->log, LOG_FLAGS, 0600);
	struct process_options po = {
		.stdout_fd = log_fd, .stderr_fd = log_fd, .keep_fds = fds, .n_keep_fds = n_fds
	};
	int r;

	if (log_fd < 0)
		return error_errno(err, errno, "cannot create '%s'", m->log);
	r = process_spawn((const char *const *)(const void *)argv, &po, &m->pid, err);
	if (r < 0)
		return error_wrap(err, r, "a guest is tried by QEMU; install the package qemu-system-x86");
	limit_files(m->pid, o->max_file);
	return 0;
}

static bool has_ended(struct boot_machine *m, int timeout_ms)
{
	if (m->pid > 0 && process_wait(m->pid, timeout_ms, &m->status, NULL) == 0)
		m->pid = 0;
	return m->pid == 0;
}

static int not_started(const struct boot_machine *m, struct error **err)
{
	_cleanup_free_ char *words = boot_machine_words(m);

	return error_set(err, ERR_PEER, "QEMU does not start (exit status %d)%s%s", m->status,
			 words ? ": " : "", words ? words : "");
}

static int open_monitor(struct boot_machine *m, const struct boot_machine_options *o, struct error **err)
{
	_cleanup_free_ char *path = xasprintf("%s/qmp.sock", o->folder);

	for (int waited = 0; waited < START_MS; waited += POLL_MS) {
		if (has_ended(m, 0))
			return not_started(m, err);
		if (access(path, F_OK) == 0 && qmp_open(path, START_MS, o->cancel, &m->qmp, NULL) == 0) {
			qmp_on_event(m->qmp, boot_events_take, &m->events);
			return 0;
		}
		if (cancel_sleep(o->cancel, POLL_MS, err) < 0)
			return ERR_CANCELED;
	}
	return error_set(err, ERR_TIMEOUT, "QEMU does not answer after %d s", START_MS / 1000);
}

/* QEMU's ends are closed here in any case: when QEMU ends, ours end too. */
static int start_qemu(struct boot_machine *m, const struct boot_machine_options *o, char ***argv,
		      struct error **err)
{
	_cleanup_close_ int console = -1, debug = -1;
	int fds[2], r = boot_drain_start(&m->console, &console, err);
	size_t n = 0;

	if (r == 0 && is_x86(o->config))
		r = boot_drain_start(&m->debug, &debug, err);
	if (r < 0)
		return r;
	fds[n++] = console;
	if (debug >= 0)
		fds[n++] = debug;
	add_own(argv, m, o, console, debug);
	return spawn_qemu(m, o, *argv, fds, n, err);
}

int boot_machine_start(struct boot_machine *m, const struct boot_machine_options *o, struct error **err)
{
	_cleanup_strv_ char **argv = NULL, **words = NULL;
	int r;

	*m = (struct boot_machine){ .console = BOOT_DRAIN_INIT, .debug = BOOT_DRAIN_INIT };
	m->log = xasprintf("%s/qemu.log", o->folder);
	m->screen = xasprintf("%s/screen", o->folder);
	m->agent_socket = o->agent ? xasprintf("%s/agent.sock", o->folder) : NULL;
	m->agent_is_isa = o->agent_is_isa;
	r = unix_socket_check_path(m->agent_socket ? m->agent_socket : "", err);
	if (r == 0)
		r = make_words(o, &words, err);
	if (r < 0)
		return r;
	strv_add(&argv, program(o->config));
	for (char **w = words; w && *w; w++)
		strv_add(&argv, *w);
	r = start_qemu(m, o, &argv, err);
	if (r == 0)
		r = open_monitor(m, o, err);
	return r == 0 ? qmp_execute(m->qmp, "cont", NULL, NULL, err) : r;
}

/* ---- watching ---- */

static void take(struct boot_drain *d, struct boot_console *c)
{
	_cleanup_buf_ struct buf data = BUF_INIT;

	boot_drain_take(d, &data);
	boot_console_add(c, buf_str(&data), data.len);
}

void boot_machine_read(struct boot_machine *m, struct boot_console *console, struct boot_console *debug)
{
	take(&m->console, console);
	take(&m->debug, debug);
}

bool boot_machine_poll(struct boot_machine *m)
{
	/* events come with the answer to any command; one that is not answered in time is no end */
	const bool gone = qmp_execute(m->qmp, "query-status", NULL, NULL, NULL) == ERR_GONE;

	return !has_ended(m, gone ? END_MS : 0);
}

char *boot_machine_screen(struct boot_machine *m)
{
	_cleanup_buf_ struct buf cells = BUF_INIT;
	struct json_object *args = json_new_str("filename", m->screen);

	json_put_u64(args, "val", VGA_TEXT);
	json_put_u64(args, "size", BOOT_SCREEN_BYTES);
	if (qmp_execute(m->qmp, "pmemsave", args, NULL, NULL) < 0 ||
	    io_read_file(m->screen, BOOT_SCREEN_BYTES, &cells, NULL) < 0 || cells.len != BOOT_SCREEN_BYTES)
		return NULL;
	return boot_screen_text((const unsigned char *)cells.data);
}

uint64_t boot_machine_bytes_read(struct boot_machine *m)
{
	_cleanup_json_ struct json_object *all = NULL;
	uint64_t sum = 0;

	if (qmp_execute(m->qmp, "query-blockstats", NULL, &all, NULL) < 0)
		return 0;
	for (size_t i = 0; i < json_array_len(all); i++) {
		struct json_object *stats = json_get_obj(json_array_at(all, i), "stats");
		uint64_t n = 0;

		if (json_get_u64(stats, "rd_bytes", &n))
			sum += n;
	}
	return sum;
}

static bool take_screenshot(struct boot_machine *m, const char *path, const char *format)
{
	struct json_object *args = json_new_str("filename", path);

	json_put_str(args, "format", format);
	return qmp_execute_timeout(m->qmp, "screendump", args, SCREENSHOT_MS, NULL, NULL) == 0;
}

char *boot_machine_screenshot(struct boot_machine *m, const char *folder)
{
	_cleanup_free_ char *png = xasprintf("%s/screen.png", folder);
	_cleanup_free_ char *ppm = xasprintf("%s/screen.ppm", folder);

	if (!m->qmp || has_ended(m, 0))
		return NULL;
	if (take_screenshot(m, png, "png"))
		return TAKE_PTR(png);
	return take_screenshot(m, ppm, NULL) ? TAKE_PTR(ppm) : NULL;
}

char *boot_machine_words(const struct boot_machine *m)
{
	return io_last_line(m->log);
}

void boot_machine_stop(struct boot_machine *m)
{
	qmp_close(m->qmp);
	/* what it has written is thrown away, so it need not end in good order */
	if (m->pid > 0) {
		kill(m->pid, SIGKILL);
		process_stop(m->pid);
	}
	boot_drain_end(&m->console);
	boot_drain_end(&m->debug);
	boot_events_clear(&m->events);
	free(m->agent_socket);
	free(m->log);
	free(m->screen);
	*m = (struct boot_machine){ .console = BOOT_DRAIN_INIT, .debug = BOOT_DRAIN_INIT };
}
