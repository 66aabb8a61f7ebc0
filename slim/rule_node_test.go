package slim

import (
	"strings"
	"testing"
)

// nodeApp has packages as npm (hoisted, nested, scoped) and pnpm (links)
// install them.
const nodeApp = `
-- layer --
file usr/app/package.json "{\"name\":\"shop\",\"main\":\"server.js\",\"dependencies\":{\"express\":\"4\"}}"
file usr/app/server.js
file usr/app/lib/deep/x.js
file usr/app/other.js
file usr/app/node_modules/express/package.json "{\"name\":\"express\",\"version\":\"4\",\"main\":\"./index\",\"bin\":{\"ex\":\"cli.js\"},\"dependencies\":{\"accepts\":\"1\",\"@s/body\":\"1\",\"gone\":\"1\"},\"optionalDependencies\":{\"fsevents\":\"1\",\"native\":\"1\"},\"devDependencies\":{\"mocha\":\"1\"}}"
file usr/app/node_modules/express/index.js
file usr/app/node_modules/express/cli.js 0755
file usr/app/node_modules/express/lib/express.js
file usr/app/node_modules/express/node_modules/accepts/package.json "{\"name\":\"accepts\",\"version\":\"1\"}"
file usr/app/node_modules/express/node_modules/accepts/index.js
symlink usr/app/node_modules/.bin/ex -> ../express/cli.js
symlink usr/app/node_modules/.bin/mocha -> ../mocha/cli.js
file usr/app/node_modules/accepts/package.json "{\"name\":\"accepts\",\"version\":\"0\"}"
file usr/app/node_modules/accepts/index.js
file usr/app/node_modules/@s/body/package.json "{\"name\":\"@s/body\",\"version\":\"1\",\"dependencies\":{\"accepts\":\"0\"}}"
file usr/app/node_modules/@s/body/index.js
file usr/app/node_modules/native/package.json "{\"name\":\"native\",\"version\":\"1\"}"
file usr/app/node_modules/native/prebuilds/linux-x64/n.node
file usr/app/node_modules/mocha/package.json "{\"name\":\"mocha\",\"version\":\"1\"}"
file usr/app/node_modules/mocha/cli.js 0755
file usr/app/node_modules/unversioned/package.json "{\"name\":\"unversioned\"}"
file usr/app/node_modules/unversioned/a.js
file usr/app/node_modules/unversioned/b.js
symlink usr/app/node_modules/linked -> .pnpm/linked@1/node_modules/linked
file usr/app/node_modules/.pnpm/linked@1/node_modules/linked/package.json "{\"name\":\"linked\",\"version\":\"1\",\"dependencies\":{\"dep\":\"2\"}}"
file usr/app/node_modules/.pnpm/linked@1/node_modules/linked/i.js
file usr/app/node_modules/.pnpm/linked@1/node_modules/linked/j.js
symlink usr/app/node_modules/.pnpm/linked@1/node_modules/dep -> ../../dep@2/node_modules/dep
file usr/app/node_modules/.pnpm/dep@2/node_modules/dep/package.json "{\"name\":\"dep\",\"version\":\"2\"}"
file usr/app/node_modules/.pnpm/dep@2/node_modules/dep/d.js
`

func TestRuleNode(t *testing.T) {
	runRuleCases(t, []ruleCase{
		{
			name: "every package.json on the way to the package's, and what it names", image: nodeApp,
			opened: "/usr/app/lib/deep/x.js /usr/app/node_modules/unversioned/a.js",
			want: `
/usr/app/lib/deep/x.js access
/usr/app/package.json node /usr/app/lib/deep/x.js
/usr/app/server.js node /usr/app/package.json
/usr/app/node_modules/unversioned/a.js access
/usr/app/node_modules/unversioned/package.json node /usr/app/node_modules/unversioned/a.js
`,
		},
		{
			name: "exports and imports, files of the package only",
			image: `
-- layer --
file usr/p/package.json "{\"exports\":{\".\":{\"import\":\"./m.mjs\",\"require\":\"./c.cjs\",\"browser\":\"./web.js\"},\"./*\":\"./all/*.js\",\"./up\":\"./../../etc/secret\"},\"imports\":{\"#i\":\"./i.js\"}}"
file usr/p/m.mjs
file usr/p/c.cjs
file usr/p/web.js
file usr/p/all/a.js
file usr/p/i.js
file etc/secret
file usr/p/sub/x.js
`,
			opened: "/usr/p/sub/x.js",
			want: `
/usr/p/sub/x.js access
/usr/p/package.json node /usr/p/sub/x.js
/usr/p/m.mjs node /usr/p/package.json
/usr/p/c.cjs node /usr/p/package.json
/usr/p/i.js node /usr/p/package.json
`,
		},
	})
}

