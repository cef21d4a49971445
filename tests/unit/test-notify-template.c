/* lib/notify/template: PVE's template language, construct by construct, and its helpers. */
#include "notify/template.h"

#include <time.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/text.h"
#include "notify/template-internal.h"
#include "tap.h"

/* clang-format off */
static const char data_text[] =
	"{\"a\":1,\"s\":\"<b>&\\\"'`=x\",\"t\":true,\"f\":false,\"n\":null,\"z\":0,\"e\":\"\",\"str\":\"hi\",\"d\":1.5,"
	" \"arr\":[1,2,3],\"empty\":[],\"o\":{\"p\":\"P\",\"q\":\"Q\"},\"emo\":{},\"nest\":[[1,2],[3]],"
	" \"objs\":[{\"x\":\"A\",\"k\":{\"m\":1}},{\"x\":\"B\",\"k\":{\"m\":2}}],\"a-b\":{\"c-d\":7},"
	" \"sp ace\":{\"y z\":9},\"timestamp\":1795724625,\"size\":13312,\"url\":\"a b/c?d=e&ä%~\","
	" \"esc\":\"q\\\"b\\\\n\\nt\\t/\\u0001\"}";
/* clang-format on */

static struct json_object *data;

static char *rendered(const char *text, struct json_object *values, enum template_output output)
{
	struct error *err = NULL;
	struct buf out = BUF_INIT;
	int r = template_render(text, values, output, &out, &err);
	char *s = r < 0 ? xasprintf("ERROR %s", error_message(err)) : buf_steal(&out);

	error_free(err);
	buf_clear(&out);
	return s;
}

/* Frees got.  A fact's name is one line. */
static void same(char *got, const char *want, const char *what)
{
	_cleanup_free_ char *name = text_cleaned(what), *shown = text_cleaned(want);

	if (!ok(!strcmp(got, want), "%.100s gives %.200s", name, shown)) {
		_cleanup_free_ char *got_shown = text_cleaned(got);

		diag("got %s", got_shown);
	}
	free(got);
}

/* The same in both outputs. */
static void gives(const char *text, const char *want)
{
	_cleanup_free_ char *html = rendered(text, data, TEMPLATE_HTML);

	same(rendered(text, data, TEMPLATE_TEXT), want, text);
	if (strcmp(html, want) != 0)
		same(xstrdup(html), want, "in HTML");
}

static void gives_html(const char *text, const char *want)
{
	same(rendered(text, data, TEMPLATE_HTML), want, text);
}

/* Fails with exactly this message, and leaves the output alone. */
static void refuses(const char *text, const char *want)
{
	struct error *err = NULL;
	struct buf out = BUF_INIT;
	int r;

	buf_adds(&out, "before");
	r = template_render(text, data, TEMPLATE_TEXT, &out, &err);
	ok(r == ERR_INVALID && !strcmp(buf_str(&out), "before"), "what is refused leaves no output");
	same(xstrdup(error_message(err)), want, text);
	error_free(err);
	buf_clear(&out);
}

static void test_values(void)
{
	gives("plain { text } }}", "plain { text } }}");
	gives("{{a}} {{ str }} {{t}} {{f}} {{d}}", "1 hi true false 1.5");
	gives("[{{n}}{{e}}{{missing}}{{missing.x.y}}{{a.b}}{{str.x}}]", "[]");
	gives("{{a-b.c-d}} {{a-b/c-d}} {{[sp ace].[y z]}}", "7 7 9");
	gives("{{this.a}} {{./a}} {{this/a}} {{@root.a}}", "1 1 1 1");
	gives("{{arr.[0]}} {{arr.1}} {{objs.1.k.m}} [{{arr.9}}{{arr.x}}]", "1 2 2 []");
	gives("{{arr}} {{o}} {{nest}}", "[1, 2, 3] [object] [[1, 2], [3]]");
	gives("é ✓", "é ✓");
	same(rendered("{{s}} {{{s}}} {{&s}}", data, TEMPLATE_TEXT), "<b>&\"'`=x <b>&\"'`=x <b>&\"'`=x",
	     "text is not escaped");
	gives_html("{{s}}", "&lt;b&gt;&amp;&quot;&#x27;&#x60;&#x3D;x");
	gives_html("{{{s}}} {{& s}} {{~{s}~}} .", "<b>&\"'`=x <b>&\"'`=x<b>&\"'`=x.");
	gives_html("{{lookup this 's'}}{{{lookup this 's'}}}",
		   "&lt;b&gt;&amp;&quot;&#x27;&#x60;&#x3D;x<b>&\"'`=x");
}

