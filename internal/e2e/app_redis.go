package e2e

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"time"
)

const (
	redisPort    = 6379
	redisTLSPort = 6380
)

func init() {
	register(app{
		name:    "redis",
		context: "testdata/images/redis",
		core:    true,
		ports:   []int{redisPort, redisTLSPort},
		// A server that has started has touched all that its checks need.
		single:  []string{"--until", "exit", "--", "redis-server", "--version"},
		command: []string{"redis-server", "/usr/local/etc/redis/redis.conf"},
		ready: func(ctx context.Context, c *container) error {
			return redisAsk(ctx, c, redisStep{"PING", "PONG"})
		},
		checks: []check{
			{"data types", redisDataTypes},
			{"transactions", redisTransactions},
			{"scripts and functions", redisScripts},
			{"keys expire and say so", redisExpiry},
			{"pub/sub", redisPubSub},
			{"streams and blocking reads", redisStreams},
			{"snapshot and append-only file", redisPersistence},
			{"configuration and what it includes", redisConfig},
			{"users and their rights", redisUsers},
			{"sorting by the locale", redisLocale},
			{"the house's module", redisModule},
			{"TLS", redisTLS},
			{"redis-cli, over the unix socket and by name", redisCLI},
			{"stops cleanly and has its data again", redisRestart},
		},
		mutate: []string{
			// The first four are those of the core set.
			"/usr/lib/x86_64-linux-gnu/gconv/IBM850.so",
			"/usr/lib/locale/locale-archive",
			"/usr/local/lib/redis/printer.so",
			"/usr/local/bin/docker-entrypoint.sh",
			"/usr/local/etc/redis/users.acl",
			"/usr/local/etc/redis/conf.d/events.conf",
			"/usr/local/etc/redis/conf.d/limits.conf",
			"/usr/lib/x86_64-linux-gnu/liblzf.so.1",
			"/etc/redis/tls/redis.key",
			"/usr/bin/redis-cli",
			"/run/redis",
		},
	})
}

// redisStep is a command, its words parted by spaces, and its reply in one
// line as [redisText] puts it.
type redisStep struct{ command, want string }

// redisAsk runs steps over one connection of the default user.
func redisAsk(ctx context.Context, c *container, steps ...redisStep) error {
	r, err := redisDial(ctx, c)
	if err != nil {
		return err
	}
	defer r.Close()
	return r.steps(steps...)
}

func redisDataTypes(ctx context.Context, c *container) error {
	return redisAsk(ctx, c,
		redisStep{"DEL t:s t:h t:l t:z t:b t:p t:g", "*"},
		redisStep{"SET t:s 41", "OK"},
		redisStep{"INCR t:s", "42"},
		redisStep{"APPEND t:s .5", "4"},
		redisStep{"INCRBYFLOAT t:s 0.25", "42.75"},
		redisStep{"HSET t:h name Ada born 1815", "2"},
		redisStep{"HGETALL t:h", "[name Ada born 1815]"},
		redisStep{"RPUSH t:l a b c d", "4"},
		redisStep{"LMOVE t:l t:l LEFT RIGHT", "a"},
		redisStep{"LRANGE t:l 0 -1", "[b c d a]"},
		redisStep{"ZADD t:z 3 three 1 one 2 two", "3"},
		redisStep{"ZRANGE t:z 2 3 BYSCORE WITHSCORES", "[two 2 three 3]"},
		redisStep{"SETBIT t:b 9 1", "0"},
		redisStep{"BITCOUNT t:b", "1"},
		redisStep{"PFADD t:p x y z x", "1"},
		redisStep{"PFCOUNT t:p", "3"},
		redisStep{"GEOADD t:g 13.361389 38.115556 Palermo 15.087269 37.502669 Catania", "2"},
		redisStep{"GEODIST t:g Palermo Catania km", "166.2742"},
		redisStep{"OBJECT ENCODING t:h", "listpack"},
		redisStep{"LPUSH t:s x", "(error) WRONGTYPE Operation against a key holding the wrong kind of value"},
	)
}

