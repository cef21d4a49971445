/* vma: looks into VMA archives, takes them apart, checks and makes them, as Proxmox's command. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "vma-commands.h"

#define EXIT_FAILED 255

static const struct vma_command *const commands[] = {
	&vma_command_list,    &vma_command_config, &vma_command_create,
	&vma_command_extract, &vma_command_verify,
};

static void usage(FILE *out)
{
	fputs("usage: vma command [command options]\n\n", out);
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
		fprintf(out, "%-12s %s\n", commands[i]->table->command,
			commands[i]->table->summary);
	fputs("\nvma <command> --help shows the command's options.\n", out);
}

static const struct vma_command *find(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
		if (!strcmp(commands[i]->name, name))
			return commands[i];
	return NULL;
}

static int print_help(const struct option_table *t)
{
	_cleanup_buf_ struct buf help = BUF_INIT;

	options_help(t, &help);
	fputs(buf_str(&help), stdout);
	return 0;
}

static int run(const struct vma_command *c, int argc, char *argv[], struct error **err)
{
	_cleanup_options_ struct options o = { 0 };
	int r = options_parse(c->table, argc, argv, &o, err);

	if (r < 0)
		return r;
	if (o.help)
		return print_help(c->table);
	if (o.version) {
		puts("vma " VZDUMP_VERSION);
		return 0;
	}
	r = c->run(&o, err);
	if (fflush(stdout) && r == 0)
		r = error_set(err, -EIO, "cannot write to standard output");
	return r;
}

int main(int argc, char *argv[])
{
	_cleanup_error_ struct error *err = NULL;
	const struct vma_command *c;

	if (argc >= 2 && (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h"))) {
		usage(stdout);
		return 0;
	}
	if (argc >= 2 && !strcmp(argv[1], "--version")) {
		puts("vma " VZDUMP_VERSION);
		return 0;
	}
	c = argc >= 2 ? find(argv[1]) : NULL;
	if (!c) {
		if (argc >= 2)
			fprintf(stderr, "vma: unknown command '%s' (see vma --help)\n", argv[1]);
		else
			usage(stderr);
		return EXIT_FAILED;
	}
	if (run(c, argc - 1, argv + 1, &err) < 0) {
		fflush(stdout);
		fprintf(stderr, "%s\n", error_message(err));
		return EXIT_FAILED;
	}
	return 0;
}