static void test_text(void)
{
	gives("{{! c }}x{{!-- {{a}} }} --}}y{{! a -- b }}z", "xyz");
	gives("\\{{a}} {{a}}", "{{a}} 1");
	gives("\\\\{{a}} \\\\\\{{a}}", "\\1 \\\\1");
	gives("\\{{{a}}} \\ {{a}}", "{{{a}}} \\ 1");
	gives("\\{{{{raw}}}} {{a}}", "{{{{raw}}}} 1");
	gives("{{{{raw}}}}{{a}} {{#if}}{{{{/raw}}}}{{a}}", "{{a}} {{#if}}1");
}

static void test_white_space(void)
{
	gives("a  {{~a~}}  b", "a1b");
	gives("a\n\n {{~#if a~}} \n y \n {{~else~}} n {{~/if~}} \n b", "ayb");
	gives("a {{~! c ~}} b", "ab");
	gives("a {{!-- }} --~}} b{{!-- c --}} c", "a b c");
	gives("a\n  {{! c }} ", "a\n");
	gives("a {{! c }}{{~a}} {{{{raw}}}} x {{{{/raw}}}}{{~a}}", "a 1  x 1");
	gives("a\n  {{#if a}}\n  y\n  {{else}}\n  n\n  {{/if}}\nb\n", "a\n  y\nb\n");
	gives("{{#if a}}  \ny\n{{/if}}", "y\n");
	gives("x {{#if a}}\ny\n{{/if}} z\n", "x \ny\n z\n");
	gives("{{#each arr}}\n- {{this}}\n{{/each}}\nend", "- 1\n- 2\n- 3\nend");
	gives("{{#each objs}}\n{{#if k.m}}\n{{x}}\n{{/if}}\n{{/each}}\n", "A\nB\n");
	gives("a\r\n{{#if a}}\r\ny\r\n{{/if}}\r\nb", "a\r\ny\r\nb");
	gives("a\n  {{! comment }}  \nb\n\t{{!-- c --}}\nc", "a\nb\nc");
	gives("a\n {{a}} \nb", "a\n 1 \nb");
	gives("{{#if n}}\nx\n{{else if t}}\ny\n{{/if}}\nz", "y\nz");
	gives("{{{{raw}}}}\n {{a}}\n{{{{/raw}}}}\nx", " {{a}}\nx");
}

static void test_each(void)
{
	gives("{{#each arr}}{{this}},{{/each}}", "1,2,3,");
	gives("{{#each arr}}{{@index}}:{{.}} {{@first}} {{@last}};{{/each}}",
	      "0:1 true false;1:2 false false;2:3 false true;");
	gives("{{#each arr}}{{#unless @last}}{{this}}, {{else}}{{this}}{{/unless}}{{/each}}", "1, 2, 3");
	gives("{{#each empty}}x{{else}}none{{/each}}{{#each missing}}x{{else}}none{{/each}}", "nonenone");
	gives("[{{#each empty}}x{{/each}}{{#each str}}x{{/each}}{{#each n}}x{{/each}}]", "[]");
	gives("{{#each o}}{{@key}}={{this}}@{{@index}}{{@last}};{{/each}}", "p=P@0false;q=Q@1true;");
	gives("{{#each emo}}x{{else}}none{{/each}}", "none");
	gives("{{#each objs}}{{x}}{{this.x}}{{k.m}}{{../a}}{{@root.a}} {{/each}}", "AA111 BB211 ");
	gives("{{#each nest}}[{{#each this}}{{@index}}{{@../index}}{{../@index}}{{../../a}},{{/each}}]{{/each}}",
	      "[0001,1001,][0111,]");
	gives("{{#each objs as |v i|}}{{v.x}}{{i}}{{/each}}{{#each o as |v k|}}{{k}}{{v}}{{/each}}",
	      "A0B1pPqQ");
	gives("{{#each arr as |v|}}{{#each ../arr as |w|}}{{v}}{{w}} {{/each}}{{/each}}",
	      "11 12 13 21 22 23 31 32 33 ");
	gives("{{#each objs as |x|}}{{x.x}}{{./x}}{{this.x}} {{/each}}", "AAA BBB ");
	gives("[{{@index}}{{@first}}{{@key}}{{@nope}}{{../a}}]", "[]");
	gives("{{#each arr}}{{#if this}}{{../a}}{{/if}}{{/each}}", "111");
}