func redisTransactions(ctx context.Context, c *container) error {
	err := redisAsk(ctx, c,
		redisStep{"SET tx:a 1", "OK"},
		redisStep{"MULTI", "OK"},
		redisStep{"INCR tx:a", "QUEUED"},
		redisStep{"GETDEL tx:a", "QUEUED"},
		redisStep{"EXEC", "[2 2]"},
		redisStep{"EXISTS tx:a", "0"},
	)
	if err != nil {
		return err
	}
	// What another connection does to a watched key undoes the transaction.
	r, err := redisDial(ctx, c)
	if err != nil {
		return err
	}
	defer r.Close()
	return errors.Join(
		r.steps(redisStep{"SET tx:w 1", "OK"}, redisStep{"WATCH tx:w", "OK"}, redisStep{"MULTI", "OK"}, redisStep{"INCR tx:w", "QUEUED"}),
		redisAsk(ctx, c, redisStep{"SET tx:w other", "OK"}),
		r.steps(redisStep{"EXEC", "(nil)"}, redisStep{"GET tx:w", "other"}),
	)
}

func redisScripts(ctx context.Context, c *container) error {
	r, err := redisDial(ctx, c)
	if err != nil {
		return err
	}
	defer r.Close()
	const (
		// Each of the libraries that redis has built into its Lua.
		libraries = `local t = cjson.decode(ARGV[1])
			redis.call('SET', KEYS[1], cmsgpack.pack(t.items))
			local back = cmsgpack.unpack(redis.call('GET', KEYS[1]))
			return {#back, back[2], struct.unpack('>I2', struct.pack('>I2', t.n)), bit.tohex(bit.bxor(t.n, 255)), redis.sha1hex(t.name)}`
		function = `#!lua name=stock
			redis.register_function('take', function(keys, args)
				local left = redis.call('DECRBY', keys[1], args[1])
				if left >= 0 then return left end
				redis.call('INCRBY', keys[1], args[1])
				return redis.error_reply('EMPTY only ' .. left + args[1] .. ' left')
			end)`
	)
	got, err := r.do("EVAL", libraries, "1", "lua:k", `{"name":"pare","n":4660,"items":["a","b"]}`)
	if want := "[2 b 4660 000012cb 5c17d449e65b506233f7f89fd3b060252f93a0ff]"; err == nil && redisText(got) != want {
		err = fmt.Errorf("EVAL answers %s, want %s", redisText(got), want)
	}
	if err == nil {
		_, err = r.do("FUNCTION", "LOAD", "REPLACE", function)
	}
	if err != nil {
		return err
	}
	return r.steps(
		redisStep{"SET lua:stock 5", "OK"},
		redisStep{"FCALL take 1 lua:stock 3", "2"},
		redisStep{"FCALL take 1 lua:stock 3", "(error) EMPTY only 2 left"},
		redisStep{"SCRIPT LOAD return{KEYS[1],ARGV[1]}", "b2f8419f2aff8c8c7903adfa37117080691dbe99"},
		redisStep{"EVALSHA b2f8419f2aff8c8c7903adfa37117080691dbe99 1 k v", "[k v]"},
	)
}

// redisExpiry waits for the event that conf.d/events.conf asks for.
func redisExpiry(ctx context.Context, c *container) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second) // no event, no error
	defer cancel()
	events, err := redisDial(ctx, c)
	if err != nil {
		return err
	}
	defer events.Close()
	return errors.Join(
		events.steps(redisStep{"SUBSCRIBE __keyevent@0__:expired", "[subscribe __keyevent@0__:expired 1]"}),
		redisAsk(ctx, c,
			redisStep{"SET x:day 1 EX 86400", "OK"},
			redisStep{"TTL x:day", "86400"},
			redisStep{"PERSIST x:day", "1"},
			redisStep{"TTL x:day", "-1"},
			redisStep{"SET x:soon 1 PX 30", "OK"},
		),
		events.expect("[message __keyevent@0__:expired x:soon]"),
		redisAsk(ctx, c, redisStep{"GET x:soon", "(nil)"}, redisStep{"GET x:day", "1"}),
	)
}

func redisPubSub(ctx context.Context, c *container) error {
	sub, err := redisDial(ctx, c)
	if err != nil {
		return err
	}
	defer sub.Close()
	return errors.Join(
		sub.steps(
			redisStep{"SUBSCRIBE ps:news", "[subscribe ps:news 1]"},
			redisStep{"PSUBSCRIBE ps:*", "[psubscribe ps:* 2]"},
		),
		redisAsk(ctx, c, redisStep{"PUBLISH ps:news hello", "2"}, redisStep{"PUBLISH ps:other you", "1"}),
		sub.expect("[message ps:news hello]"),
		sub.expect("[pmessage ps:* ps:news hello]"),
		sub.expect("[pmessage ps:* ps:other you]"),
	)
}

