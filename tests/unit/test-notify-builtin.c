/* lib/notify/builtin: what is sent where nobody has put templates of their own. */
#include "notify/builtin.h"

#include <unistd.h>

#include "base/io.h"
#include "base/json.h"
#include "base/process.h"
#include "notify/template.h"
#include "tap.h"

/* clang-format off */
#define COLUMNS \
	"{\"schema\":{\"columns\":[{\"label\":\"VMID\",\"id\":\"vmid\"},{\"label\":\"Name\",\"id\":\"name\"}," \
	"{\"label\":\"Status\",\"id\":\"status\"},{\"label\":\"Time\",\"id\":\"time\",\"renderer\":\"duration\"}," \
	"{\"label\":\"Size\",\"id\":\"size\",\"renderer\":\"human-bytes\"},{\"label\":\"Filename\",\"id\":\"filename\"}]}"
#define GUEST \
	"{\"vmid\":100,\"name\":\"web\",\"status\":\"ok\",\"time\":61,\"size\":1536,\"filename\":\"/d/a.vma.zst\"}"

static const char good[] =
	"{\"hostname\":\"pve1\",\"fqdn\":\"pve1.example.org\",\"status-text\":\"backup successful\",\"error\":null,"
	" \"total-time\":61,\"total-size\":1536,\"logs\":\"vzdump 100\\n\\n\\n100: line\\n\\n\","
	" \"guest-table\":" COLUMNS ",\"data\":[" GUEST "]}}";

static const char bad[] =
	"{\"hostname\":\"pve1\",\"fqdn\":\"pve1.example.org\",\"status-text\":\"backup failed: multiple problems\","
	" \"error\":\"a < b\\n& more\",\"total-time\":3723,\"total-size\":1536,"
	" \"logs\":\"vzdump --all\\n\\n\\n100: <script>'x'</script>\\n\\n\","
	" \"guest-table\":" COLUMNS ",\"data\":[" GUEST ","
	"{\"vmid\":101,\"name\":\"</td><b>\",\"status\":\"err\",\"time\":0,\"size\":0,\"filename\":null},"
	"{\"vmid\":102,\"name\":\"VM 102\",\"status\":\"todo\",\"time\":0,\"size\":0,\"filename\":null}]},"
	" \"fleecing-table\":{\"schema\":{\"columns\":[{\"label\":\"VMID\",\"id\":\"vmid\"},"
	"{\"label\":\"Peak\",\"id\":\"peak\",\"renderer\":\"human-bytes\"},"
	"{\"label\":\"Copied\",\"id\":\"copied\",\"renderer\":\"human-bytes\"},"
	"{\"label\":\"Discarded\",\"id\":\"discarded\",\"renderer\":\"human-bytes\"}]},"
	"\"data\":[{\"vmid\":100,\"peak\":65536,\"copied\":131072,\"discarded\":0}]},"
	" \"incremental-table\":{\"schema\":{\"columns\":[{\"label\":\"VMID\",\"id\":\"vmid\"},"
	"{\"label\":\"New\",\"id\":\"new\",\"renderer\":\"human-bytes\"},"
	"{\"label\":\"Base\",\"id\":\"base\"}]},\"data\":[{\"vmid\":100,\"new\":65536,\"base\":\"a\"}]},"
	" \"warnings\":[\"100: \\\"late\\\" & slow\",\"101: other\"]}";
/* clang-format on */

static void renders(const char *file, const char *data, enum template_output output, struct buf *out)
{
	_cleanup_json_ struct json_object *values = json_tokener_parse(data);
	const char *text = template_builtin(file);
	struct error *err = NULL;

	if (!ok(values && text && template_render(text, values, output, out, &err) == 0, "%s is rendered",
		file))
		diag("%s", error_message(err));
	error_free(err);
}

static void same(const char *got, const char *want, const char *what)
{
	if (!ok(!strcmp(got, want), "%s", what))
		for (const char *at = got, *line; (line = strsep((char **)&at, "\n")) != NULL;)
			diag("got %s", line);
}

static void text_is(const char *file, const char *data, const char *want, const char *what)
{
	_cleanup_buf_ struct buf out = BUF_INIT;

	renders(file, data, TEMPLATE_TEXT, &out);
	same(out.data, want, what);
}