static void test_conditions(void)
{
	gives("{{#if a}}y{{/if}}{{#if t}}y{{/if}}{{#if str}}y{{/if}}{{#if arr}}y{{/if}}{{#if o}}y{{/if}}",
	      "yyyyy");
	gives("{{#if z}}y{{else}}n{{/if}}{{#if f}}y{{else}}n{{/if}}{{#if e}}y{{else}}n{{/if}}", "nnn");
	gives("{{#if empty}}y{{/if}}{{#if emo}}y{{/if}}{{#if n}}y{{/if}}{{#if missing}}y{{/if}}", "");
	gives("{{#if z includeZero=true}}y{{/if}}{{#if z includeZero = f}}y{{/if}}", "y");
	gives("{{#if n}}1{{else if f}}2{{else if t}}3{{else}}4{{/if}}", "3");
	gives("{{#if n}}1{{else if f}}2{{else}}4{{/if}}{{#if n}}1{{^}}2{{/if}}", "42");
	gives("{{#if n}}x{{else each arr}}{{this}}{{/if}}{{#if n}}x{{else with o}}{{p}}{{/if}}", "123P");
	gives("{{#unless n}}u{{else}}v{{/unless}}{{#unless a}}u{{else}}v{{/unless}}", "uv");
	gives("{{#if a}}{{#if n}}a{{else}}b{{/if}}{{else}}c{{/if}}", "b");
	gives("{{elsewhere}}.", ".");
}

static void test_with(void)
{
	gives("{{#with o}}{{p}}{{../a}}{{@root.a}}{{/with}}", "P11");
	gives("{{#with n}}x{{else}}no{{/with}}{{#with missing}}x{{/with}}", "no");
	gives("{{#with o as |w|}}{{w.p}}{{p}}{{/with}}", "PP");
	gives("{{#each objs}}{{#with k}}{{m}}{{../x}}{{../../a}}{{@index}} {{/with}}{{/each}}", "1A10 2B11 ");
	gives("{{#with (lookup objs 1)}}{{x}}{{/with}}", "B");
}

static void test_lookup(void)
{
	gives("{{lookup arr 1}}{{lookup o 'p'}}{{lookup o \"q\"}}{{lookup arr z}}", "2PQ1");
	gives("[{{lookup missing 1}}{{lookup arr 9}}{{lookup o 'zz'}}{{lookup str 0}}]", "[]");
	gives("{{#each arr}}{{lookup ../nest @index}}{{/each}}", "[1, 2][3]");
	gives("{{lookup (lookup objs 0) \"x\"}}", "A");
}

static void test_literals(void)
{
	gives("{{json true}} {{json false}} {{json null}} {{json 12}} {{json -3}} {{json 1.5}}",
	      "true false null 12 -3 1.5");
	same(rendered("{{json 'a\"b\\'c'}} {{json \"d\\\"e\\u00e4\\n\"}} {{json ''}}", data, TEMPLATE_TEXT),
	     "\"a\\\"b'c\" \"d\\\"eä\\n\" \"\"", "quotes and escapes");
	gives("{{len 'b|}} {{a}}'}}", "10");
}

static void test_comparisons(void)
{
	gives("{{eq a 1}} {{eq str 'hi'}} {{eq a '1'}} {{eq n null}} {{eq missing null}} {{eq arr arr}}",
	      "true true false true true true");
	gives("{{ne a 1}} {{ne a 2}}", "false true");
	gives("{{gt 2 1}} {{gt 1 1}} {{gte 1 1}} {{gte 0 1}}", "true false true false");
	gives("{{lt 1 2}} {{lt 1 1}} {{lte 1 1}} {{lte 2 1}}", "true false true false");
	gives("{{gt d 1}} {{lt d 1}} {{gt 'b' 'a'}} {{gt '10' 9}} {{lt 9 '10'}} {{gte t f}}",
	      "true false true true true true");
	gives("{{gt o 1}} {{lt o 1}} {{gte n 1}} {{lte 'x' 1}}", "false false false false");
	gives("{{gt 9007199254740993 9007199254740992}} {{lt -1 18446744073709551615}}", "true true");
	gives("{{gt 18446744073709551615 9223372036854775807}} {{lt -2 -1}}", "true true");
	gives("{{and 1 t str}} {{and 1 0}} {{or 0 '' n}} {{or n 1}} {{not 0}} {{not arr}}",
	      "true false false true true false");
	gives("{{len arr}} {{len str}} {{len o}} {{len n}} {{len 5}}", "3 2 2 0 0");
	gives("{{#if (and (eq a 1) (not (gt a 5)))}}y{{else}}n{{/if}}", "y");
	gives("{{#eq a 1}}y{{else}}n{{/eq}}{{#not a}}y{{else if (lt a 1)}}x{{else}}n{{/not}}", "yn");
	gives("{{(eq a 1)}}{{#if (a)}}y{{/if}}", "truey");
}