func redisStreams(ctx context.Context, c *container) error {
	waiting, err := redisDial(ctx, c)
	if err != nil {
		return err
	}
	defer waiting.Close()
	err = redisAsk(ctx, c,
		redisStep{"DEL st:log st:queue", "*"},
		redisStep{"XADD st:log 1-1 event start", "1-1"},
		redisStep{"XADD st:log 2-1 event stop", "2-1"},
		redisStep{"XGROUP CREATE st:log workers 0", "OK"},
		redisStep{"XREADGROUP GROUP workers w1 COUNT 1 STREAMS st:log >", "[[st:log [[1-1 [event start]]]]]"},
		redisStep{"XPENDING st:log workers", "[1 1-1 1-1 [[w1 1]]]"},
		redisStep{"XACK st:log workers 1-1", "1"},
		redisStep{"XRANGE st:log 2 +", "[[2-1 [event stop]]]"},
	)
	if err != nil {
		return err
	}
	return errors.Join(
		waiting.send("BLPOP", "st:queue", "10"),
		redisAsk(ctx, c, redisStep{"RPUSH st:queue job", "1"}),
		waiting.expect("[st:queue job]"),
	)
}

// redisPersistence writes both kinds of file and has redis read them again. A
// string that compresses well takes the way through liblzf.
func redisPersistence(ctx context.Context, c *container) error {
	r, err := redisDial(ctx, c)
	if err != nil {
		return err
	}
	defer r.Close()
	long := strings.Repeat("pare,", 2000)
	return errors.Join(
		r.idle(ctx, "rdb_bgsave_in_progress", "aof_rewrite_in_progress"),
		r.steps(redisStep{"DEL p:list", "*"}, redisStep{"SET p:long " + long, "OK"}, redisStep{"RPUSH p:list 1 2 3", "3"}),
		r.steps(redisStep{"SAVE", "OK"}, redisStep{"DEBUG RELOAD", "OK"}, redisStep{"LRANGE p:list 0 -1", "[1 2 3]"}),
		r.steps(redisStep{"BGSAVE", "Background saving started"}),
		r.idle(ctx, "rdb_bgsave_in_progress"),
		r.info("persistence", "rdb_last_bgsave_status", "ok"),
		r.steps(redisStep{"BGREWRITEAOF", "Background append only file rewriting started"}),
		r.idle(ctx, "aof_rewrite_in_progress"),
		r.info("persistence", "aof_last_bgrewrite_status", "ok"),
		r.info("persistence", "aof_last_write_status", "ok"),
		r.steps(redisStep{"RPUSH p:list 4", "4"}, redisStep{"DEBUG LOADAOF", "OK"}),
		r.steps(redisStep{"LRANGE p:list 0 -1", "[1 2 3 4]"}, redisStep{"STRLEN p:long", strconv.Itoa(len(long))}),
	)
}

func redisConfig(ctx context.Context, c *container) error {
	r, err := redisDial(ctx, c)
	if err != nil {
		return err
	}
	defer r.Close()
	return errors.Join(
		r.steps(
			redisStep{"CONFIG GET dir", "[dir /data]"},
			redisStep{"CONFIG GET appendonly", "[appendonly yes]"},
			redisStep{"CONFIG GET maxmemory", "[maxmemory 67108864]"},
			redisStep{"CONFIG GET maxmemory-policy", "[maxmemory-policy allkeys-lfu]"},
			redisStep{"CONFIG GET notify-keyspace-events", "[notify-keyspace-events xE]"},
			redisStep{"CONFIG SET slowlog-max-len 64", "OK"},
			redisStep{"CONFIG GET slowlog-max-len", "[slowlog-max-len 64]"},
		),
		r.info("server", "redis_mode", "standalone"),
		r.info("server", "config_file", "/usr/local/etc/redis/redis.conf"),
		r.info("memory", "mem_allocator", "jemalloc-"),
	)
}

func redisUsers(ctx context.Context, c *container) error {
	return redisAsk(ctx, c,
		redisStep{"SET public:price 12", "OK"},
		redisStep{"ACL LOAD", "OK"}, // reads users.acl again
		redisStep{"AUTH shopfront wrong", "(error) WRONGPASS invalid username-password pair or user is disabled."},
		redisStep{"AUTH shopfront till-4711", "OK"},
		redisStep{"ACL WHOAMI", "(error) NOPERM this user has no permissions to run the 'acl|whoami' command"},
		redisStep{"GET public:price", "12"},
		redisStep{"GET private:cost", "(error) NOPERM this user has no permissions to access one of the keys used as arguments"},
		redisStep{"SET public:price 1", "(error) NOPERM this user has no permissions to run the 'set' command"},
	)
}