static void test_text(void)
{
	text_is("vzdump-subject.txt.hbs", good, "vzdump backup status (pve1.example.org): backup successful",
		"the subject says how it went");
	text_is("vzdump-body.txt.hbs", good,
		"Details\n=======\n"
		"VMID    Name    Status    Time     Size       Filename        \n"
		"100     web     ok        1m 1s    1.5 KiB    /d/a.vma.zst    \n"
		"\nTotal running time: 1m 1s\nTotal size: 1.5 KiB\n"
		"\nLogs\n====\nvzdump 100\n\n\n100: line\n\n\n",
		"the text of a good run is PVE's");
	text_is("vzdump-body.txt.hbs", bad,
		"a < b\n& more\n\nDetails\n=======\n"
		"VMID    Name        Status    Time     Size       Filename        \n"
		"100     web         ok        1m 1s    1.5 KiB    /d/a.vma.zst    \n"
		"101     </td><b>    err       0s       0 B        null            \n"
		"102     VM 102      todo      0s       0 B        null            \n"
		"\nTotal running time: 1h 2m 3s\nTotal size: 1.5 KiB\n"
		"\nFleecing\n========\n"
		"VMID    Peak      Copied     Discarded    \n"
		"100     64 KiB    128 KiB    0 B          \n"
		"\nIncremental\n===========\n"
		"VMID    New       Base    \n"
		"100     64 KiB    a       \n"
		"\nWarnings\n========\n100: \"late\" & slow\n101: other\n"
		"\nLogs\n====\nvzdump --all\n\n\n100: <script>'x'</script>\n\n\n",
		"below the totals are fleecing, incremental backups and warnings, if there are any");
}

/* As a parser that is not ours sees the page. */
static void page_is(const char *data, const char *want, const char *what)
{
	char path[] = "/tmp/vzdump-test-html.XXXXXX";
	const char *const argv[] = { "python3", "tests/lib/html_page.py", path, NULL };
	_cleanup_close_ int fd = mkstemp(path);
	_cleanup_buf_ struct buf out = BUF_INIT;
	struct process_result result = { 0 };

	renders("vzdump-body.html.hbs", data, TEMPLATE_HTML, &out);
	ok(fd >= 0 && io_pwrite_all(fd, out.data, out.len, 0) == 0 &&
		   process_run(argv, NULL, &result, NULL) == 0 && result.status == 0,
	   "a parser reads the page");
	if (result.errout && *result.errout)
		diag("%s", result.errout);
	same(result.out ? result.out : "", want, what);
	process_result_clear(&result);
	unlink(path);
}

static void test_html(void)
{
	page_is(good,
		"h1 Details\nrow VMID|Name|Status|Time|Size|Filename\n"
		"row 100|web|ok|1m 1s|1.5 KiB|/d/a.vma.zst\n"
		"text Total running time: 1m 1s\ntext Total size: 1.5 KiB\n"
		"h1 Logs\npre vzdump 100\npre \npre \npre 100: line\n",
		"the page of a good run is PVE's");
	page_is(bad,
		"p a < b & more\nh1 Details\nrow VMID|Name|Status|Time|Size|Filename\n"
		"row 100|web|ok|1m 1s|1.5 KiB|/d/a.vma.zst\nrow 101|</td><b>|err|0s|0 B|\n"
		"row 102|VM 102|todo|0s|0 B|\n"
		"text Total running time: 1h 2m 3s\ntext Total size: 1.5 KiB\n"
		"h1 Fleecing\nrow VMID|Peak|Copied|Discarded\nrow 100|64 KiB|128 KiB|0 B\n"
		"h1 Incremental\nrow VMID|New|Base\nrow 100|64 KiB|a\n"
		"h1 Warnings\nli 100: \"late\" & slow\nli 101: other\n"
		"h1 Logs\npre vzdump --all\npre \npre \npre 100: <script>'x'</script>\n",
		"nothing of the data becomes markup");
}

int main(void)
{
	test_text();
	test_html();
	ok(!template_builtin("vzdump-other.hbs"), "there is no other");
	return done_testing();
}