static void test_people(void)
{
	gives("{{human-bytes 0}}|{{human-bytes 1023}}|{{human-bytes 1536}}|{{human-bytes size}}",
	      "0 B|1023 B|1.5 KiB|13 KiB");
	gives("{{human-bytes 3344706120}}|{{human-bytes '1024'}}|{{human-bytes 1125899906842624}}",
	      "3.115 GiB|1 KiB|1 PiB");
	gives("{{duration 3723}}|{{duration 0}}|{{duration 86400}}|{{duration '61'}}|{{duration 1.9}}",
	      "1h 2m 3s|0s|1d|1m 1s|1s");
	gives("{{duration 31557600}}|{{duration 2630016}}|{{duration 604800}}", "1y|1M|1w");
	gives("{{human-bytes str}}|{{human-bytes n}}|{{human-bytes missing}}|{{duration str}}|{{duration -1}}",
	      "hi|||hi|-1");
	gives("{{timestamp 1795724625}}|{{timestamp 0}}|{{timestamp n}}",
	      "2026-11-26 21:23:45|1970-01-01 01:00:00|");
	gives("{{relative-percentage 1234 10000}}|{{relative-percentage 1 3}}|{{relative-percentage 5 0}}",
	      "12.34%|33.33%|-");
	gives("{{relative-percentage n 1}}|{{relative-percentage 1 'x'}}|{{relative-percentage 3 2}}",
	      "-|-|150.00%");
	gives("{{timestamp}} {{this.timestamp}}", "1795724625 1795724625");
	same(rendered("{{object o}}", data, TEMPLATE_TEXT), "{\n  \"p\": \"P\",\n  \"q\": \"Q\"\n}",
	     "object in text");
	gives_html("{{object o}}",
		   "<pre style=\"white-space:pre-wrap;overflow-wrap:anywhere\">{\n  &quot;p&quot;: "
		   "&quot;P&quot;,\n  &quot;q&quot;: &quot;Q&quot;\n}</pre>");
	gives("{{log 'x' level='warn'}}.", ".");
}

static void test_webhooks(void)
{
	same(rendered("{{url-encode url}}", data, TEMPLATE_TEXT), "a%20b%2Fc%3Fd%3De%26%C3%A4%25~",
	     "url-encode");
	same(rendered("{{url-encode \":/?#[]@!$&'()*+,;=%\"}}", data, TEMPLATE_TEXT),
	     "%3A%2F%3F%23%5B%5D%40%21%24%26%27%28%29%2A%2B%2C%3B%3D%25", "url-encode, all it encodes");
	same(rendered("{{url-encode '\"<>\\\\^`{|}-._~aZ0'}}", data, TEMPLATE_TEXT), "\"<>\\^`{|}-._~aZ0",
	     "url-encode, what it leaves");
	gives("{{url-encode timestamp}}{{url-encode n}}", "1795724625");
	same(rendered("\"{{escape esc}}\"", data, TEMPLATE_TEXT), "\"q\\\"b\\\\n\\nt\\t/\\u0001\"", "escape");
	same(rendered("{{json esc}} {{json o}} {{json arr}} {{json n}}", data, TEMPLATE_TEXT),
	     "\"q\\\"b\\\\n\\nt\\t/\\u0001\" {\"p\":\"P\",\"q\":\"Q\"} [1,2,3] null", "json");
}