// redisLocale sorts as Swedes do (LANG is sv_SE.UTF-8), which is neither the
// order of the bytes nor that of English.
func redisLocale(ctx context.Context, c *container) error {
	return redisAsk(ctx, c,
		redisStep{"DEL lc:names", "*"},
		redisStep{"SADD lc:names öl ärlig zebra Cykel ål banan Apelsin", "7"},
		redisStep{"SORT lc:names ALPHA", "[Apelsin banan Cykel zebra ål ärlig öl]"},
		redisStep{"SORT lc:names ALPHA DESC LIMIT 0 2", "[öl ärlig]"},
	)
}

func redisModule(ctx context.Context, c *container) error {
	return redisAsk(ctx, c,
		redisStep{"PRINTER.ENCODE IBM850 Räksmörgås½", "R\x84ksm\x94rg\x86s\xab"},
		redisStep{"PRINTER.ENCODE IBM850 5€", "(error) ERR the printer has no such character"},
		redisStep{"PRINTER.ENCODE no-such-set x", "(error) ERR no such character set"},
		redisStep{"PRINTER.ENCODE IBM850", "(error) ERR wrong number of arguments for 'printer.encode' command"},
	)
}

// redisTLS verifies what the server shows down to the authority that it sends
// along; that was made with the image.
func redisTLS(ctx context.Context, c *container) error {
	d := tls.Dialer{Config: &tls.Config{
		ServerName:         "redis.example.com",
		InsecureSkipVerify: true, // VerifyConnection does it
		VerifyConnection: func(s tls.ConnectionState) error {
			roots := x509.NewCertPool()
			last := s.PeerCertificates[len(s.PeerCertificates)-1]
			if cn := last.Subject.CommonName; cn != "Example Redis CA" {
				return fmt.Errorf("the chain ends at %q", cn)
			}
			roots.AddCert(last)
			_, err := s.PeerCertificates[0].Verify(x509.VerifyOptions{DNSName: s.ServerName, Roots: roots})
			return err
		},
	}}
	conn, err := d.DialContext(ctx, "tcp", c.addr(redisTLSPort))
	if err != nil {
		return err
	}
	r := redisOver(ctx, conn)
	defer r.Close()
	return r.steps(redisStep{"SET tls:k v", "OK"}, redisStep{"GET tls:k", "v"})
}

