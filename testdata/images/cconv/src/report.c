/* report says what it can find and load, one line each. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <iconv.h>
#include <locale.h>
#include <netdb.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <wctype.h>

static void convert(const char *to, const char *text)
{
	char out[64], *in = (char *)text, *end = out;
	size_t left = strlen(text), room = sizeof out;
	iconv_t cd = iconv_open(to, "UTF-8");

	if (cd == (iconv_t)-1 || iconv(cd, &in, &left, &end, &room) == (size_t)-1) {
		printf("iconv %s: failed\n", to);
		return;
	}
	iconv_close(cd);
	printf("iconv %s: ", to);
	for (char *p = out; p < end; p++)
		printf("%02x", (unsigned char)*p);
	printf("\n");
}

/* symbol finds one of a library that is loaded by its name alone. */
static void *symbol(const char *library, const char *name)
{
	void *h = dlopen(library, RTLD_NOW);
	void *s = h ? dlsym(h, name) : NULL;

	if (!s)
		printf("dlopen %s: failed\n", library);
	return s;
}

static int row(void *unused, int n, char **values, char **names)
{
	(void)unused, (void)n, (void)names;
	printf("sqlite: %s\n", values[0]);
	return 0;
}

static void sqlite(void)
{
	int (*open)(const char *, void **) = symbol("libsqlite3.so.0", "sqlite3_open");
	int (*exec)(void *, const char *, int (*)(void *, int, char **, char **), void *, char **) = symbol("libsqlite3.so.0", "sqlite3_exec");
	void *db;

	if (open && exec && open(":memory:", &db) == 0)
		exec(db, "select group_concat(n * n) from (select 6 n union select 7)", row, NULL, NULL);
}

static void libraries(void)
{
	const int numbers[] = {40, 1, 1};
	const char *(*lzma)(void) = symbol("liblzma.so.5", "lzma_version_string");
	int (*pcre)(unsigned, void *) = symbol("libpcre2-8.so.0", "pcre2_config_8");
	int (*plugin)(const int *, int) = symbol("plugin_sum.so", "plugin");
	char version[64];

	sqlite();
	if (lzma)
		printf("lzma: %s\n", lzma());
	if (pcre && pcre(11, version) > 0)
		printf("pcre2: %s\n", version);
	if (plugin)
		printf("plugin: %d\n", plugin(numbers, 3));
	printf("dlopen of what is not there: %s\n", dlopen("libnothere.so.1", RTLD_NOW) ? "loaded" : "refused");
}

static void clock_in(const char *zone)
{
	time_t at = 1719835200;
	char text[64];

	setenv("TZ", zone, 1);
	tzset();
	strftime(text, sizeof text, "%F %H:%M %z", localtime(&at));
	printf("clock %s: %s\n", zone, text);
}

static void system_says(void)
{
	struct addrinfo hints = {.ai_family = AF_INET, .ai_socktype = SOCK_STREAM}, *found = NULL;
	struct passwd *me = getpwuid(getuid()), *daemon = getpwnam("daemon");

	printf("user: %s, %s\n", me ? me->pw_name : "unknown", me ? me->pw_dir : "nowhere");
	printf("daemon: %s\n", daemon ? daemon->pw_shell : "unknown");
	printf("localhost: %s\n", getaddrinfo("localhost", NULL, &hints, &found) == 0 && found ? "found" : "unknown");
	if (setlocale(LC_ALL, "C.UTF-8"))
		printf("locale: %lc\n", towupper(L'\u0159'));
}

int main(void)
{
	convert("SHIFT_JIS", "\u304a\u8336");
	convert("BIG5", "\u5546\u5e97");
	convert("EUC-KR", "\uac00\uac8c");
	convert("IBM500", "TEE");
	convert("ISO-2022-JP", "\u8336");
	convert("ASCII//TRANSLIT", "8,95 \u20ac");
	libraries();
	clock_in("Europe/Berlin");
	clock_in("Australia/Lord_Howe");
	system_says();
	return 0;
}