static void test_tables(void)
{
	static const char json[] =
		"{\"t\":{\"schema\":{\"columns\":[{\"label\":\"VMID\",\"id\":\"vmid\"},"
		"{\"label\":\"Name\",\"id\":\"name\"},{\"label\":\"Size\",\"id\":\"size\",\"renderer\":"
		"\"human-bytes\"},{\"label\":\"Time\",\"id\":\"time\",\"renderer\":\"duration\"},"
		"{\"label\":\"Filename\",\"id\":\"file\"}]},\"data\":["
		"{\"vmid\":100,\"name\":\"a<b\",\"size\":1536,\"time\":61,\"file\":\"/d/x\"},"
		"{\"vmid\":101,\"name\":\"äöü\",\"size\":0,\"time\":0,\"file\":null}]},"
		"\"none\":null,\"bad\":{\"schema\":{\"columns\":[{\"label\":\"x\"}]},\"data\":[]},"
		"\"empty\":{\"schema\":{\"columns\":[]},\"data\":[{}]}}";
	struct json_object *values = json_tokener_parse(json);

	same(rendered("{{table t}}", values, TEMPLATE_TEXT),
	     "VMID    Name      Size       Time     Filename    \n"
	     "100     a<b       1.5 KiB    1m 1s    /d/x        \n"
	     "101     äöü       0 B        0s       null        \n",
	     "a table in text");
	same(rendered("[{{table none}}{{table empty}}{{table missing}}]", values, TEMPLATE_TEXT), "[]",
	     "no table");
	same(rendered("{{table bad}}", values, TEMPLATE_TEXT),
	     "ERROR line 1: table: a column of the table has no label or no id", "a bad column");
	same(rendered("\n{{table this}}", values, TEMPLATE_TEXT),
	     "ERROR line 2: table: the value is no table", "what is no table");
#define C " style=\"border:1px solid #999;padding:3px 8px;text-align:left;overflow-wrap:break-word\">"
	same(rendered("{{table t}}", values, TEMPLATE_HTML),
	     "<table style=\"border-collapse:collapse\">\n<tr><th" C "VMID</th><th" C "Name</th><th" C
	     "Size</th><th" C "Time</th><th" C "Filename</th></tr>\n<tr><td" C "100</td><td" C
	     "a&lt;b</td><td" C "1.5 KiB</td><td" C "1m 1s</td><td" C "/d/x</td></tr>\n<tr><td" C
	     "101</td><td" C "äöü</td><td" C "0 B</td><td" C "0s</td><td" C "</td></tr>\n</table>\n",
	     "a table in HTML");
	json_object_put(values);
}

static void test_errors(void)
{
	refuses("a\nb{{a", "line 2: the template ends within {{...}}");
	refuses("{{#if a}}\n{{#each arr}}x{{/if}}", "line 2: {{/if}} closes {{#each}} of line 2");
	refuses("\n{{#if a}}\n", "line 2: {{#if}} is never closed");
	refuses("{{/if}}", "line 1: {{/if}} closes nothing");
	refuses("{{else}}", "line 1: {{else}} is in no block");
	refuses("{{#if a}}{{else}}{{else}}{{/if}}", "line 1: a second {{else}}");
	refuses("x\n\n{{nope a}}", "line 3: there is no helper 'nope'");
	refuses("{{#arr}}{{/arr}}", "line 1: there is no helper 'arr'");
	refuses("{{#if f}}{{nope a}}{{/if}}", "line 1: there is no helper 'nope'");
	refuses("{{if a}}", "line 1: 'if' begins a block: write {{#if ...}}");
	refuses("{{#json a}}{{/json}}", "line 1: 'json' cannot begin a block: write {{json ...}}");
	refuses("{{eq a}}", "line 1: the helper 'eq' needs 2 values, not 1");
	refuses("{{#if}}{{/if}}", "line 1: the helper 'if' needs 1 value, not 0");
	refuses("{{#if (not)}}{{/if}}", "line 1: the helper 'not' needs a value");
	refuses("\n{{duration}}", "line 2: the helper 'duration' needs a value");
	refuses("{{}}", "line 1: '}' is unexpected within {{...}}");
	refuses("{{a.}}", "line 1: '}' is unexpected within {{...}}");
	refuses("{{a..b}}", "line 1: '.' is unexpected within {{...}}");
	refuses("{{a}b}}", "line 1: '}' is where {{...}} should end");
	refuses("{{{a}}", "line 1: '}' is where {{...}} should end");
	refuses("{{#if 'x}}{{/if}}", "line 1: a quote is not closed");
	refuses("{{json \"\\x\"}}", "line 1: the value \"\\x\" is not valid");
	refuses("{{json (len a}}", "line 1: '}' is unexpected within {{...}}");
	refuses("{{> part}}", "line 1: partials and decorators ({{>}}) are not supported");
	refuses("{{#*inline 'x'}}", "line 1: partials and decorators ({{#*}}) are not supported");
	refuses("{{{{other}}}}", "line 1: of blocks in four braces there is only {{{{raw}}}}");
	refuses("{{{{raw}}}}x", "line 1: {{{{raw}}}} has no {{{{/raw}}}}");
	refuses("{{! x", "line 1: a comment is not closed");
	refuses("{{#each arr as |a b c|}}{{/each}}", "line 1: 'c' is unexpected within {{...}}");
	refuses("{{@root/../a}}", "line 1: '.' is unexpected within {{...}}");
	refuses("{{../@root.a}}", "line 1: there is nothing above @root");
}