// redisCLI is how an operator, and the image's HEALTHCHECK, talk to it. The
// HEALTHCHECK itself is not in a source of OCI's format, which has no field
// for it.
func redisCLI(ctx context.Context, c *container) error {
	for _, t := range []struct{ command, want string }{
		{"redis-cli -s /run/redis/redis.sock ping", "PONG"},
		{"redis-cli -h localhost eval return{6*7,8} 0", "42\n8"},
	} {
		out, code, err := c.exec(ctx, strings.Fields(t.command)...)
		out = strings.TrimSpace(strings.ReplaceAll(out, "\r", ""))
		if err == nil && (code != 0 || out != t.want) {
			err = fmt.Errorf("%s ends with %d and says %q, want %q", t.command, code, out, t.want)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// redisRestart stops and starts a second container of the same image: the one
// that is being recorded or checked must live on.
func redisRestart(ctx context.Context, c *container) error {
	if c.remote != nil {
		return nil // there is no second one
	}
	image, err := c.engine(ctx, "inspect", "--format", "{{.Config.Image}}", c.name)
	if err != nil {
		return err
	}
	second := c.bed.newContainer(c.app, c.cli)
	defer second.remove()
	if err := second.create(ctx, []string{"--publish", "127.0.0.1::" + strconv.Itoa(redisPort)}, strings.TrimSpace(image)); err != nil {
		return err
	}
	if err := redisUp(ctx, second, redisStep{"SET kept over-the-restart", "OK"}); err != nil {
		return err
	}
	code, err := second.stop(ctx)
	if err != nil {
		return err
	}
	out, _, err := second.logs(ctx)
	if err == nil && (code != 0 || !strings.Contains(out, "DB saved on disk") || !strings.Contains(out, "bye bye")) {
		err = fmt.Errorf("redis ends with %d and says: %s", code, out)
	}
	if err != nil {
		return err
	}
	if _, err := second.engine(ctx, "start", second.name); err != nil {
		return err
	}
	return redisUp(ctx, second, redisStep{"GET kept", "over-the-restart"})
}

// redisUp waits until redis answers, then takes a step.
func redisUp(ctx context.Context, c *container, s redisStep) error {
	err := poll(ctx, 15*time.Second, "redis to answer", func(ctx context.Context) error {
		return redisAsk(ctx, c, redisStep{"PING", "PONG"})
	})
	return errors.Join(err, redisAsk(ctx, c, s))
}

// redisConn speaks RESP2, https://redis.io/docs/latest/develop/reference/protocol-spec/.
type redisConn struct {
	net.Conn
	in *bufio.Reader
}

func redisDial(ctx context.Context, c *container) (*redisConn, error) {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", c.addr(redisPort))
	if err != nil {
		return nil, err
	}
	return redisOver(ctx, conn), nil
}

func redisOver(ctx context.Context, conn net.Conn) *redisConn {
	if until, ok := ctx.Deadline(); ok {
		conn.SetDeadline(until)
	}
	return &redisConn{Conn: conn, in: bufio.NewReader(conn)}
}

func (r *redisConn) do(args ...string) (any, error) {
	if err := r.send(args...); err != nil {
		return nil, err
	}
	return r.reply()
}

func (r *redisConn) send(args ...string) error {
	b := fmt.Appendf(nil, "*%d\r\n", len(args))
	for _, a := range args {
		b = fmt.Appendf(b, "$%d\r\n%s\r\n", len(a), a)
	}
	_, err := r.Write(b)
	return err
}

// redisMaxReply bounds what a reply may claim to hold.
const redisMaxReply = 1 << 20

// redisFault is an error reply; it is a value as others are.
type redisFault string

func (r *redisConn) reply() (any, error) {
	line, err := r.in.ReadString('\n')
	if err != nil {
		return nil, fmt.Errorf("reading a reply: %w", err)
	}
	kind, rest := line[0], strings.TrimRight(line[1:], "\r\n")
	switch kind {
	case '+':
		return rest, nil
	case '-':
		return redisFault(rest), nil
	case ':':
		return strconv.ParseInt(rest, 10, 64)
	}
	n, err := strconv.Atoi(rest)
	switch {
	case err != nil || n > redisMaxReply:
		return nil, fmt.Errorf("reading a reply: %q is no length", rest)
	case n < 0:
		return nil, nil
	case kind == '$':
		b := make([]byte, n+2)
		_, err := io.ReadFull(r.in, b)
		return string(b[:n]), err
	case kind != '*':
		return nil, fmt.Errorf("reading a reply: unknown kind %q", kind)
	}
	list := make([]any, n)
	for i := range list {
		if list[i], err = r.reply(); err != nil {
			return nil, err
		}
	}
	return list, nil
}

// redisText puts a reply into one line: 42, text, [a [b c]], (nil), (error) ….
func redisText(v any) string {
	switch v := v.(type) {
	case nil:
		return "(nil)"
	case redisFault:
		return "(error) " + string(v)
	case []any:
		words := make([]string, len(v))
		for i := range v {
			words[i] = redisText(v[i])
		}
		return "[" + strings.Join(words, " ") + "]"
	}
	return fmt.Sprint(v)
}

// steps runs commands and compares their replies; "*" takes any that is no
// error.
func (r *redisConn) steps(steps ...redisStep) error {
	for _, s := range steps {
		if err := r.send(strings.Split(s.command, " ")...); err != nil {
			return err
		}
		if err := r.expect(s.want); err != nil {
			return fmt.Errorf("%.60s: %w", s.command, err)
		}
	}
	return nil
}

// expect reads one reply, or a message that was published.
func (r *redisConn) expect(want string) error {
	v, err := r.reply()
	if err != nil {
		return err
	}
	_, fault := v.(redisFault)
	if got := redisText(v); got != want && (want != "*" || fault) {
		return fmt.Errorf("got %q, want %q", got, want)
	}
	return nil
}

// field is a line of INFO.
func (r *redisConn) field(section, name string) (string, error) {
	v, err := r.do("INFO", section)
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(redisText(v)) {
		if value, ok := strings.CutPrefix(line, name+":"); ok {
			return strings.TrimSpace(value), nil
		}
	}
	return "", fmt.Errorf("INFO %s has no %s", section, name)
}

// info compares the beginning of a line of INFO.
func (r *redisConn) info(section, name, want string) error {
	got, err := r.field(section, name)
	if err == nil && !strings.HasPrefix(got, want) {
		err = fmt.Errorf("INFO %s: %s is %q, want %q", section, name, got, want)
	}
	return err
}

// idle waits until none of redis's own background jobs runs.
func (r *redisConn) idle(ctx context.Context, jobs ...string) error {
	return poll(ctx, 15*time.Second, "redis's background jobs to end", func(context.Context) error {
		for _, j := range jobs {
			v, err := r.field("persistence", j)
			if err == nil && v != "0" {
				err = fmt.Errorf("%s is %s", j, v)
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
}
