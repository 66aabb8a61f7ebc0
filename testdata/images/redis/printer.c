/*
 * PRINTER.ENCODE CHARSET TEXT: text as the tills' receipt printers want it,
 * which know no UTF-8. iconv(3) loads the character set by its name.
 *
 * Debian has no header for modules; these are the few calls that we need, from
 * https://redis.io/docs/latest/develop/reference/modules/modules-api-ref/
 */
#include <iconv.h>
#include <stdlib.h>

typedef struct ctx ctx;
typedef struct str str;

static const char *(*text_of)(const str *, size_t *);
static int (*reply_bytes)(ctx *, const char *, size_t);
static int (*reply_error)(ctx *, const char *);
static int (*wrong_arity)(ctx *);

static int encode(ctx *c, str **argv, int argc)
{
	if (argc != 3)
		return wrong_arity(c);
	iconv_t cd = iconv_open(text_of(argv[1], NULL), "UTF-8");
	if (cd == (iconv_t)-1)
		return reply_error(c, "ERR no such character set");
	size_t in_left, room;
	char *in = (char *)text_of(argv[2], &in_left);
	size_t size = room = 4 * in_left + 16;
	char *buf = malloc(size), *out = buf;
	int bad = !buf || iconv(cd, &in, &in_left, &out, &room) == (size_t)-1 || iconv(cd, NULL, NULL, &out, &room) == (size_t)-1;
	iconv_close(cd);
	int r = bad ? reply_error(c, "ERR the printer has no such character") : reply_bytes(c, buf, size - room);
	free(buf);
	return r;
}

int RedisModule_OnLoad(ctx *c, str **argv, int argc)
{
	int (*api)(const char *, void *) = ((void **)c)[0];
	void (*attribs)(ctx *, const char *, int, int);
	int (*command)(ctx *, const char *, int (*)(ctx *, str **, int), const char *, int, int, int);

	(void)argv, (void)argc;
	api("RedisModule_SetModuleAttribs", &attribs);
	api("RedisModule_CreateCommand", &command);
	api("RedisModule_StringPtrLen", &text_of);
	api("RedisModule_ReplyWithStringBuffer", &reply_bytes);
	api("RedisModule_ReplyWithError", &reply_error);
	api("RedisModule_WrongArity", &wrong_arity);
	attribs(c, "printer", 1, 1);
	return command(c, "printer.encode", encode, "readonly", 0, 0, 0);
}