static char *repeated(const char *part, unsigned n, const char *middle, const char *end)
{
	struct buf b = BUF_INIT;

	for (unsigned i = 0; i < n; i++)
		buf_adds(&b, part);
	buf_adds(&b, middle);
	for (unsigned i = 0; i < n; i++)
		buf_adds(&b, end);
	return buf_steal(&b);
}

static void test_limits(void)
{
	static const char deep[] = "line 1: more than 64 blocks or parentheses within each other";
	static const char slow[] = "line 1: the template takes too long";
	char *text = repeated("{{#if a}}", TEMPLATE_MAX_NESTING, "y", "{{/if}}"), *chain;

	same(rendered(text, data, TEMPLATE_TEXT), "y", "64 blocks within each other");
	free(text);
	text = repeated("{{#if a}}", TEMPLATE_MAX_NESTING + 1, "", "{{/if}}");
	refuses(text, deep);
	free(text);
	text = repeated("{{#if n}}{{else if (not (not a))}}{{lookup (lookup this 'str') 0}}.{{/if}}", 100, "",
			"");
	chain = repeated(".", 100, "", "");
	same(rendered(text, data, TEMPLATE_TEXT), chain, "100 blocks behind each other");
	free(text);
	free(chain);
	chain = repeated("{{else if n}}", 100000, "", "");
	text = xasprintf("{{#if n}}%s{{/if}}", chain);
	refuses(text, deep);
	free(text);
	free(chain);
	chain = repeated("(not ", 100000, "a", ")");
	text = xasprintf("{{json %s}}", chain);
	refuses(text, deep);
	free(text);
	free(chain);
	chain = repeated("a.", 100000, "a", "");
	text = xasprintf("{{%s}}", chain);
	refuses(text, "line 1: a path has more than 64 parts");
	free(text);
	free(chain);
	chain = repeated("nope", 1000, "", "");
	text = xasprintf("{{/%s}}", chain);
	refuses(text, "line 1: {{/nopenopenopenopenopenopenopenopenopenope}} closes nothing");
	free(text);
	free(chain);
	text = repeated("{{#each @root.arr}}", 20, "", "{{/each}}");
	refuses(text, slow);
	free(text);
	/* each round looks at long strings, though it prints nothing */
	chain = repeated("long", 4096, "", "");
	text = xasprintf("{{#each @root.arr}}{{#each @root.arr}}{{#each @root.arr}}{{#each @root.arr}}"
			 "{{#each @root.arr}}{{#each @root.arr}}{{#each @root.arr}}{{#each @root.arr}}"
			 "{{#if (gt '%s' '%s')}}{{/if}}{{/each}}{{/each}}{{/each}}{{/each}}"
			 "{{/each}}{{/each}}{{/each}}{{/each}}",
			 chain, chain);
	refuses(text, slow);
	free(text);
	free(chain);
	text = repeated("{{#each @root.objs}}", 20, "{{json @root}}", "{{/each}}");
	refuses(text, "line 1: the output is longer than 16 MiB");
	free(text);
}

int main(void)
{
	setenv("TZ", "Europe/Vienna", 1);
	tzset();
	data = json_tokener_parse(data_text);
	test_values();
	test_text();
	test_white_space();
	test_each();
	test_conditions();
	test_with();
	test_lookup();
	test_literals();
	test_comparisons();
	test_people();
	test_webhooks();
	test_tables();
	test_errors();
	test_limits();
	json_object_put(data);
	return done_testing();
}
