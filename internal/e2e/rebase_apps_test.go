package e2e

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

// moving is an application that TestRebase moves to a patched base.
type moving struct {
	app
	// refused are the errors without which nothing could be moved, and flags
	// what a user then gives.
	refused []string
	flags   []string
	// held are the packages whose fixes are not to arrive by --drop-shadow.
	held []string
	// torn is what --drop-shadow tears, as apt says it; it is refused until it
	// is allowed.
	torn string
}

// movingApps are seven applications on their distribution as it was released,
// whose layers ran its package manager.
func movingApps() []moving {
	// The store of certificates in /etc is of what an image has of
	// ca-certificates: it leads to files of theirs, which stay.
	store := []string{"ca-certificates"}
	var out []moving
	for _, name := range []string{"nginx", "python", "redis", "postgres", "node"} {
		out = append(out, moving{app: asReleased(apps[name]), held: store})
	}
	// npm brings what native modules are built with.
	out[4].torn = "libssl-dev : Depends: libssl3 (= "
	return append(out, moving{app: curlApp, held: store},
		// liblzma-dev, which was left in, wants the liblzma5 that it was made
		// with, and the new base has a later one.
		moving{app: cconvApp, refused: []string{"unmet-dependency"}, flags: []string{"--hold", "liblzma5"}, held: []string{"liblzma5"}})
}

const curlPort = 8443

// curlApp fetches from a server of its own by TLS, both from the same libssl.
var curlApp = app{
	name: "curl", context: "testdata/images/curl", ports: []int{curlPort},
	ready: func(ctx context.Context, c *container) error {
		return c.says(ctx, "a greeting from the house", "curl", "-sS", "https://localhost:8443/hello.txt")
	},
	checks: []check{
		{"it trusts the house's authority, in the bundle", says("a greeting from the house\n", "curl", "-sS", "https://localhost:8443/hello.txt")},
		{"and in the directory", says("a greeting from the house\n", "curl", "-sS", "--cacert", "/etc/shop/tls/server.crt", "--capath", "/etc/ssl/certs", "https://localhost:8443/hello.txt")},
		{"not another authority", fails(60, "self-signed certificate in certificate chain|unable to get local issuer certificate", "curl", "-sS", "--capath", "/var/empty", "--cacert", "/etc/shop/tls/other.crt", "https://localhost:8443/hello.txt")},
		{"not another name", fails(60, "no alternative certificate subject name matches", "curl", "-sS", "--resolve", "bank.example:8443:127.0.0.1", "https://bank.example:8443/hello.txt")},
		{"the other name of the certificate", says("a greeting from the house\n", "curl", "-sS", "--resolve", "shop.example:8443:127.0.0.1", "https://shop.example:8443/hello.txt")},
		{"TLS 1.3", says("a greeting from the house\n0 200", "curl", "-sS", "--tlsv1.3", "-w", "%{ssl_verify_result} %{http_code}", "https://localhost:8443/hello.txt")},
		{"TLS 1.2 with a cipher by name", says("a greeting from the house\n", "curl", "-sS", "--tls-max", "1.2", "--ciphers", "ECDHE-RSA-CHACHA20-POLY1305", "https://localhost:8443/hello.txt")},
		{"no TLS 1.0", fails(35, "", "curl", "-sS", "--tlsv1.0", "--tls-max", "1.0", "https://localhost:8443/hello.txt")},
		{"a key that is pinned", says("a greeting from the house\n", "sh", "-c",
			`curl -sS --pinnedpubkey "sha256//$(openssl x509 -in /etc/shop/tls/server.crt -noout -pubkey | openssl pkey -pubin -outform der | openssl dgst -sha256 -binary | openssl base64)" https://localhost:8443/hello.txt`)},
		{"a large file", says("f6351f5ead9a700e34275480b3856ea738122a7c57bdeb744a631251c069587a  -\n", "sh", "-c", "curl -sS https://localhost:8443/numbers.txt | sha256sum")},
		{"digests of OpenSSL's legacy provider", says("MD4(/srv/site/hello.txt)= f4f59f88013b7eb6945f881e6e9a6bb3\n", "openssl", "dgst", "-provider", "legacy", "-provider", "default", "-md4", "/srv/site/hello.txt")},
	},
}

// cconvApp runs once; see its Dockerfile.
var cconvApp = app{
	name: "cconv", context: "testdata/images/cconv",
	checks: []check{
		{"Asian character sets", reports("iconv SHIFT_JIS: 82a89283", "iconv BIG5: b0d3a9b1", "iconv EUC-KR: b0a1b0d4", "iconv ISO-2022-JP: 1b24424363")},
		{"an old one, and transliteration", reports("iconv IBM500: e3c5c5", "iconv ASCII//TRANSLIT: 382c393520455552")},
		{"a database by dlopen", reports("sqlite: 36,49")},
		{"libraries of the base by dlopen", reports("lzma: 5.4.1", "pcre2: 10.42 2022-12-11")},
		{"a plugin beside it", reports("plugin: 42")},
		{"nothing that is not there", reports("dlopen of what is not there: refused")},
		{"time zones", reports("clock Europe/Berlin: 2024-07-01 14:00 +0200", "clock Australia/Lord_Howe: 2024-07-01 22:30 +1030")},
		{"who it runs as", reports("user: report, /srv/report")},
		{"users of the base", reports("daemon: /usr/sbin/nologin")},
		{"names of hosts", reports("localhost: found")},
		{"a locale", reports("locale: Ř")},
		{"its code", func(ctx context.Context, c *container) error {
			code, err := c.exit(ctx)
			if err == nil && code != 0 {
				err = fmt.Errorf("it ended with %d", code)
			}
			return err
		}},
	},
}

// says wants a command in the container to print exactly that, and succeed.
func says(want string, argv ...string) func(context.Context, *container) error {
	return func(ctx context.Context, c *container) error { return c.says(ctx, want, argv...) }
}

func (c *container) says(ctx context.Context, want string, argv ...string) error {
	out, code, err := c.exec(ctx, argv...)
	if err == nil && (code != 0 || strings.TrimSuffix(out, "\n") != strings.TrimSuffix(want, "\n")) {
		err = fmt.Errorf("%s: code %d, %.300q; want %q", strings.Join(argv, " "), code, out, want)
	}
	return err
}

// fails wants a command to end with a code and to say one of some texts.
func fails(want int, texts string, argv ...string) func(context.Context, *container) error {
	return func(ctx context.Context, c *container) error {
		out, code, err := c.exec(ctx, argv...)
		if err != nil {
			return err
		}
		for text := range strings.SplitSeq(texts, "|") {
			if code == want && strings.Contains(out, text) {
				return nil
			}
		}
		return fmt.Errorf("%s: code %d, %.300q; want %d and %q", strings.Join(argv, " "), code, out, want, texts)
	}
}

// reports wants lines of what a program has written that runs to its end.
func reports(lines ...string) func(context.Context, *container) error {
	return func(ctx context.Context, c *container) error {
		out, _, err := c.logs(ctx)
		if err != nil {
			return err
		}
		var errs []error
		for _, l := range lines {
			if !strings.Contains("\n"+out, "\n"+l+"\n") {
				errs = append(errs, fmt.Errorf("it did not report %q", l))
			}
		}
		return errors.Join(errs...)
	}
}