func TestRuleNpm(t *testing.T) {
	auto := Options{Granularity: GranularityAuto}
	const m = "/usr/app/node_modules/"
	const pnpm = m + ".pnpm/"
	runRuleCases(t, []ruleCase{
		{
			name: "whole, with dependencies as Node finds them, and optional ones that are there", image: nodeApp, options: auto,
			opened: m + "express/lib/express.js",
			want: strings.ReplaceAll(`
M/express/lib/express.js access
M/.bin/ex link M/express/cli.js
M/express/cli.js npm M/express/lib/express.js
M/express/index.js npm M/express/lib/express.js
M/express/package.json npm M/express/lib/express.js
M/express/node_modules/accepts npm M/express/lib/express.js
M/express/node_modules/accepts/index.js npm M/express/lib/express.js
M/express/node_modules/accepts/package.json npm M/express/lib/express.js
M/@s/body npm M/express/lib/express.js
M/@s/body/index.js npm M/express/lib/express.js
M/@s/body/package.json npm M/express/lib/express.js
M/accepts npm M/express/lib/express.js
M/accepts/index.js npm M/express/lib/express.js
M/accepts/package.json npm M/express/lib/express.js
M/native npm M/express/lib/express.js
M/native/package.json npm M/express/lib/express.js
M/native/prebuilds npm M/express/lib/express.js
M/native/prebuilds/linux-x64 npm M/express/lib/express.js
M/native/prebuilds/linux-x64/n.node npm M/express/lib/express.js
`, "M/", m),
		},
		{
			name: "what an application declares, and no more", image: `
-- layer --
file usr/shop/package.json "{\"name\":\"shop\",\"dependencies\":{\"yaml\":\"4\",\"gone\":\"1\"},\"devDependencies\":{\"mocha\":\"1\"}}"
file usr/shop/lib/a.js
file usr/other/package.json "{\"name\":\"other\",\"dependencies\":{\"mocha\":\"1\"}}"
file usr/other/a.json
file usr/share/nodejs/yaml/package.json "{\"name\":\"yaml\",\"version\":\"4\"}"
file usr/share/nodejs/yaml/y.js
file usr/share/nodejs/mocha/package.json "{\"name\":\"mocha\",\"version\":\"1\"}"
file usr/share/nodejs/mocha/m.js
`, options: auto,
			opened: "/usr/shop/lib/a.js /usr/other/a.json",
			want: `
/usr/shop/lib/a.js access
/usr/shop/package.json node /usr/shop/lib/a.js
/usr/other/a.json access
/usr/share/nodejs/yaml npm /usr/shop/lib/a.js
/usr/share/nodejs/yaml/package.json npm /usr/shop/lib/a.js
/usr/share/nodejs/yaml/y.js npm /usr/shop/lib/a.js
`,
		},
		{
			name: "links of pnpm stay links", image: nodeApp, options: auto,
			opened: m + "linked/i.js",
			want: strings.ReplaceAll(strings.ReplaceAll(`
M/linked link P/linked@1/node_modules/linked/i.js
P/linked@1/node_modules/linked/i.js access
P/linked@1/node_modules/linked/j.js npm P/linked@1/node_modules/linked/i.js
P/linked@1/node_modules/linked/package.json npm P/linked@1/node_modules/linked/i.js
P/linked@1/node_modules/dep link P/dep@2/node_modules/dep
P/dep@2/node_modules/dep npm P/linked@1/node_modules/linked/i.js
P/dep@2/node_modules/dep/d.js npm P/linked@1/node_modules/linked/i.js
P/dep@2/node_modules/dep/package.json npm P/linked@1/node_modules/linked/i.js
`, "M/", m), "P/", pnpm),
		},
		{
			name: "not without name and version, nor for a package.json that was read, nor at granularity file", image: nodeApp, options: auto,
			profile: joined(accessed(m+"unversioned/a.js", "open"), accessed(m+"mocha/cli.js", "stat"), accessed(m+"native/package.json", "open")),
			want: strings.ReplaceAll(`
M/unversioned/a.js access
M/unversioned/package.json node M/unversioned/a.js
M/mocha/cli.js access
M/mocha/package.json node M/mocha/cli.js
M/native/package.json access
`, "M/", m),
		},
		{
			name: "granularity file", image: nodeApp, opened: m + "express/lib/express.js",
			want: strings.ReplaceAll(`
M/express/lib/express.js access
M/express/package.json node M/express/lib/express.js
M/express/index.js node M/express/package.json
`, "M/", m),
			risks: "",
		},
	})
}
